/* Standard errors of a statistic of summed per-item numbers, when no closed form serves. */
#ifndef TIEBREAK_METRICS_UNCERTAINTY_H
#define TIEBREAK_METRICS_UNCERTAINTY_H
#include <stdint.h>

/* The value of a set of n items from the sums [width] of their statistics. */
typedef double statistic(const void *ctx, const double *sums, int64_t n);

/* lm-evaluation-harness's bootstrap_stderr to the draw: chunks of min(1000, iterations)
 * resamples; chunk i draws with Python's random.Random(i), each resample choices(items, k = n);
 * the sample standard deviation of all replicates. stats [n, width], width <= 64. NaN for n = 0. */
double bootstrap_stderr(statistic *f, const void *ctx, const double *stats, int64_t n, int width, int64_t iterations);

/* Delete-one jackknife: sqrt((n - 1) / n * sum (theta_i - mean)^2). For a mean it is sd /
 * sqrt(n). NaN for n < 2. */
double jackknife_stderr(statistic *f, const void *ctx, const double *stats, int64_t n, int width);

/* Of a mean over groups of n_items[i] items with standard errors errors[i], as
 * lm-evaluation-harness pools them (not inverse-variance):
 * sqrt(sum (n_i - 1) n_i e_i^2 / (N - k) / N), the groups' variances pooled. */
double pooled_stderr(const double *errors, const int64_t *n_items, int64_t groups);
#endif
