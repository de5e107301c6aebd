/* chrF (Popovic 2015) and chrF++ (Popovic 2017) as sacreBLEU 2.6.0 computes them: an F-score
 * over n-grams of characters, and of words.
 *
 * Characters: the text without any whitespace (kept on demand). Words: split at whitespace; of a
 * longer word one final ASCII punctuation character is split off, else one at its start. Per
 * segment the reference with the best F counts (the first on ties); the corpus score is the F of
 * the summed counts, never a mean over segments. */
#ifndef TIEBREAK_METRICS_CHRF_H
#define TIEBREAK_METRICS_CHRF_H
#include "metrics/metric.h"

/* rows of the metric table; order: of words, where the options give none */
/* n_stats: hypothesis's, reference's and matching n-grams of each order */
void   chrf_prepare(metric *m);
void   chrf_sign(const metric *m, int64_t n_refs, str *out);
void   chrf_item(const metric *m, const metric_input *in, double *stats);
double chrf_corpus(const metric *m, const double *sums, int64_t n);
#endif
