#include "metrics/bleu.h"

#include <math.h>
#include <stdlib.h>

#include "core/memory.h"
#include "metrics/bleu_tokenize.h"
#include "metrics/ngrams.h"

static double smooth_default(bleu_smoothing smooth)
{
    return smooth == BLEU_FLOOR ? 0.1 : smooth == BLEU_ADD_K ? 1 : 0; /* the others take no value */
}

static double smooth_value(const metric_options *o)
{
    return o->smooth_value > 0 ? o->smooth_value : smooth_default(o->smooth);
}

/* The signature as sacreBLEU prints it. */
static void bleu_sign(const metric *m, int64_t n_refs, str *out)
{
    const metric_options *o = &m->options;
    if (n_refs)
        str_printf(out, "|nrefs:%lld", (long long)n_refs);
    else
        str_puts(out, "|nrefs:var");
    str_printf(out, "|case:%s|eff:%s|tok:%s|smooth:%s", o->lowercase ? "lc" : "mixed",
               o->effective_order ? "yes" : "no", bleu_tokenizer_names[o->tokenize], bleu_smoothing_names[o->smooth]);
    if (smooth_default(o->smooth) > 0) str_printf(out, "[%.2f]", smooth_value(o));
    str_puts(out, "|version:2.6.0");
}

/* Memory for one segment, kept for the next. */
typedef struct {
    bleu_tokenizer_scratch text;
    vocabulary             words;
    token_list             hyp, *refs;
    size_t                 n_lists;
    ngram_counter          ngrams;
} workspace;
static _Thread_local workspace own;

static void read_segment(workspace *w, slice segment, const metric_options *o, token_list *out)
{
    tokens_clear(out);
    bleu_tokenize(&w->text, segment, o->tokenize, o->lowercase, &w->words, out);
}

/* Returns the number of distinct tokens in the hypothesis; their ids are below it. */
static int32_t read_segments(workspace *w, slice hypothesis, const slice *refs, int64_t n_refs, const metric_options *o)
{
    if ((size_t)n_refs > w->n_lists) {
        w->refs = mem_resize(w->refs, (size_t)n_refs, sizeof *w->refs);
        for (; w->n_lists < (size_t)n_refs; w->n_lists++) w->refs[w->n_lists] = (token_list) { 0 };
    }
    vocabulary_clear(&w->words);
    read_segment(w, hypothesis, o, &w->hyp);
    int32_t width = (int32_t)w->words.n;
    for (int64_t r = 0; r < n_refs; r++) read_segment(w, refs[r], o, &w->refs[r]);
    return width;
}

void bleu_stats(slice hypothesis, const slice *refs, int64_t n_refs, const metric_options *o, double stats[BLEU_STATS])
{
    workspace *w = &own;
    int64_t    matches[BLEU_ORDER];
    int32_t    width   = read_segments(w, hypothesis, refs, n_refs, o);
    int64_t    hyp_len = w->hyp.n, ref_len = w->refs[0].n;
    for (int64_t r = 1; r < n_refs; r++) {
        int64_t len = w->refs[r].n, gap = llabs(len - hyp_len), least = llabs(ref_len - hyp_len);
        if (gap < least || (gap == least && len < ref_len)) ref_len = len;
    }
    stats[0] = (double)hyp_len;
    stats[1] = (double)ref_len;
    ngrams_match(&w->ngrams, &w->hyp, width, w->refs, n_refs, BLEU_ORDER, matches);
    for (int n = 1; n <= BLEU_ORDER; n++) {
        stats[1 + n]              = (double)matches[n - 1];
        stats[1 + BLEU_ORDER + n] = (double)ngrams_total(hyp_len, n);
    }
}

bleu_score bleu_from_stats(const double stats[BLEU_STATS], const metric_options *o, bool effective)
{
    const double *correct = stats + 2, *total = stats + 2 + BLEU_ORDER;
    bleu_score    s     = { .brevity = 1, .hyp_len = stats[0], .ref_len = stats[1] };
    double        value = smooth_value(o), halved = 1, sum = 0;
    int           orders = BLEU_ORDER;
    bool          any    = false;
    if (s.hyp_len < s.ref_len) s.brevity = s.hyp_len > 0 ? exp(1 - s.ref_len / s.hyp_len) : 0;
    for (int n = 0; n < BLEU_ORDER; n++) any |= correct[n] > 0;
    if (!any) return s;
    for (int n = 0; n < BLEU_ORDER; n++) {
        double add = o->smooth == BLEU_ADD_K && n > 0 ? value : 0, right = correct[n] + add, all = total[n] + add;
        if (all == 0) break;
        if (effective) orders = n + 1;
        if (right > 0)
            s.precision[n] = 100. * right / all;
        else if (o->smooth == BLEU_EXP)
            s.precision[n] = 100. / ((halved *= 2) * all);
        else if (o->smooth == BLEU_FLOOR)
            s.precision[n] = 100. * value / all;
    }
    for (int n = 0; n < orders; n++) sum += s.precision[n] > 0 ? log(s.precision[n]) : -9999999999.;
    s.score = s.brevity * exp(sum / orders);
    return s;
}

static void bleu_item(const metric *m, const metric_input *in, double *stats)
{
    static const slice nothing = { "", 0 };
    bleu_stats(in->prediction, in->n_references ? in->references : &nothing, in->n_references ? in->n_references : 1,
               &m->options, stats);
}

static double bleu_corpus(const metric *m, const double *sums, int64_t n)
{
    return bleu_from_stats(sums, &m->options, m->options.effective_order).score;
}

static double bleu_sentence(const metric *m, const double *stats)
{
    return bleu_from_stats(stats, &m->options, true).score;
}

/* A sentence's score has effective order, as sacreBLEU's sentence_bleu does; the corpus score has
 * it only when asked for. */
const metric metric_rows_bleu[] = {
    { "bleu", "corpus BLEU", "BLEU", METRIC_TEXT, .scale = 100, .sign = bleu_sign, .higher = true, .error = STDERR_BOOTSTRAP,
      .n_stats = BLEU_STATS, .item = bleu_item, .corpus = bleu_corpus, .sentence = bleu_sentence },
    { 0 },
};
