/* linear: y = x W^T (+ bias) and its two transposes.
 *
 *   linear_fwd        y = x W^T + bias; accumulate: y += instead of y =. bias [out] or NULL
 *   linear_fwd_wide   the same with y in the parameter type and without a bias. It is for logits,
 *                     whose differences decide and would drown in bf16's steps
 *   linear_bwd_x      dx = dy W; accumulate: dx += instead of dx =
 *   linear_bwd_w      dW [out, in] += dy^T x, dbias [out] += column sums of dy; either may be NULL
 *
 * Each product is 2 n in out flops. */
#ifndef TIEBREAK_KERNELS_LINEAR_H
#define TIEBREAK_KERNELS_LINEAR_H
#include <stdbool.h>
#include <stdint.h>

#include "kernels/real.h"

typedef struct {
    int64_t n, in, out; /* x [n, in], y [n, out], W [out, in] */
    int64_t ldx, ldy;   /* row strides of x and dx, of y and dy */
} linear_dims;
static inline linear_dims linear_strides(linear_dims d)
{
    if (!d.ldx) d.ldx = d.in;
    if (!d.ldy) d.ldy = d.out;
    return d;
}

typedef void linear_fwd_op(const backend *be, real *y, const real *x, const real *W, const real *bias, linear_dims d,
                           bool accumulate);
typedef void linear_fwd_wide_op(const backend *be, param *y, const real *x, const real *W, linear_dims d);
typedef void linear_bwd_x_op(const backend *be, real *dx, const real *dy, const real *W, linear_dims d,
                             bool accumulate);
typedef void linear_bwd_w_op(const backend *be, param *dW, param *dbias, const real *dy, const real *x, linear_dims d);

/* Floors of each of the three products, as in kernels/pair.h. */
static inline double linear_flops(linear_dims d) { return 2.0 * (double)d.n * (double)d.in * (double)d.out; }
static inline double linear_bytes(linear_dims d, double elem)
{
    double n = (double)d.n, in = (double)d.in, out = (double)d.out;
    return elem * (n * in + n * out + in * out);
}
#endif
