/* pair in bf16: six products by cuBLAS, on tensor cores. Contract: kernels/pair.h. */
#include "kernels/cuda/gemm.h"

void pair_fwd_cuda_bf16(real *y, real *h, const real *x, const pair_arrays *p, pair_dims d)
{
    if (p->r == 0 || d.n == 0) return;
    const gemm down = { d.n,    p->r,       d.in, x,    d.ldx, PLAIN,       p->A,
                        p->lda, TRANSPOSED, h,    p->r, false, CUDA_R_16BF, CUDA_R_16BF };
    const gemm up   = { d.n,    d.out,      p->r, h,     p->r, PLAIN,       p->B,
                        p->ldb, TRANSPOSED, y,    d.ldy, true, CUDA_R_16BF, CUDA_R_16BF };
    cuda_gemm(&down);
    cuda_gemm(&up);
}

void pair_bwd_cuda_bf16(real *dx, real *dh, const real *dy, const real *x, const real *h, const pair_arrays *p,
                        pair_dims d)
{
    if (p->r == 0 || d.n == 0) return;
    const gemm grad_B = { d.out, p->r,  d.n,   dy,   d.ldy, TRANSPOSED,  h,
                          p->r,  PLAIN, p->dB, p->r, true,  CUDA_R_16BF, CUDA_R_32F };
    const gemm grad_h = { d.n,    p->r,  d.out, dy,   d.ldy, PLAIN,       p->B,
                          p->ldb, PLAIN, dh,    p->r, false, CUDA_R_16BF, CUDA_R_16BF };
    const gemm grad_A = { p->r,  d.in,  d.n,   dh,   p->r, TRANSPOSED,  x,
                          d.ldx, PLAIN, p->dA, d.in, true, CUDA_R_16BF, CUDA_R_32F };
    const gemm grad_x = { d.n,    d.in,  p->r, dh,    p->r, PLAIN,       p->A,
                          p->lda, PLAIN, dx,   d.ldx, true, CUDA_R_16BF, CUDA_R_16BF };
    if (p->dB) cuda_gemm(&grad_B);
    cuda_gemm(&grad_h);
    if (p->dA) cuda_gemm(&grad_A);
    if (dx) cuda_gemm(&grad_x);
}
