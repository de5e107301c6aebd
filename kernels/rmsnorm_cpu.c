/* RMSNorm on the CPU: one row at a time, rows over threads. Contract: kernels/rmsnorm.h;
 * formulas: kernels/rmsnorm.c. */
#include <math.h>

#include "kernels/cpu.h"
#include "kernels/simd.h"

SIMD static float fwd_row(float *y, const float *x, const float *g, float offset, int64_t d, float eps)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < d; i++) sum += x[i] * x[i];
    float s = 1 / sqrtf(sum / (float)d + eps);
    for (int64_t i = 0; i < d; i++) y[i] = x[i] * s * (offset + g[i]);
    return s;
}

void rmsnorm_fwd_cpu(const backend *be, real *y, param *rstd, const real *x, const real *g, norm_dims d, double eps)
{
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(static) if (d.n * d.d > CPU_ALONE)
    for (int64_t t = 0; t < d.n; t++) {
        float s = fwd_row((float *)y + t * d.ldy, (const float *)x + t * d.ldx, (const float *)g, (float)d.offset, d.d,
                          (float)eps);
        if (rstd) ((float *)rstd)[t] = s;
    }
}

SIMD static void bwd_row(float *dx, const float *dy, const float *x, float s, const float *g, float offset, int64_t d)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < d; i++) sum += dy[i] * (offset + g[i]) * x[i];
    float c = sum / (float)d * s * s;
    for (int64_t i = 0; i < d; i++) dx[i] += s * (dy[i] * (offset + g[i]) - x[i] * c);
}

SIMD static void gain_row(float *dg, const float *dy, const float *x, float s, int64_t d)
{
    for (int64_t i = 0; i < d; i++) dg[i] += dy[i] * x[i] * s;
}

void rmsnorm_bwd_cpu(const backend *be, real *dx, param *dg, const real *dy_, const real *x_, const param *rstd_,
                     const real *g, norm_dims d)
{
    enum { COLUMNS = 64 };
    const float *dy = (const float *)dy_, *x = (const float *)x_, *rstd = (const float *)rstd_;
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(static) if (d.n * d.d > CPU_ALONE)
    for (int64_t t = 0; t < d.n; t++)
        bwd_row((float *)dx + t * d.ldx, dy + t * d.ldy, x + t * d.ldx, rstd[t], (const float *)g, (float)d.offset,
                d.d);
    if (!dg) return;
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(static) if (d.n * d.d > CPU_ALONE)
    for (int64_t c = 0; c < d.d; c += COLUMNS) /* a thread owns columns: rows are added in order */
        for (int64_t t = 0; t < d.n; t++)
            gain_row((float *)dg + c, dy + t * d.ldy + c, x + t * d.ldx + c, rstd[t],
                     d.d - c < COLUMNS ? d.d - c : COLUMNS);
}
