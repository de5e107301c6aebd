/* linear on the CPU. Contracts: kernels/linear.h. */
#include "kernels/cpu.h"
#include "kernels/gemm.h"
#include "kernels/simd.h"

void linear_fwd_cpu(const backend *be, real *y_, const real *x, const real *W, const real *bias_, linear_dims d,
                    bool accumulate)
{
    float       *y    = (float *)y_;
    const float *bias = (const float *)bias_;
    for (int64_t t = 0; t < d.n && bias && accumulate; t++)
        for (int64_t o = 0; o < d.out; o++) y[t * d.ldy + o] += bias[o];
    gemm_args g = gemm_of(d.n, d.out, d.in, y, d.ldy, plain((const float *)x, d.ldx),
                          transposed((const float *)W, d.in));
    g.start     = accumulate ? y : bias;
    g.ld_start  = accumulate ? d.ldy : 0;
    gemm(be, &g);
}

void linear_fwd_wide_cpu(const backend *be, param *y, const real *x, const real *W, linear_dims d)
{
    linear_fwd_cpu(be, (real *)y, x, W, NULL, d, false);
}

void linear_bwd_x_cpu(const backend *be, real *dx, const real *dy, const real *W, linear_dims d, bool accumulate)
{
    gemm_args g = gemm_of(d.n, d.in, d.out, (float *)dx, d.ldx, plain((const float *)dy, d.ldy),
                          plain((const float *)W, d.in));
    if (accumulate) g.start = g.C, g.ld_start = g.ldc;
    gemm(be, &g);
}

SIMD static void add_row(float *dst, const float *src, int64_t n)
{
    for (int64_t i = 0; i < n; i++) dst[i] += src[i];
}

void linear_bwd_w_cpu(const backend *be, param *dW, param *dbias_, const real *dy_, const real *x, linear_dims d)
{
    enum { COLUMNS = 64 };
    float       *dbias = (float *)dbias_;
    const float *dy    = (const float *)dy_;
    gemm_args    g     = gemm_added(d.out, d.in, d.n, (float *)dW, d.in, transposed(dy, d.ldy),
                                    plain((const float *)x, d.ldx));
    if (dW) gemm(be, &g);
    if (!dbias) return;
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(static) if (d.n * d.out > CPU_ALONE)
    /* a thread owns columns: rows are added in order */
    for (int64_t c = 0; c < d.out; c += COLUMNS)
        for (int64_t t = 0; t < d.n; t++)
            add_row(dbias + c, dy + t * d.ldy + c, d.out - c < COLUMNS ? d.out - c : COLUMNS);
}
