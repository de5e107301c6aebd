/* Statistics: pure functions over arrays; NaN in, NaN out. */
#ifndef TIEBREAK_CORE_STATS_H
#define TIEBREAK_CORE_STATS_H
#include <stdint.h>

double stats_mean(const double *x, int64_t n);
/* Sample standard deviation (n - 1); NaN for n < 2. */
double stats_sd(const double *x, int64_t n);
/* Standard error of the mean: sd / sqrt(n); NaN for n < 2. */
double stats_stderr(const double *x, int64_t n);
/* q-quantile, linear interpolation between order statistics (R's type 7). Copies and sorts. */
double stats_quantile(const double *x, int64_t n, double q);
double stats_median(const double *x, int64_t n);
/* Two-sided quantile of Student's t at 97.5 % (df >= 1): for 95 % intervals of few seeds. */
double stats_t975(int64_t df);
double stats_normal_cdf(double z);
/* Two-sided p-value of |t| under Student's t with df >= 1 degrees of freedom (regularised
 * incomplete beta; absolute error below 1e-10). */
double stats_t_pvalue(double t, double df);
/* Holm's step-down adjustment of n p-values, in place of the input order. */
void stats_holm(const double *p, int64_t n, double *adjusted);
#endif
