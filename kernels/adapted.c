/* adapted as its parts: a table's linear, then its pairs one after another, each with an h of
 * its own. Contract: kernels/adapted.h. */
#include "kernels/adapted_private.h"

static pair_dims dims_of(linear_dims d, const adapted_pair *a)
{
    return (pair_dims) { .n = d.n, .in = d.in, .out = a->out, .ldx = d.ldx, .ldy = d.ldy ? d.ldy : d.out };
}

void adapted_fwd_in_parts(const backend *be, real *y, real *h, const real *x, const real *W, const real *bias,
                          const adapted_pair *pairs, int64_t count, linear_dims d, bool accumulate)
{
    be->linear_fwd(y, x, W, bias, d, accumulate);
    for (const adapted_pair *a = pairs; a < pairs + count; h = real_at(be, h, d.n * a++->p.r))
        be->pair_fwd(real_at(be, y, a->at), h, x, &a->p, dims_of(d, a));
}

void adapted_bwd_in_parts(const backend *be, real *dx, real *dh, const real *dy, const real *x, const real *h,
                          const real *W, const adapted_pair *pairs, int64_t count, linear_dims d)
{
    if (dx) be->linear_bwd_x(dx, dy, W, d, false);
    for (const adapted_pair *a = pairs; a < pairs + count; h = real_at(be, h, d.n * a++->p.r))
        if (dx || a->p.dA || a->p.dB)
            be->pair_bwd(dx, a->p.dA, a->p.dB, dh, real_at(be, dy, a->at), x, h, &a->p, dims_of(d, a));
}
