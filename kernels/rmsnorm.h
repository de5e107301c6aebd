/* RMSNorm (Zhang & Sennrich 2019): rstd = 1 / sqrt(mean(x^2) + eps), y = x rstd (offset + g).
 *
 *   rmsnorm_fwd   y [n, d], rstd [n] overwritten. rstd may be NULL; y may be x
 *   rmsnorm_bwd   with w = dy (offset + g): dx [n, d] += rstd (w - x rstd^2 mean(w x)),
 *                 dg [d] += sum over rows of dy x rstd. dg may be NULL
 *
 * x [n, d], g [d]; mean runs over a row. */
#ifndef TIEBREAK_KERNELS_RMSNORM_H
#define TIEBREAK_KERNELS_RMSNORM_H
#include <stdint.h>

#include "kernels/real.h"

typedef struct {
    int64_t n, d;     /* rows, width */
    int64_t ldx, ldy; /* row strides of x and dx, of y and dy */
    double  offset;   /* 0, or 1 where a family stores its gains less 1 */
} norm_dims;
static inline norm_dims norm_strides(norm_dims d)
{
    if (!d.ldx) d.ldx = d.d;
    if (!d.ldy) d.ldy = d.d;
    return d;
}

typedef void rmsnorm_fwd_op(const backend *be, real *y, param *rstd, const real *x, const real *g, norm_dims d,
                            double eps);
typedef void rmsnorm_bwd_op(const backend *be, real *dx, param *dg, const real *dy, const real *x, const param *rstd,
                            const real *g, norm_dims d);
#endif
