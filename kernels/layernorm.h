/* LayerNorm (Ba, Kiros & Hinton 2016): y = (x - mean) rstd g + b with rstd = 1 / sqrt(mean((x -
 * mean)^2) + eps), means over a row.
 *
 *   layernorm_fwd   y [n, d] overwritten; stats [n, 2] = mean, rstd of each row, or NULL
 *   layernorm_bwd   with w = dy g and h = (x - mean) rstd:
 *                   dx [n, d] += rstd (w - mean(w) - h mean(w h)),
 *                   dg [d] += sum over rows of dy h, db [d] += sum over rows of dy. dg and db may be
 *                   NULL
 *
 * x [n, d], g [d]; b [d] or NULL. All contiguous. */
#ifndef TIEBREAK_KERNELS_LAYERNORM_H
#define TIEBREAK_KERNELS_LAYERNORM_H
#include <stdint.h>

#include "kernels/real.h"

typedef struct {
    int64_t n, d; /* rows, width */
} layernorm_dims;

typedef void layernorm_fwd_op(const backend *be, real *y, param *stats, const real *x, const real *g, const real *b,
                              layernorm_dims d, double eps);
typedef void layernorm_bwd_op(const backend *be, real *dx, param *dg, param *db, const real *dy, const real *x,
                              const param *stats, const real *g, layernorm_dims d);
#endif
