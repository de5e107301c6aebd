/* Statistics as pure functions over arrays. A NaN among the inputs makes the result NaN. */
#ifndef TIEBREAK_CORE_STATS_H
#define TIEBREAK_CORE_STATS_H
#include <stdint.h>

double stats_mean(const double *x, int64_t n);
/* Sample standard deviation (n - 1); NaN for n < 2. */
double stats_sd(const double *x, int64_t n);
/* Standard error of the mean: sd / sqrt(n); NaN for n < 2. */
double stats_stderr(const double *x, int64_t n);
/* The q-quantile by linear interpolation between order statistics (R's type 7). Sorts a copy. */
double stats_quantile(const double *x, int64_t n, double q);
double stats_median(const double *x, int64_t n);
/* The place l of an order statistic such that x[l] .. x[n - 1 - l] of n sorted values hold the
 * median of their distribution, whatever that is, in at least 95 % of all samples: the largest such
 * l, exact by the binomial distribution. Below n = 6 even the whole range, l = 0, holds less. */
int64_t stats_median_low(int64_t n);
/* The two-sided 95 % quantile of Student's t for df >= 1: for intervals over few seeds. */
double stats_t975(int64_t df);
double stats_normal_cdf(double z);
/* The z with stats_normal_cdf(z) = p, for 0 < p < 1: within 1e-12 of it, relatively. */
double stats_normal_quantile(double p);
/* The two-sided p-value of |t| under Student's t with df >= 1 degrees of freedom, by the
 * regularised incomplete beta function; absolute error below 1e-10. */
double stats_t_pvalue(double t, double df);
/* The t > 0 of which that p-value is `alpha`, 0 < alpha < 1: for an interval of level 1 - alpha. */
double stats_t_quantile(double alpha, double df);
/* Holm's step-down adjustment of n p-values; adjusted[i] belongs to p[i]. */
void stats_holm(const double *p, int64_t n, double *adjusted);
#endif
