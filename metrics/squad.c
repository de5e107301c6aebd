#include "metrics/squad.h"

#include <ctype.h>
#include <string.h>

#include "core/memory.h"
#include "metrics/ngrams.h"

/* An answer and the tokens of its normal form. */
typedef struct {
    str        text;
    token_list tokens;
} answer;

/* Memory for one item. It is kept, because the next metric mostly asks about the same answers. */
typedef struct {
    int64_t       n; /* references read */
    answer        prediction, *references;
    size_t        n_answers;
    str           lower;
    vocabulary    words;
    int32_t       width; /* distinct tokens of the prediction */
    ngram_counter ngrams;
} workspace;
static _Thread_local workspace own;

static bool is_article(const char *w, size_t n)
{
    return (n == 1 && *w == 'a') || (n == 2 && !memcmp(w, "an", 2)) || (n == 3 && !memcmp(w, "the", 3));
}

/* Whether the first character of text is a word character (\w); *len receives its bytes. */
static inline bool is_word(slice text, size_t *len)
{
    unsigned cp;
    *len = 1;
    /* the underscore is punctuation and already deleted */
    if (!(text.s[0] & 0x80)) return isalnum((unsigned char)text.s[0]);
    *len = (size_t)py_next(text.s, text.n, &cp);
    return py_is_word(cp);
}

/* Deletes the 32 ASCII punctuation characters, in place. */
static void drop_punctuation(str *text)
{
    char *to = text->s;
    for (size_t i = 0; i < text->n; i++) {
        *to = text->s[i];
        to += (*to & 0x80) || !ispunct((unsigned char)*to);
    }
    text->n = (size_t)(to - text->s);
}

/* Replaces \b(a|an|the)\b by one blank, in place: a run of word characters that is an article and
 * nothing else. */
static void drop_articles(str *text)
{
    char  *to   = text->s;
    slice  rest = { text->s, text->n };
    size_t len  = 0;
    while (rest.n) {
        const char *start = rest.s;
        while (rest.n && is_word(rest, &len)) rest.s += len, rest.n -= len;
        if (is_article(start, (size_t)(rest.s - start))) {
            *to++ = ' ';
            start = rest.s;
        }
        /* the character that ended the run goes with it */
        if (rest.n) rest.s += len, rest.n -= len;
        size_t n = (size_t)(rest.s - start);
        if (to != start) memmove(to, start, n);
        to += n;
    }
    text->n = (size_t)(to - text->s);
}

/* The normal form before blanks are folded. It lies in the workspace until the next call. */
static slice unfolded(workspace *w, slice text)
{
    str_clear(&w->lower);
    str_reserve(&w->lower, text.n);
    py_lower(text, &w->lower);
    drop_punctuation(&w->lower);
    drop_articles(&w->lower);
    return (slice) { w->lower.s, w->lower.n };
}

void squad_normalize(slice text, str *out)
{
    slice rest = unfolded(&own, text), word;
    for (bool first = true; py_next_word(&rest, &word); first = false) {
        if (!first) str_putc(out, ' ');
        str_add(out, word.s, word.n);
    }
}

/* Reads the tokens of the normal form of ASCII text without odd control characters: there, words
 * are what stands between blanks once punctuation is gone. Returns false for other text; it may
 * have added some tokens by then. */
static bool read_ascii(workspace *w, slice text, token_list *out)
{
    str_clear(&w->lower);
    char  *word = str_reserve(&w->lower, text.n + 1);
    size_t n    = 0;
    for (size_t i = 0; i <= text.n; i++) {
        char c = i < text.n ? text.s[i] : ' ', small = (char)(c | 0x20);
        if (small >= 'a' && small <= 'z') {
            word[n++] = small;
        } else if (c >= '0' && c <= '9') {
            word[n++] = c;
        } else if (c == ' ' || (c >= '\t' && c <= '\r')) {
            if (n && !is_article(word, n)) tokens_add(out, vocabulary_add(&w->words, word, n));
            n = 0;
        } else if (c < ' ' || (c & 0x80) || c == 0x7F) {
            return false;
        }
    }
    return true;
}

static void read_answer(workspace *w, slice text, answer *out)
{
    str_clear(&out->text);
    str_add(&out->text, text.s, text.n);
    tokens_reserve(&out->tokens, 1); /* ids is never NULL */
    tokens_clear(&out->tokens);
    if (read_ascii(w, text, &out->tokens)) return;
    tokens_clear(&out->tokens);
    vocabulary_split(&w->words, unfolded(w, text), &out->tokens);
}

static bool is_text(const answer *a, slice text) { return slice_equal((slice) { a->text.s, a->text.n }, text); }

/* Annotators mostly agree to the letter, and systems with them: a text equal to `alike` is read
 * once. */
