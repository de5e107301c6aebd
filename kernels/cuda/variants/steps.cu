/* Steps that know no working type of their own. Contract: kernels/cuda/variants/steps.h. */
#include "kernels/cuda/variants/steps.h"

void step_gemm(adapted_walk *w, bool skinny, gemm g)
{
    const double m = (double)g.m, n = (double)g.n, k = (double)g.k, in = g.in == CUDA_R_32F ? 4 : 2,
                 out = g.out == CUDA_R_32F ? 4 : 2;
    if (!adapted_step(w, 1, 2 * m * n * k, in * (m * k + k * n) + out * m * n * (g.accumulate ? 2 : 1))) return;
    skinny ? cuda_skinny(&g) : cuda_gemm(&g);
}

void step_pair_pass(adapted_walk *w, pair_pass pass)
{
    double bytes[2];
    pair_pass_bytes(&pass, bytes);
    if (adapted_step(w, 2, pair_pass_flops(&pass), bytes[0] + bytes[1])) cuda_pair_pass(&pass);
}

pair_pass pass_over_dy(const adapted_linear *l, const adapted_pair *a, const void *h, void *dh, int64_t ld)
{
    pair_pass pass = {};
    pass.n = l->n, pass.out = a->out, pass.r = a->p.r;
    pass.dy = at<bf16>(l->dy, a->at), pass.ldy = l->ld_dy;
    pass.B = (const bf16 *)a->p.B, pass.ldb = a->p.ldb, pass.dB = (float *)a->p.dB;
    pass.h = (const bf16 *)h, pass.dh = (bf16 *)dh, pass.ldh = pass.ld_dh = ld;
    return pass;
}
