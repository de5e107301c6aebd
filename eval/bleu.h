/* BLEU as sacreBLEU 2.6.0 computes it: tokenizer 13a, case kept, exponential smoothing; the corpus score from summed counts.
 *
 *     double stats[BLEU_STATS], sums[BLEU_STATS] = { 0 };
 *     bleu_stats(hyp, refs, n_refs, stats);            // per segment; add them up
 *     bleu_score s = bleu_from_stats(sums, false);     // s.score is 0..100
 */
#ifndef TIEBREAK_EVAL_BLEU_H
#define TIEBREAK_EVAL_BLEU_H
#include "eval/metric.h"
#include "eval/tokens.h"

enum { BLEU_ORDER = 4, BLEU_STATS = 2 + 2 * BLEU_ORDER };

void bleu_tokenize_13a(slice segment, token_list *out);

/* stats: hypothesis length, reference length (the closest to it, the shorter on ties), correct n-grams (clipped over the references) of orders 1..4,
 * all n-grams of orders 1..4. n_refs >= 1. */
void bleu_stats(slice hypothesis, const slice *refs, int64_t n_refs, double stats[BLEU_STATS]);

typedef struct {
    double score, precision[BLEU_ORDER], brevity;
    double hyp_len, ref_len;
} bleu_score;
/* effective: leave out orders the hypothesis is too short for (the sentence default; the corpus default is not to). */
bleu_score bleu_from_stats(const double stats[BLEU_STATS], bool effective);

/* rows of the metric table */
void   bleu_sign(const metric *m, int64_t n_refs, str *out);
void   bleu_item(const metric *m, const metric_input *in, double *stats);
double bleu_corpus(const metric *m, const double *sums, int64_t n);
double bleu_sentence(const metric *m, const double *stats);
#endif
