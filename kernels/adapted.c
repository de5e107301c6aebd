/* adapted, the definition: the backend's own linear, then its pairs one after another, each with
 * an h of its own. Contract: kernels/adapted.h. The CPU has nothing better. */
#include "kernels/cpu.h"
#include "kernels/ref.h"

static pair_dims dims_of(linear_dims d, const adapted_pair *a)
{
    return (pair_dims) { .n = d.n, .in = d.in, .out = a->out, .ldx = d.ldx, .ldy = d.ldy };
}

void adapted_fwd_ref(const backend *be, real *y, real *h, const real *x, const real *W, const real *bias,
                     const adapted_pair *pairs, int64_t count, linear_dims d, bool accumulate)
{
    be->linear_fwd(be, y, x, W, bias, d, accumulate);
    for (const adapted_pair *a = pairs; a < pairs + count; h = real_at(be, h, d.n * a++->p.r))
        be->pair_fwd(be, real_at(be, y, a->at), h, x, &a->p, dims_of(d, a));
}

void adapted_bwd_ref(const backend *be, real *dx, real *dh, const real *dy, const real *x, const real *h, const real *W,
                     const adapted_pair *pairs, int64_t count, linear_dims d)
{
    if (dx) be->linear_bwd_x(be, dx, dy, W, d, false);
    for (const adapted_pair *a = pairs; a < pairs + count; h = real_at(be, h, d.n * a++->p.r))
        if (dx || a->p.dA || a->p.dB) be->pair_bwd(be, dx, dh, real_at(be, dy, a->at), x, h, &a->p, dims_of(d, a));
}

void adapted_fwd_cpu(const backend *be, real *y, real *h, const real *x, const real *W, const real *bias,
                     const adapted_pair *pairs, int64_t count, linear_dims d, bool accumulate)
{
    adapted_fwd_ref(be, y, h, x, W, bias, pairs, count, d, accumulate);
}

void adapted_bwd_cpu(const backend *be, real *dx, real *dh, const real *dy, const real *x, const real *h, const real *W,
                     const adapted_pair *pairs, int64_t count, linear_dims d)
{
    adapted_bwd_ref(be, dx, dh, dy, x, h, W, pairs, count, d);
}
