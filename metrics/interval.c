#include "metrics/interval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/pyrandom.h"
#include "core/stats.h"
#include "metrics/resample.h"

static const double z975 = 1.959963984540054;

interval wilson_interval(double right, int64_t n)
{
    const double z = z975;
    double       k = (double)n, p = right / k, middle = p + z * z / (2 * k),
           half = z * sqrt(p * (1 - p) / k + z * z / (4 * k * k));
    if (n < 1) return (interval) { NAN, NAN, "wilson" };
    /* At 0 and at n the formula gives the share itself, apart from rounding. */
    return (interval) { right > 0 ? (middle - half) / (1 + z * z / k) : 0,
                        right < k ? (middle + half) / (1 + z * z / k) : 1, "wilson" };
}

interval normal_interval(double value, double error)
{
    return (interval) { value - z975 * error, value + z975 * error, "normal" };
}

static int ascending(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

interval resampled_interval(double *values, int64_t n)
{
    interval i = { NAN, NAN, "bootstrap" };
    for (int64_t k = 0; k < n; k++)
        if (isnan(values[k])) return i;
    if (n < 1) return i;
    qsort(values, (size_t)n, sizeof *values, ascending);
    i.low  = values[n / 40];
    i.high = values[n - 1 - n / 40];
    return i;
}

interval bootstrap_interval(const metric *m, const double *stats, int64_t n, int64_t resamples, uint64_t seed,
                            double *mean)
{
    numpy_rng g      = numpy_seed(seed);
    double   *values = mem_alloc((size_t)resamples, sizeof *values), sums[RESAMPLE_WIDTH_MAX];
    int64_t  *rows   = mem_alloc((size_t)n, sizeof *rows);
    for (int64_t i = 0; i < resamples; i++) {
        numpy_integers(&g, n, n, rows);
        resample_sums(sums, stats, rows, n, m->n_stats);
        values[i] = metric_of_sums(m, sums, n);
    }
    *mean            = stats_mean(values, resamples);
    interval central = resampled_interval(values, resamples);
    free(values);
    free(rows);
    return central;
}

void signature_of_draws(const char *signature, const char *procedure, int64_t draws, uint64_t seed, str *out)
{
    const char *refs = strstr(signature, "|nrefs:"),
               *rest = refs ? refs + 1 + strcspn(refs + 1, "|") : signature + strlen(signature);
    str_add(out, signature, (size_t)(rest - signature));
    str_printf(out, "|%s:%lld|seed:%llu%s", procedure, (long long)draws, (unsigned long long)seed, rest);
}

bool metric_is_share(const metric *m, const double *stats, int64_t n)
{
    if (m->error != STDERR_MEAN || m->n_stats != 1 || m->corpus) return false;
    for (int64_t i = 0; i < n; i++)
        if (stats[i] != 0 && stats[i] != 1) return false;
    return n > 0;
}

interval metric_interval(const metric *m, const double *stats, int64_t n, double value, double error)
{
    if (!metric_is_share(m, stats, n)) return normal_interval(value, error);
    double right = 0;
    for (int64_t i = 0; i < n; i++) right += stats[i];
    interval i = wilson_interval(right, n);
    i.low *= m->scale;
    i.high *= m->scale;
    return i;
}
