/* linear on the CPU. Contracts: kernels/backend.h. */
#include "kernels/cpu.h"
#include "kernels/gemm.h"
#include "kernels/simd.h"

void linear_fwd_cpu(real *y_, const real *x, const real *W, const real *bias_, linear_dims d, bool accumulate)
{
    float       *y    = y_;
    const float *bias = bias_;
    int64_t      ldx = d.ldx ? d.ldx : d.in, ldy = d.ldy ? d.ldy : d.out;
    for (int64_t t = 0; t < d.n && bias && accumulate; t++)
        for (int64_t o = 0; o < d.out; o++) y[t * ldy + o] += bias[o];
    gemm(&(gemm_args) { .m        = d.n,
                        .n        = d.out,
                        .k        = d.in,
                        .C        = y,
                        .ldc      = ldy,
                        .start    = accumulate ? y : bias,
                        .ld_start = accumulate ? ldy : 0,
                        .A        = x,
                        .a_row    = ldx,
                        .a_col    = 1,
                        .B        = W,
                        .b_row    = 1,
                        .b_col    = d.in });
}

void linear_bwd_x_cpu(real *dx, const real *dy, const real *W, linear_dims d, bool accumulate)
{
    int64_t ldx = d.ldx ? d.ldx : d.in, ldy = d.ldy ? d.ldy : d.out;
    gemm(&(gemm_args) { .m        = d.n,
                        .n        = d.in,
                        .k        = d.out,
                        .C        = dx,
                        .ldc      = ldx,
                        .start    = accumulate ? dx : NULL,
                        .ld_start = ldx,
                        .A        = dy,
                        .a_row    = ldy,
                        .a_col    = 1,
                        .B        = W,
                        .b_row    = d.in,
                        .b_col    = 1 });
}

SIMD static void add_row(float *dst, const float *src, int64_t n)
{
    for (int64_t i = 0; i < n; i++) dst[i] += src[i];
}

void linear_bwd_w_cpu(real *dW, real *dbias_, const real *dy_, const real *x, linear_dims d)
{
    enum { COLUMNS = 64 };
    float       *dbias = dbias_;
    const float *dy    = dy_;
    int64_t      ldx = d.ldx ? d.ldx : d.in, ldy = d.ldy ? d.ldy : d.out;
    if (dW)
        gemm(&(gemm_args) { .m        = d.out,
                            .n        = d.in,
                            .k        = d.n,
                            .C        = dW,
                            .ldc      = d.in,
                            .start    = dW,
                            .ld_start = d.in,
                            .A        = dy,
                            .a_row    = 1,
                            .a_col    = ldy,
                            .B        = x,
                            .b_row    = ldx,
                            .b_col    = 1 });
    if (!dbias) return;
#pragma omp parallel for schedule(static) if (d.n * d.out > CPU_ALONE)
    /* a thread owns columns: rows are added in order */
    for (int64_t c = 0; c < d.out; c += COLUMNS)
        for (int64_t t = 0; t < d.n; t++)
            add_row(dbias + c, dy + t * ldy + c, d.out - c < COLUMNS ? d.out - c : COLUMNS);
}
