#include "metrics/uncertainty.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/pyrandom.h"
#include "core/stats.h"

enum { CHUNK = 1000, WIDTH_MAX = 64 };

double bootstrap_stderr(statistic *f, const void *ctx, const double *stats, int64_t n, int width, int64_t iterations)
{
    if (n < 1 || iterations < 2) return NAN;
    double *values = mem_alloc((size_t)iterations, sizeof *values);
    mt19937 m;
    for (int64_t i = 0; i < iterations; i++) {
        if (i % CHUNK == 0) py_seed(&m, (uint64_t)(i / CHUNK));
        double sums[WIDTH_MAX] = { 0 };
        for (int64_t k = 0; k < n; k++) {
            const double *item = stats + (int64_t)floor(py_random(&m) * (double)n) * width;
            for (int w = 0; w < width; w++) sums[w] += item[w];
        }
        values[i] = f(ctx, sums, n);
    }
    double sd = stats_sd(values, iterations);
    free(values);
    return sd;
}

double jackknife_stderr(statistic *f, const void *ctx, const double *stats, int64_t n, int width)
{
    if (n < 2) return NAN;
    double  total[WIDTH_MAX] = { 0 };
    double *values           = mem_alloc((size_t)n, sizeof *values);
    for (int64_t i = 0; i < n * width; i++) total[i % width] += stats[i];
    for (int64_t i = 0; i < n; i++) {
        double sums[WIDTH_MAX];
        for (int w = 0; w < width; w++) sums[w] = total[w] - stats[i * width + w];
        values[i] = f(ctx, sums, n - 1);
    }
    double error = stats_sd(values, n) * (double)(n - 1) / sqrt((double)n);
    free(values);
    return error;
}
