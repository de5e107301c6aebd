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
    gemm(be, &(gemm_args) { .m        = d.n,
                            .n        = d.out,
                            .k        = d.in,
                            .C        = y,
                            .ldc      = d.ldy,
                            .start    = accumulate ? y : bias,
                            .ld_start = accumulate ? d.ldy : 0,
                            .A        = (const float *)x,
                            .a_row    = d.ldx,
                            .a_col    = 1,
                            .B        = (const float *)W,
                            .b_row    = 1,
                            .b_col    = d.in });
}

void linear_fwd_wide_cpu(const backend *be, param *y, const real *x, const real *W, linear_dims d)
{
    linear_fwd_cpu(be, (real *)y, x, W, NULL, d, false);
}

void linear_bwd_x_cpu(const backend *be, real *dx, const real *dy, const real *W, linear_dims d, bool accumulate)
{
    gemm(be, &(gemm_args) { .m        = d.n,
                            .n        = d.in,
                            .k        = d.out,
                            .C        = (float *)dx,
                            .ldc      = d.ldx,
                            .start    = accumulate ? (const float *)dx : NULL,
                            .ld_start = d.ldx,
                            .A        = (const float *)dy,
                            .a_row    = d.ldy,
                            .a_col    = 1,
                            .B        = (const float *)W,
                            .b_row    = d.in,
                            .b_col    = 1 });
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
    if (dW)
        gemm(be, &(gemm_args) { .m        = d.out,
                                .n        = d.in,
                                .k        = d.n,
                                .C        = (float *)dW,
                                .ldc      = d.in,
                                .start    = (const float *)dW,
                                .ld_start = d.in,
                                .A        = (const float *)dy,
                                .a_row    = 1,
                                .a_col    = d.ldy,
                                .B        = (const float *)x,
                                .b_row    = d.ldx,
                                .b_col    = 1 });
    if (!dbias) return;
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(static) if (d.n * d.out > CPU_ALONE)
    /* a thread owns columns: rows are added in order */
    for (int64_t c = 0; c < d.out; c += COLUMNS)
        for (int64_t t = 0; t < d.n; t++)
            add_row(dbias + c, dy + t * d.ldy + c, d.out - c < COLUMNS ? d.out - c : COLUMNS);
}
