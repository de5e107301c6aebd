#include "core/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

double stats_mean(const double *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += x[i];
    return n > 0 ? sum / (double)n : NAN;
}

double stats_sd(const double *x, int64_t n)
{
    if (n < 2) return NAN;
    double m = stats_mean(x, n), sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (x[i] - m) * (x[i] - m);
    return sqrt(sum / (double)(n - 1));
}

double stats_stderr(const double *x, int64_t n) { return stats_sd(x, n) / sqrt((double)n); }

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double stats_quantile(const double *x, int64_t n, double q)
{
    if (n < 1) return NAN;
    double *s = mem_alloc((size_t)n, sizeof *s);
    memcpy(s, x, (size_t)n * sizeof *s);
    for (int64_t i = 0; i < n; i++) {
        if (isnan(s[i])) {
            free(s);
            return NAN;
        }
    }
    qsort(s, (size_t)n, sizeof *s, ascending);
    double  at = q * (double)(n - 1);
    int64_t lo = (int64_t)floor(at), hi = lo + 1 < n ? lo + 1 : lo;
    double  v = s[lo] + (at - (double)lo) * (s[hi] - s[lo]);
    free(s);
    return v;
}

double stats_median(const double *x, int64_t n) { return stats_quantile(x, n, 0.5); }

/* The median lies below x[l] when at most l of n values do, each with probability 1/2. */
int64_t stats_median_low(int64_t n)
{
    int64_t l     = 0;
    double  below = 0;
    for (; 2 * l < n; l++) {
        below += exp(lgamma((double)n + 1) - lgamma((double)l + 1) - lgamma((double)(n - l) + 1) - (double)n * M_LN2);
        if (below > 0.025) break;
    }
    return l > 0 ? l - 1 : 0;
}

double stats_t975(int64_t df)
{
    static const double t[] = { 0,     12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
                                2.201, 2.179,  2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080,
                                2.074, 2.069,  2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042 };
    if (df < 1) return NAN;
    if (df <= 30) return t[df];
    double z = 1.959963984540054, d = (double)df; /* Cornish-Fisher: within 1e-4 past 30 */
    return z + (z * z * z + z) / (4 * d) + (5 * pow(z, 5) + 16 * z * z * z + 3 * z) / (96 * d * d);
}

double stats_normal_cdf(double z) { return 0.5 * erfc(-z / sqrt(2.0)); }

/* From Hastings' approximation (Abramowitz and Stegun 26.2.23, within 4.5e-4) by Halley's steps. In
 * the lower tail, where the distribution function keeps its digits. */
double stats_normal_quantile(double p)
{
    if (!(p > 0 && p < 1)) return NAN;
    const double tail = fmin(p, 1 - p), t = sqrt(-2 * log(tail));
    double z = (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))) - t;
    for (int i = 0; i < 4; i++) {
        const double u = (stats_normal_cdf(z) - tail) * sqrt(2 * M_PI) * exp(z * z / 2);
        z -= u / (1 + z * u / 2);
    }
    return p < 0.5 ? z : -z;
}

/* The continued fraction of the incomplete beta function by Lentz's method (DLMF 8.17.22). */
static double beta_fraction(double a, double b, double x)
{
    double tiny = 1e-300, c = 1, d = 1 - (a + b) * x / (a + 1), f;
    d = 1 / (fabs(d) < tiny ? tiny : d);
    f = d;
    for (int m = 1; m <= 500; m++) {
        double k = m, even = k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k)),
               odd  = -(a + k) * (a + b + k) * x / ((a + 2 * k) * (a + 2 * k + 1));
        double step = 1, terms[2] = { even, odd };
        for (int i = 0; i < 2; i++) {
            d    = 1 + terms[i] * d;
            d    = 1 / (fabs(d) < tiny ? tiny : d);
            c    = 1 + terms[i] / c;
            c    = fabs(c) < tiny ? tiny : c;
            step = c * d;
            f *= step;
        }
        if (fabs(step - 1) < 1e-15) break;
    }
    return f;
}

double stats_t_pvalue(double t, double df)
{
    if (isnan(t) || !(df >= 1)) return NAN;
    if (isinf(t)) return 0;
    double x = df / (df + t * t), a = df / 2, b = 0.5; /* p = I_x(df/2, 1/2) */
    if (x >= 1) return 1;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/* By bisection: the p-value falls with t. */
double stats_t_quantile(double alpha, double df)
{
    if (!(alpha > 0 && alpha < 1 && df >= 1)) return NAN;
    double low = 0, high = 1;
    while (stats_t_pvalue(high, df) > alpha) high *= 2;
    for (int i = 0; i < 60; i++) {
        const double t                                  = (low + high) / 2;
        *(stats_t_pvalue(t, df) > alpha ? &low : &high) = t;
    }
    return high;
}

typedef struct {
    double  p;
    int64_t i;
} ranked;

static int by_p(const void *a, const void *b) { return ascending(&((const ranked *)a)->p, &((const ranked *)b)->p); }

void stats_holm(const double *p, int64_t n, double *adjusted)
{
    ranked *r = mem_alloc((size_t)n, sizeof *r);
    for (int64_t i = 0; i < n; i++) r[i] = (ranked) { p[i], i };
    qsort(r, (size_t)n, sizeof *r, by_p);
    double most = 0;
    for (int64_t k = 0; k < n; k++) {
        double a = r[k].p * (double)(n - k);
        if (a > 1) a = 1;
        if (a > most || isnan(a)) most = a;
        adjusted[r[k].i] = most;
    }
    free(r);
}
