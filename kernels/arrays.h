/* Rows by index, and whole arrays.
 *
 *   gather_rows        dst [n, d] = src[rows[i]]
 *   scatter_rows       dst[rows[i]] = src [n, d]; no row is named twice
 *   scatter_add_rows   dst[rows[i]] += src [n, d]; rows may repeat, and are added in the order
 *                      i = 0, 1, ..., each sum rounded
 *   narrow             dst = src rounded to the working type; a copy where both types are one
 *   add                dst += src
 *   scale              x *= a
 *   blend              dst = a dst + b src; src NULL: dst = a dst
 *   soft_cap_fwd       x = cap tanh(x / cap), in place
 *   soft_cap_bwd       dx *= 1 - (y / cap)^2, where y is what soft_cap_fwd left of x
 *   sum_squares        sum of x^2, accumulated in f64
 *   adamw              AdamW with decoupled decay (Loshchilov & Hutter 2019), in PyTorch's order:
 *                      p -= lr weight_decay p; m and v; p -= lr mhat / (sqrt(vhat) + eps) */
#ifndef TIEBREAK_KERNELS_ARRAYS_H
#define TIEBREAK_KERNELS_ARRAYS_H
#include <stdint.h>

#include "kernels/real.h"

typedef void gather_rows_op(const backend *be, real *dst, const real *src, const int32_t *rows, int64_t n, int64_t d);
typedef void scatter_rows_op(const backend *be, real *dst, const real *src, const int32_t *rows, int64_t n, int64_t d);
typedef void scatter_add_rows_op(const backend *be, real *dst, const real *src, const int32_t *rows, int64_t n,
                                 int64_t d);

typedef struct {
    double  lr, beta1, beta2, eps, weight_decay;
    double  clip; /* gradients are multiplied by this before use; 1 changes nothing */
    int64_t step; /* 1, 2, ...: for the bias correction */
} adamw_params;

typedef void   narrow_op(const backend *be, real *dst, const param *src, int64_t count);
typedef void   add_op(const backend *be, param *dst, const param *src, int64_t count);
typedef void   scale_op(const backend *be, param *x, double a, int64_t count);
typedef void   blend_op(const backend *be, real *dst, const real *src, double a, double b, int64_t count);
typedef void   soft_cap_fwd_op(const backend *be, param *x, double cap, int64_t count);
typedef void   soft_cap_bwd_op(const backend *be, param *dx, const param *y, double cap, int64_t count);
typedef double sum_squares_op(const backend *be, const param *x, int64_t count);
typedef void   adamw_op(const backend *be, param *p, param *m, param *v, const param *g, int64_t count, adamw_params h);
#endif
