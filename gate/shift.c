#include "gate/shift.h"

#include <math.h>
#include <stdlib.h>

#include "core/memory.h"
#include "core/stats.h"

/* Where the test turns: the largest c with P(statistic <= c - 1) <= alpha / 2, 0 when there is
 * none. `counts` [n] are the weights of the values 0, 1, ... and `total` the sum over all
 * values. */
static int64_t turn(const double *counts, int64_t n, double total, double alpha)
{
    double  below = 0;
    int64_t c     = 0;
    for (; c < n; c++) {
        below += counts[c];
        if (!(below <= alpha / 2 * total * (1 + 1e-12))) break;
    }
    return c;
}

static int64_t turn_normal(double mean, double sd, double alpha)
{
    const double c = floor(mean - 0.5 - stats_normal_quantile(1 - alpha / 2) * sd);
    return c > 0 ? (int64_t)c : 0;
}

/* The counts of the Mann-Whitney statistic are the coefficients of the Gaussian binomial
 * prod (1 - q^(m + i)) / (1 - q^i), i = 1 .. n. The lower half is made, from its lower end. */
static int64_t turn_of_two(int64_t n, int64_t m, double alpha)
{
    if (n * m > 10000) return turn_normal((double)(n * m) / 2, sqrt((double)(n * m) * (double)(n + m + 1) / 12), alpha);
    int64_t half = n * m / 2 + 1;
    double *f = mem_alloc((size_t)half, sizeof *f), total = 1;
    f[0] = 1;
    for (int64_t i = 1; i <= n; i++) {
        for (int64_t u = half - 1; u >= m + i; u--) f[u] -= f[u - m - i];
        for (int64_t u = i; u < half; u++) f[u] += f[u - i];
        total *= (double)(m + i) / (double)i;
    }
    int64_t c = turn(f, half, total, alpha);
    free(f);
    return c;
}

static int64_t turn_of_pairs(int64_t n, double alpha)
{
    const double sum = (double)n * (double)(n + 1) / 2;
    if (n > 200) return turn_normal(sum / 2, sqrt(sum * (2. * (double)n + 1) / 12), alpha);
    int64_t half = n * (n + 1) / 4 + 1;
    double *p    = mem_alloc((size_t)half, sizeof *p);
    p[0]         = 1;
    for (int64_t rank = 1; rank <= n; rank++)
        for (int64_t s = half - 1; s >= 0; s--) p[s] = (p[s] + (s >= rank ? p[s - rank] : 0)) / 2;
    int64_t c = turn(p, half, 1, alpha);
    free(p);
    return c;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts x [n]; the interval is between its c-th smallest and c-th largest. */
static shift cut(double *x, int64_t n, int64_t c)
{
    shift s = { NAN, NAN, NAN, false };
    for (int64_t i = 0; i < n; i++)
        if (isnan(x[i])) return s;
    if (n < 1) return s;
    qsort(x, (size_t)n, sizeof *x, ascending);
    s.middle = n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
    if (c < 1) return s;
    s.exists = true;
    s.low    = x[c - 1];
    s.high   = x[n - c];
    return s;
}

shift shift_of_two(const double *a, int64_t n, const double *b, int64_t m, double alpha)
{
    double *d = mem_alloc((size_t)(n * m), sizeof *d);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < m; j++) d[i * m + j] = b[j] - a[i];
    shift s = cut(d, n * m, turn_of_two(n, m, alpha));
    free(d);
    return s;
}

shift shift_of_pairs(const double *d, int64_t n, double alpha)
{
    int64_t k = 0;
    double *w = mem_alloc((size_t)(n * (n + 1) / 2), sizeof *w);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i; j < n; j++) w[k++] = (d[i] + d[j]) / 2;
    shift s = cut(w, k, turn_of_pairs(n, alpha));
    free(w);
    return s;
}

int64_t shift_of_two_least(double alpha)
{
    int64_t n = 1;
    for (double one = 0.5; one > alpha / 2; one *= (double)(n * n) / (double)(2 * n * (2 * n - 1))) n++;
    return n;
}

int64_t shift_of_pairs_least(double alpha)
{
    int64_t n = 1;
    for (double one = 0.5; one > alpha / 2; one /= 2) n++;
    return n;
}