static void read_reference(workspace *w, slice text, const answer *alike, answer *out)
{
    if (!is_text(alike, text)) {
        read_answer(w, text, out);
        return;
    }
    str_clear(&out->text);
    str_add(&out->text, text.s, text.n);
    tokens_reserve(&out->tokens, (size_t)alike->tokens.n + 1);
    memcpy(out->tokens.ids, alike->tokens.ids, (size_t)alike->tokens.n * sizeof *out->tokens.ids);
    out->tokens.n = alike->tokens.n;
}

static bool is_item(const workspace *w, slice prediction, const slice *references, int64_t n)
{
    if (w->n != n || !is_text(&w->prediction, prediction)) return false;
    for (int64_t i = 0; i < n; i++)
        if (!is_text(&w->references[i], references[i])) return false;
    return true;
}

static workspace *read_item(slice prediction, const slice *references, int64_t n)
{
    workspace *w = &own;
    if (w->prediction.tokens.ids && is_item(w, prediction, references, n)) return w;
    if ((size_t)n > w->n_answers) {
        w->references = mem_resize(w->references, (size_t)n, sizeof *w->references);
        for (; w->n_answers < (size_t)n; w->n_answers++) w->references[w->n_answers] = (answer) { 0 };
    }
    w->n = n;
    vocabulary_clear(&w->words);
    read_answer(w, prediction, &w->prediction);
    w->width = (int32_t)w->words.n;
    for (int64_t i = 0; i < n; i++) {
        const answer *before = i && is_text(&w->references[i - 1], references[i]) ? &w->references[i - 1]
                                                                                  : &w->prediction;
        read_reference(w, references[i], before, &w->references[i]);
    }
    return w;
}

typedef double score_tokens(workspace *w, const token_list *p, const token_list *r, squad_rules rules);

/* A normal form has one blank between tokens, so two are equal where their tokens are. */
static double exact(workspace *w, const token_list *p, const token_list *r, squad_rules rules)
{
    return p->n == r->n && !memcmp(p->ids, r->ids, (size_t)p->n * sizeof *p->ids);
}

static double token_f1(workspace *w, const token_list *p, const token_list *r, squad_rules rules)
{
    int64_t common;
    if (!p->n || !r->n) return rules == SQUAD_V2 && p->n == r->n;
    ngrams_match(&w->ngrams, p, w->width, r, 1, 1, &common);
    if (!common) return 0;
    double precision = 1.0 * (double)common / (double)p->n, recall = 1.0 * (double)common / (double)r->n;
    return (2 * precision * recall) / (precision + recall);
}

static double best(score_tokens *score, slice prediction, const slice *references, int64_t n, squad_rules rules)
{
    int32_t          none  = 0;
    const token_list empty = { .ids = &none };
    workspace       *w     = read_item(prediction, references, n);
    double           most  = 0;
    bool             any   = false;
    if (!n) rules = SQUAD_V2;
    for (int64_t i = 0; i < n; i++) {
        const token_list *r = &w->references[i].tokens;
        if (rules == SQUAD_V2 && !r->n) continue;
        double s = score(w, &w->prediction.tokens, r, rules);
        any      = true;
        if (s > most) most = s;
    }
    return any ? most : score(w, &w->prediction.tokens, &empty, rules);
}

double squad_em(slice prediction, const slice *references, int64_t n, squad_rules rules)
{
    return best(exact, prediction, references, n, rules);
}
double squad_f1(slice prediction, const slice *references, int64_t n, squad_rules rules)
{
    return best(token_f1, prediction, references, n, rules);
}

static void squad_em_item(const metric *m, const metric_input *in, double *stats)
{
    *stats = squad_em(in->prediction, in->references, in->n_references, m->order ? SQUAD_V2 : SQUAD_V1);
}

static void squad_f1_item(const metric *m, const metric_input *in, double *stats)
{
    *stats = squad_f1(in->prediction, in->references, in->n_references, m->order ? SQUAD_V2 : SQUAD_V1);
}

/* order: 0 = v1.1, 1 = v2.0. */
const metric metric_rows_squad[] = {
    { "em", "exact match after SQuAD's normalisation", "squad-em|rules:v1.1", METRIC_TEXT, METRIC_MEAN(100),
      .item = squad_em_item },
    { "f1", "word F1 after SQuAD's normalisation", "squad-f1|rules:v1.1", METRIC_TEXT, METRIC_MEAN(100),
      .item = squad_f1_item },
    { "em_v2", "exact match, SQuAD 2.0 rules", "squad-em|rules:v2.0", METRIC_TEXT, METRIC_MEAN(100), .order = 1,
      .no_references = true, .item = squad_em_item },
    { "f1_v2", "word F1, SQuAD 2.0 rules", "squad-f1|rules:v2.0", METRIC_TEXT, METRIC_MEAN(100), .order = 1,
      .no_references = true, .item = squad_f1_item },
    { 0 },
};
