/* pair on the GPU in f32: six skinny products. Contract: kernels/pair.h. */
#include "kernels/cuda/product.h"

/* The pair as floats, with all strides. */
typedef struct {
    const float *A, *B;
    int64_t      r, lda, ldb, ldx, ldy;
} pair_view;

static pair_view view_of(const pair_arrays *p, pair_dims d)
{
    return { (const float *)p->A, (const float *)p->B, p->r, p->lda, p->ldb, d.ldx, d.ldy };
}

void pair_fwd_cuda(real *y, real *h_, const real *x, const pair_arrays *p, pair_dims d)
{
    pair_view v = view_of(p, d);
    float    *h = (float *)h_;
    if (v.r == 0 || d.n == 0) return;
    product down = { d.n, v.r, d.in, (const float *)x, v.ldx, 1, v.A, 1, v.lda, h, v.r, false };
    product up   = { d.n, d.out, v.r, h, v.r, 1, v.B, 1, v.ldb, (float *)y, v.ldy, true };
    cuda_product(&down);
    cuda_product(&up);
}

void pair_bwd_cuda(real *dx, real *dh_, const real *dy_, const real *x_, const real *h, const pair_arrays *p,
                   pair_dims d)
{
    pair_view    v  = view_of(p, d);
    const float *dy = (const float *)dy_, *x = (const float *)x_;
    float       *dh = (float *)dh_;
    if (v.r == 0 || d.n == 0) return;
    product grad_B = { d.out, v.r, d.n, dy, 1, v.ldy, (const float *)h, v.r, 1, (float *)p->dB, v.r, true };
    product grad_h = { d.n, v.r, d.out, dy, v.ldy, 1, v.B, v.ldb, 1, dh, v.r, false };
    product grad_A = { v.r, d.in, d.n, dh, 1, v.r, x, v.ldx, 1, (float *)p->dA, d.in, true };
    product grad_x = { d.n, d.in, v.r, dh, v.r, 1, v.A, v.lda, 1, (float *)dx, v.ldx, true };
    if (p->dB) cuda_product(&grad_B);
    cuda_product(&grad_h);
    if (p->dA) cuda_product(&grad_A);
    if (dx) cuda_product(&grad_x);
}
