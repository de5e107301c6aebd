/* chrF (Popovic 2015) and chrF++ (Popovic 2017) as sacreBLEU 2.6.0 computes them: an F-score over
 * n-grams of characters, and in chrF++ of words too.
 *
 * Characters are those of the text without any whitespace, which is kept on demand. Words are split
 * at whitespace; of a word longer than one character, a final ASCII punctuation character is split
 * off, or else one at its start. For each segment the reference with the best F counts, the first
 * on ties. The corpus score is the F of the summed counts, never a mean over segments. */
#ifndef TIEBREAK_METRICS_CHRF_H
#define TIEBREAK_METRICS_CHRF_H
#include "metrics/metric.h"

/* For rows of the metric table, whose order is that of words where the options give none. */
/* Sets n_stats: for each order, the n-grams of the hypothesis, of the reference, and those that
 * match. */
void   chrf_prepare(metric *m);
void   chrf_sign(const metric *m, int64_t n_refs, str *out);
void   chrf_item(const metric *m, const metric_input *in, double *stats);
double chrf_corpus(const metric *m, const double *sums, int64_t n);
#endif
