/* What a log-likelihood says by itself: loss per token, perplexity per word and byte, bits per
 * byte. All are functions of two sums. */
#ifndef TIEBREAK_METRICS_LIKELIHOOD_H
#define TIEBREAK_METRICS_LIKELIHOOD_H
#include "metrics/metric.h"

/* rows of the metric table; stats: log-likelihood, and the unit counted */
void   per_token_item(const metric *m, const metric_input *in, double *stats);
void   per_word_item(const metric *m, const metric_input *in, double *stats);
void   per_byte_item(const metric *m, const metric_input *in, double *stats);
double nll_rate(const metric *m, const double *sums, int64_t n);      /* -ll / units */
double perplexity(const metric *m, const double *sums, int64_t n);    /* exp(-ll / units) */
double bits_per_unit(const metric *m, const double *sums, int64_t n); /* -ll / units / ln 2 */
double sum_of_ll(const metric *m, const double *sums, int64_t n);
double sum_of_units(const metric *m, const double *sums, int64_t n);
#endif
