/* The door of every op that takes strides: it settles that 0 means contiguous, so that no
 * implementation has to. Each goes on to the op that the backend brings. */
#include "kernels/backend_private.h"

static void linear_fwd(const backend *be, real *y, const real *x, const real *W, const real *bias, linear_dims d,
                       bool accumulate)
{
    be->inner->linear_fwd(be, y, x, W, bias, linear_strides(d), accumulate);
}

static void linear_fwd_wide(const backend *be, param *y, const real *x, const real *W, linear_dims d)
{
    be->inner->linear_fwd_wide(be, y, x, W, linear_strides(d));
}

static void linear_bwd_x(const backend *be, real *dx, const real *dy, const real *W, linear_dims d, bool accumulate)
{
    be->inner->linear_bwd_x(be, dx, dy, W, linear_strides(d), accumulate);
}

static void linear_bwd_w(const backend *be, param *dW, param *dbias, const real *dy, const real *x, linear_dims d)
{
    be->inner->linear_bwd_w(be, dW, dbias, dy, x, linear_strides(d));
}

static void pair_fwd(const backend *be, real *y, real *h, const real *x, const pair_arrays *p, pair_dims d)
{
    be->inner->pair_fwd(be, y, h, x, p, pair_strides(d));
}

static void pair_bwd(const backend *be, real *dx, real *dh, const real *dy, const real *x, const real *h,
                     const pair_arrays *p, pair_dims d)
{
    be->inner->pair_bwd(be, dx, dh, dy, x, h, p, pair_strides(d));
}

static void rmsnorm_fwd(const backend *be, real *y, param *rstd, const real *x, const real *g, norm_dims d, double eps)
{
    be->inner->rmsnorm_fwd(be, y, rstd, x, g, norm_strides(d), eps);
}

static void rmsnorm_bwd(const backend *be, real *dx, param *dg, const real *dy, const real *x, const param *rstd,
                        const real *g, norm_dims d)
{
    be->inner->rmsnorm_bwd(be, dx, dg, dy, x, rstd, g, norm_strides(d));
}

static void rope(const backend *be, real *x, const int32_t *pos, const param *table, rope_dims d, bool inverse)
{
    be->inner->rope(be, x, pos, table, rope_strides(d), inverse);
}

static attention_args settled(const attention_args *a)
{
    attention_args s = *a;
    s.d              = attention_strides(a->d);
    return s;
}

static void attention_fwd(const backend *be, real *o, param *lse, const attention_args *a)
{
    const attention_args s = settled(a);
    be->inner->attention_fwd(be, o, lse, &s);
}

static void attention_bwd(const backend *be, real *dq, real *dk, real *dv, const real *d_o, const real *o,
                          const param *lse, const attention_args *a)
{
    const attention_args s = settled(a);
    be->inner->attention_bwd(be, dq, dk, dv, d_o, o, lse, &s);
}

static void attention_decode(const backend *be, real *o, int64_t kv_most, const attention_args *a)
{
    const attention_args s = settled(a);
    be->inner->attention_decode(be, o, kv_most, &s);
}

void hang_doors(backend *be)
{
#define DOOR(op) be->op = op;
#define OWN(op) be->op = be->inner->op;
    BACKEND_OPS(DOOR, OWN, OWN, OWN)
}
