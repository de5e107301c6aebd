/* Standard errors of a function of summed per-item numbers, for which there is no closed form. */
#ifndef TIEBREAK_METRICS_UNCERTAINTY_H
#define TIEBREAK_METRICS_UNCERTAINTY_H
#include <stdint.h>

/* The value of a set of n items from the sums [width] of their statistics. */
typedef double statistic(const void *ctx, const double *sums, int64_t n);

/* lm-evaluation-harness's bootstrap_stderr, with the same draws: chunks of min(1000, iterations)
 * resamples; chunk i draws with Python's random.Random(i), each resample by choices(items, k = n).
 * The result is the sample standard deviation of all replicates. stats [n, width], width <= 64. NaN
 * for n = 0. */
double bootstrap_stderr(statistic *f, const void *ctx, const double *stats, int64_t n, int width, int64_t iterations);

/* The delete-one jackknife: sqrt((n - 1) / n * sum (theta_i - mean)^2). For a mean it is sd /
 * sqrt(n). NaN for n < 2. */
double jackknife_stderr(statistic *f, const void *ctx, const double *stats, int64_t n, int width);
#endif
