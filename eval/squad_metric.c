#include "eval/squad_metric.h"

#include <ctype.h>
#include <string.h>

#include "eval/ngrams.h"

/* What one pair of answers needs, kept from one to the next. */
typedef struct {
    str           lower, one, other; /* one, other: normal forms */
    vocabulary    words;
    token_list    prediction, reference;
    ngram_counter ngrams;
} workspace;
static _Thread_local workspace own;

static bool is_article(const char *w, size_t n)
{
    return (n == 1 && *w == 'a') || (n == 2 && !memcmp(w, "an", 2)) || (n == 3 && !memcmp(w, "the", 3));
}

/* The first character of text: whether it is a word character (\w), and its bytes. */
static inline bool is_word(slice text, size_t *len)
{
    unsigned cp;
    *len = 1;
    if (!(text.s[0] & 0x80)) return isalnum((unsigned char)text.s[0]); /* the underscore is punctuation, and gone */
    *len = (size_t)py_next(text.s, text.n, &cp);
    return py_is_word(cp);
}

/* In place: delete the 32 ASCII punctuation characters. */
static void drop_punctuation(str *text)
{
    char *to = text->s;
    for (size_t i = 0; i < text->n; i++) {
        *to = text->s[i];
        to += (*to & 0x80) || !ispunct((unsigned char)*to);
    }
    text->n = (size_t)(to - text->s);
}

/* In place: \b(a|an|the)\b becomes one blank: a run of word characters that is nothing but an article. */
static void drop_articles(str *text)
{
    char  *to   = text->s;
    slice  rest = { text->s, text->n };
    size_t len  = 0;
    while (rest.n) {
        const char *start = rest.s;
        while (rest.n && is_word(rest, &len)) rest.s += len, rest.n -= len;
        size_t n = (size_t)(rest.s - start);
        if (is_article(start, n)) {
            *to++ = ' ';
        } else {
            memmove(to, start, n);
            to += n;
        }
        if (!rest.n) break;
        memmove(to, rest.s, len); /* the character that ended the run */
        to += len;
        rest.s += len;
        rest.n -= len;
    }
    text->n = (size_t)(to - text->s);
}

void squad_normalize(slice text, str *out)
{
    str *lower = &own.lower;
    str_clear(lower);
    str_reserve(lower, text.n);
    py_lower(text, lower);
    drop_punctuation(lower);
    drop_articles(lower);
    slice rest = { lower->s, lower->n }, word;
    for (bool first = true; py_next_word(&rest, &word); first = false) {
        if (!first) str_putc(out, ' ');
        str_add(out, word.s, word.n);
    }
}

typedef double score_pair(const str *prediction, const str *reference, squad_rules rules);

static double exact(const str *p, const str *r, squad_rules rules)
{
    (void)rules;
    return p->n == r->n && !memcmp(str_c(p), str_c(r), p->n);
}

static double token_f1(const str *p, const str *r, squad_rules rules)
{
    workspace *w = &own;
    int64_t    common;
    vocabulary_clear(&w->words);
    tokens_clear(&w->prediction);
    tokens_clear(&w->reference);
    vocabulary_split(&w->words, (slice) { str_c(p), p->n }, &w->prediction);
    int32_t width = (int32_t)w->words.n;
    vocabulary_split(&w->words, (slice) { str_c(r), r->n }, &w->reference);
    if (!w->prediction.n || !w->reference.n) return rules == SQUAD_V2 && w->prediction.n == w->reference.n;
    ngrams_match(&w->ngrams, &w->prediction, width, &w->reference, 1, 1, &common);
    if (!common) return 0;
    double precision = 1.0 * (double)common / (double)w->prediction.n, recall = 1.0 * (double)common / (double)w->reference.n;
    return (2 * precision * recall) / (precision + recall);
}

static double best(score_pair *score, slice prediction, const slice *references, int64_t n, squad_rules rules)
{
    str   *p = &own.one, *r = &own.other;
    double most = 0;
    bool   any  = false;
    if (!n) rules = SQUAD_V2;
    str_clear(p);
    squad_normalize(prediction, p);
    for (int64_t i = 0; i < n; i++) {
        str_clear(r);
        squad_normalize(references[i], r);
        if (rules == SQUAD_V2 && !r->n) continue;
        double s = score(p, r, rules);
        any      = true;
        if (s > most) most = s;
    }
    str_clear(r);
    if (!any) most = score(p, r, rules);
    return most;
}

double squad_em(slice prediction, const slice *references, int64_t n, squad_rules rules) { return best(exact, prediction, references, n, rules); }
double squad_f1(slice prediction, const slice *references, int64_t n, squad_rules rules) { return best(token_f1, prediction, references, n, rules); }

void squad_em_item(const metric *m, const metric_input *in, double *stats)
{
    *stats = squad_em(in->prediction, in->references, in->n_references, m->order ? SQUAD_V2 : SQUAD_V1);
}

void squad_f1_item(const metric *m, const metric_input *in, double *stats)
{
    *stats = squad_f1(in->prediction, in->references, in->n_references, m->order ? SQUAD_V2 : SQUAD_V1);
}
