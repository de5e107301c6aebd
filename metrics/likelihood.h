/* What a log-likelihood says by itself: loss per token, perplexity per word and per byte, bits per
 * byte. Each is a function of two sums. */
#ifndef TIEBREAK_METRICS_LIKELIHOOD_H
#define TIEBREAK_METRICS_LIKELIHOOD_H
#include "metrics/metric.h"

/* For rows of the metric table; stats: the log-likelihood, and the number of units. */
void   per_token_item(const metric *m, const metric_input *in, double *stats);
void   per_word_item(const metric *m, const metric_input *in, double *stats);
void   per_byte_item(const metric *m, const metric_input *in, double *stats);
double nll_rate(const metric *m, const double *sums, int64_t n);      /* -ll / units */
double perplexity(const metric *m, const double *sums, int64_t n);    /* exp(-ll / units) */
double bits_per_unit(const metric *m, const double *sums, int64_t n); /* -ll / units / ln 2 */
double sum_of_ll(const metric *m, const double *sums, int64_t n);
double sum_of_units(const metric *m, const double *sums, int64_t n);
#endif
