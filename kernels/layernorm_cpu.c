/* LayerNorm on the CPU: one row at a time, rows over threads. Contract and formulas:
 * kernels/layernorm.h. */
#include <math.h>

#include "kernels/cpu.h"
#include "kernels/simd.h"

typedef struct {
    float mean, rstd;
} row_stats;

SIMD static row_stats fwd_row(float *y, const float *x, const float *g, const float *b, int64_t d, float eps)
{
    float sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < d; i++) sum += x[i];
    const float mean = sum / (float)d;
#pragma omp simd reduction(+ : squares)
    for (int64_t i = 0; i < d; i++) squares += (x[i] - mean) * (x[i] - mean);
    const float rstd = 1 / sqrtf(squares / (float)d + eps);
    if (b)
        for (int64_t i = 0; i < d; i++) y[i] = (x[i] - mean) * rstd * g[i] + b[i];
    else
        for (int64_t i = 0; i < d; i++) y[i] = (x[i] - mean) * rstd * g[i];
    return (row_stats) { mean, rstd };
}

void layernorm_fwd_cpu(const backend *be, real *y, param *stats, const real *x, const real *g, const real *b,
                       layernorm_dims d, double eps)
{
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(static) if (d.n * d.d > CPU_ALONE)
    for (int64_t t = 0; t < d.n; t++) {
        row_stats s = fwd_row((float *)y + t * d.d, (const float *)x + t * d.d, (const float *)g, (const float *)b, d.d,
                              (float)eps);
        if (stats) ((row_stats *)stats)[t] = s;
    }
}

SIMD static void bwd_row(float *dx, const float *dy, const float *x, row_stats s, const float *g, int64_t d)
{
    float w = 0, wh = 0;
#pragma omp simd reduction(+ : w, wh)
    for (int64_t i = 0; i < d; i++) {
        w += dy[i] * g[i];
        wh += dy[i] * g[i] * (x[i] - s.mean) * s.rstd;
    }
    w /= (float)d, wh /= (float)d;
    for (int64_t i = 0; i < d; i++) dx[i] += s.rstd * (dy[i] * g[i] - w - (x[i] - s.mean) * s.rstd * wh);
}

SIMD static void gain_row(float *dg, const float *dy, const float *x, row_stats s, int64_t d)
{
    for (int64_t i = 0; i < d; i++) dg[i] += dy[i] * (x[i] - s.mean) * s.rstd;
}

SIMD static void bias_row(float *db, const float *dy, int64_t d)
{
    for (int64_t i = 0; i < d; i++) db[i] += dy[i];
}

void layernorm_bwd_cpu(const backend *be, real *dx, param *dg, param *db, const real *dy_, const real *x_,
                       const param *stats_, const real *g, layernorm_dims d)
{
    enum { COLUMNS = 64 };
    const float     *dy = (const float *)dy_, *x = (const float *)x_;
    const row_stats *stats = (const row_stats *)stats_;
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(static) if (d.n * d.d > CPU_ALONE)
    for (int64_t t = 0; t < d.n; t++)
        bwd_row((float *)dx + t * d.d, dy + t * d.d, x + t * d.d, stats[t], (const float *)g, d.d);
    if (!dg && !db) return;
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(static) if (d.n * d.d > CPU_ALONE)
    for (int64_t c = 0; c < d.d; c += COLUMNS) /* a thread owns columns: rows are added in order */
        for (int64_t t = 0; t < d.n; t++) {
            const int64_t at = t * d.d + c, width = least(COLUMNS, d.d - c);
            if (dg) gain_row((float *)dg + c, dy + at, x + at, stats[t], width);
            if (db) bias_row((float *)db + c, dy + at, width);
        }
}
