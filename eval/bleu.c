#include "eval/bleu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

/* The line as sacreBLEU prints it. */
void bleu_sign(const metric *m, int64_t n_refs, str *out)
{
    (void)m;
    (void)n_refs;
    str_puts(out, "|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0");
}

static void replace_all(str *text, const char *what, const char *by)
{
    size_t k   = strlen(what);
    str    out = { 0 };
    for (size_t i = 0; i < text->n;) {
        if (text->n - i >= k && !memcmp(text->s + i, what, k)) {
            str_puts(&out, by);
            i += k;
        } else {
            str_putc(&out, text->s[i++]);
        }
    }
    str_free(text);
    *text = out;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_point(char c) { return c == '.' || c == ','; }
/* { | } ~  [ \ ] ^ _ `  space ! " # $ % &  ( ) * +  : ; < = > ? @  / */
static bool is_spaced(char c)
{
    return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') || (c >= '(' && c <= '+') || (c >= ':' && c <= '@') || c == '/';
}

static void pass_spaced(const str *in, str *out)
{
    for (size_t i = 0; i < in->n; i++) {
        if (is_spaced(in->s[i])) {
            str_putc(out, ' ');
            str_putc(out, in->s[i]);
            str_putc(out, ' ');
        } else {
            str_putc(out, in->s[i]);
        }
    }
}

/* One pass over pairs of neighbours, left to right without overlap: a pair that `match`es is written as before, first, between, second, after. */
typedef struct {
    bool (*match)(char a, char b);
    const char *before, *between, *after;
} pair_pass;

static void pass_pairs(const str *in, str *out, const pair_pass *p)
{
    for (size_t i = 0; i < in->n; i++) {
        if (i + 1 < in->n && p->match(in->s[i], in->s[i + 1])) {
            str_puts(out, p->before);
            str_putc(out, in->s[i]);
            str_puts(out, p->between);
            str_putc(out, in->s[++i]);
            str_puts(out, p->after);
        } else {
            str_putc(out, in->s[i]);
        }
    }
}

static bool point_after_nondigit(char a, char b) { return !is_digit(a) && is_point(b); }
static bool point_before_nondigit(char a, char b) { return is_point(a) && !is_digit(b); }
static bool dash_after_digit(char a, char b) { return is_digit(a) && b == '-'; }

/* mteval-v13a's rules. They look at ASCII only, so bytes do as well as code points. */
void bleu_tokenize_13a(slice segment, token_list *out)
{
    static const pair_pass passes[] = { { point_after_nondigit, "", " ", " " },
                                        { point_before_nondigit, " ", " ", "" },
                                        { dash_after_digit, "", " ", " " } };
    str                    text = { 0 }, next = { 0 };
    segment = py_rstrip(segment);
    str_add(&text, segment.s, segment.n);
    replace_all(&text, "<skipped>", "");
    replace_all(&text, "-\n", "");
    replace_all(&text, "\n", " ");
    /* In this order and once each: "&amp;quot;" becomes "&quot;". */
    replace_all(&text, "&quot;", "\"");
    replace_all(&text, "&amp;", "&");
    replace_all(&text, "&lt;", "<");
    replace_all(&text, "&gt;", ">");
    str_putc(&next, ' ');
    str_add(&next, str_c(&text), text.n);
    str_putc(&next, ' ');
    str_clear(&text);
    pass_spaced(&next, &text);
    for (size_t p = 0; p < sizeof passes / sizeof *passes; p++) {
        str_clear(&next);
        pass_pairs(&text, &next, &passes[p]);
        str swap = text;
        text     = next;
        next     = swap;
    }
    tokens_split(out, (slice) { text.s, text.n });
    str_free(&text);
    str_free(&next);
}

void bleu_stats(slice hypothesis, const slice *refs, int64_t n_refs, double stats[BLEU_STATS])
{
    int64_t            count = n_refs + 1;
    token_list        *lists = mem_alloc((size_t)count, sizeof *lists);
    const token_list **views = mem_alloc((size_t)count, sizeof *views);
    int32_t          **ids   = mem_alloc((size_t)count, sizeof *ids);
    ngram_table       *ref   = mem_alloc((size_t)count, sizeof *ref);
    bleu_tokenize_13a(hypothesis, &lists[0]);
    for (int64_t r = 0; r < n_refs; r++) bleu_tokenize_13a(refs[r], &lists[r + 1]);
    for (int64_t i = 0; i < count; i++) views[i] = &lists[i];
    tokens_number(views, count, ids);
    int64_t hyp_len = lists[0].n, ref_len = lists[1].n;
    for (int64_t r = 1; r < n_refs; r++) {
        int64_t len = lists[r + 1].n, gap = llabs(len - hyp_len), least = llabs(ref_len - hyp_len);
        if (gap < least || (gap == least && len < ref_len)) ref_len = len;
    }
    stats[0] = (double)hyp_len;
    stats[1] = (double)ref_len;
    for (int order = 1; order <= BLEU_ORDER; order++) {
        ngram_table hyp = ngrams(ids[0], hyp_len, order);
        for (int64_t r = 0; r < n_refs; r++) ref[r] = ngrams(ids[r + 1], lists[r + 1].n, order);
        stats[1 + order]              = (double)ngrams_clipped(&hyp, ref, n_refs);
        stats[1 + BLEU_ORDER + order] = (double)hyp.total;
        for (int64_t r = 0; r < n_refs; r++) ngrams_free(&ref[r]);
        ngrams_free(&hyp);
    }
    for (int64_t i = 0; i < count; i++) {
        free(ids[i]);
        tokens_free(&lists[i]);
    }
    free(lists);
    free(views);
    free(ids);
    free(ref);
}

bleu_score bleu_from_stats(const double stats[BLEU_STATS], bool effective)
{
    const double *correct = stats + 2, *total = stats + 2 + BLEU_ORDER;
    bleu_score    s = { .brevity = 1, .hyp_len = stats[0], .ref_len = stats[1] };
    if (s.hyp_len < s.ref_len) s.brevity = s.hyp_len > 0 ? exp(1 - s.ref_len / s.hyp_len) : 0;
    bool any = false;
    for (int n = 0; n < BLEU_ORDER; n++) any |= correct[n] > 0;
    if (!any) return s;
    double smooth = 1;
    int    orders = BLEU_ORDER;
    for (int n = 0; n < BLEU_ORDER && total[n] > 0; n++) {
        if (effective) orders = n + 1;
        if (correct[n] > 0) {
            s.precision[n] = 100. * correct[n] / total[n];
        } else {
            smooth *= 2;
            s.precision[n] = 100. / (smooth * total[n]);
        }
    }
    double sum = 0;
    for (int n = 0; n < orders; n++) sum += s.precision[n] > 0 ? log(s.precision[n]) : -9999999999.;
    s.score = s.brevity * exp(sum / orders);
    return s;
}

void bleu_item(const metric *m, const metric_input *in, double *stats)
{
    (void)m;
    static const slice nothing = { "", 0 };
    /* The first reference alone, as the signature says. */
    bleu_stats(in->prediction, in->n_references ? in->references : &nothing, 1, stats);
}

double bleu_corpus(const metric *m, const double *sums, int64_t n)
{
    (void)m;
    (void)n;
    return bleu_from_stats(sums, false).score;
}

double bleu_sentence(const metric *m, const double *stats)
{
    (void)m;
    return bleu_from_stats(stats, true).score;
}
