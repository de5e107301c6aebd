/* BLEU as sacreBLEU 2.6.0 computes it: tokenizers 13a, intl, char and none; every smoothing; any
 * number of references; the corpus score from summed counts.
 *
 *     double stats[BLEU_STATS], sums[BLEU_STATS] = { 0 };
 *     bleu_stats(hyp, refs, n_refs, &options, stats);            // per segment; add them up
 *     bleu_score s = bleu_from_stats(sums, &options, false);     // s.score is 0..100 */
#ifndef TIEBREAK_METRICS_BLEU_H
#define TIEBREAK_METRICS_BLEU_H
#include "metrics/metric.h"

enum { BLEU_ORDER = 4, BLEU_STATS = 2 + 2 * BLEU_ORDER };

/* stats: the hypothesis's length; the length of the reference closest to it (the shorter on ties);
 * the correct n-grams of orders 1..4, clipped by the most in any one reference; all n-grams of
 * orders 1..4. n_refs >= 1. Reads lowercase and tokenize of the options. */
void bleu_stats(slice hypothesis, const slice *refs, int64_t n_refs, const metric_options *o, double stats[BLEU_STATS]);

typedef struct {
    double score, precision[BLEU_ORDER], brevity;
    double hyp_len, ref_len;
} bleu_score;
/* effective: leaves out the orders that the hypothesis is too short for. Reads smooth and
 * smooth_value of the options. */
bleu_score bleu_from_stats(const double stats[BLEU_STATS], const metric_options *o, bool effective);
#endif
