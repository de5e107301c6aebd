/* SwiGLU on the CPU: one row at a time, rows over threads. Contract: kernels/swiglu.h;
 * formulas: kernels/swiglu.c. */
#include "kernels/cpu.h"
#include "kernels/simd.h"

SIMD static void fwd_row(float *y, const float *gate, const float *up, int64_t d)
{
#pragma omp simd
    for (int64_t i = 0; i < d; i++) y[i] = gate[i] / (1 + exp_f32(-gate[i])) * up[i];
}

void swiglu_fwd_cpu(const backend *be, real *y, const real *gu, int64_t n, int64_t d)
{
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(static) if (n * d > CPU_ALONE)
    for (int64_t t = 0; t < n; t++) {
        const float *gate = (const float *)gu + t * 2 * d;
        fwd_row((float *)y + t * d, gate, gate + d, d);
    }
}

/* dgate, dup may be gate, up themselves: element i is read before it is written. */
SIMD static void bwd_row(float *dgate, float *dup, const float *dy, const float *gate, const float *up, int64_t d)
{
#pragma omp simd
    for (int64_t i = 0; i < d; i++) {
        float z = gate[i], u = up[i], q = 1 / (1 + exp_f32(-z));
        dgate[i] = dy[i] * u * q * (1 + z * (1 - q));
        dup[i]   = dy[i] * z * q;
    }
}

void swiglu_bwd_cpu(const backend *be, real *dgu, const real *dy, const real *gu, int64_t n, int64_t d)
{
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(static) if (n * d > CPU_ALONE)
    for (int64_t t = 0; t < n; t++) {
        const float *gate  = (const float *)gu + t * 2 * d;
        float       *dgate = (float *)dgu + t * 2 * d;
        bwd_row(dgate, dgate + d, (const float *)dy + t * d, gate, gate + d, d);
    }
}
