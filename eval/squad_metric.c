#include "eval/squad_metric.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "eval/tokens.h"

static bool is_article(slice w) { return (w.n == 1 && w.s[0] == 'a') || (w.n == 2 && !memcmp(w.s, "an", 2)) || (w.n == 3 && !memcmp(w.s, "the", 3)); }

/* \b(a|an|the)\b -> one blank: a run of word characters that is nothing but an article. */
static void drop_articles(slice text, str *out)
{
    for (size_t i = 0; i < text.n;) {
        unsigned cp;
        size_t   start = i;
        while (i < text.n) {
            int len = py_next(text.s + i, text.n - i, &cp);
            if (!py_is_word(cp)) break;
            i += (size_t)len;
        }
        slice word = { text.s + start, i - start };
        if (is_article(word))
            str_putc(out, ' ');
        else
            str_add(out, word.s, word.n);
        if (i < text.n) {
            int len = py_next(text.s + i, text.n - i, &cp);
            str_add(out, text.s + i, (size_t)len);
            i += (size_t)len;
        }
    }
}

void squad_normalize(slice text, str *out)
{
    str lower = { 0 }, bare = { 0 }, plain = { 0 };
    py_lower(text, &lower);
    for (size_t i = 0; i < lower.n; i++)
        if ((unsigned char)lower.s[i] >= 0x80 || !ispunct((unsigned char)lower.s[i])) str_putc(&bare, lower.s[i]);
    drop_articles((slice) { str_c(&bare), bare.n }, &plain);
    slice rest = { str_c(&plain), plain.n }, word;
    for (bool first = true; py_next_word(&rest, &word); first = false) {
        if (!first) str_putc(out, ' ');
        str_add(out, word.s, word.n);
    }
    str_free(&lower);
    str_free(&bare);
    str_free(&plain);
}

typedef double score_pair(const str *prediction, const str *reference, squad_rules rules);

static double exact(const str *p, const str *r, squad_rules rules)
{
    (void)rules;
    return p->n == r->n && !memcmp(str_c(p), str_c(r), p->n);
}

static double token_f1(const str *p, const str *r, squad_rules rules)
{
    token_list a = { 0 }, b = { 0 };
    tokens_split(&a, (slice) { str_c(p), p->n });
    tokens_split(&b, (slice) { str_c(r), r->n });
    double f1 = rules == SQUAD_V2 && !a.n && !b.n;
    if (a.n && b.n) {
        int32_t *ids[2];
        tokens_number((const token_list *const[]) { &a, &b }, 2, ids);
        ngram_table x = ngrams(ids[0], a.n, 1), y = ngrams(ids[1], b.n, 1);
        int64_t     common    = ngrams_clipped(&x, &y, 1);
        double      precision = 1.0 * (double)common / (double)a.n, recall = 1.0 * (double)common / (double)b.n;
        if (common) f1 = (2 * precision * recall) / (precision + recall);
        ngrams_free(&x);
        ngrams_free(&y);
        free(ids[0]);
        free(ids[1]);
    }
    tokens_free(&a);
    tokens_free(&b);
    return f1;
}

static double best(score_pair *score, slice prediction, const slice *references, int64_t n, squad_rules rules)
{
    str    p = { 0 }, r = { 0 };
    double most = 0;
    bool   any  = false;
    if (!n) rules = SQUAD_V2;
    squad_normalize(prediction, &p);
    for (int64_t i = 0; i < n; i++) {
        str_clear(&r);
        squad_normalize(references[i], &r);
        if (rules == SQUAD_V2 && !r.n) continue;
        double s = score(&p, &r, rules);
        any      = true;
        if (s > most) most = s;
    }
    str_clear(&r);
    if (!any) most = score(&p, &r, rules);
    str_free(&p);
    str_free(&r);
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
