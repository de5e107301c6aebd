/* pair: what every adapter is at run time, a low-rank pair beside a linear; kernels/expand.h folds
 * u, R, v and s into its B. The gradients dA and dB are where the pair says.
 *
 *   forward   h = x A^T            [n, r]    overwritten; the backward reads it
 *             y += h B^T           [n, out]  accumulated: the frozen x W^T is already there
 *   backward  dB += dy^T h         [out, r]  or NULL
 *             dh  = dy B           [n, r]    scratch, overwritten
 *             dA += dh^T x         [r, in]   contiguous, or NULL
 *             dx += dh A           [n, in]   or NULL
 *
 * A [r, in] has row stride lda >= in, as it may be a slice of a wider shared A. B [out, r] has row
 * stride ldb >= r. h, dh, dA and dB are contiguous. r = 0 is legal and does nothing. No two arrays
 * overlap. dA and dB are gradients of parameters and of their type. All else is of the working
 * type, h and dh too: they are factors of further products, which tensor cores take as they are.
 * flops: forward 2 n r (in + out); backward up to 2 n r (2 in + 2 out). */
#ifndef TIEBREAK_KERNELS_PAIR_H
#define TIEBREAK_KERNELS_PAIR_H
#include <stdint.h>

#include "kernels/real.h"

typedef struct {
    int64_t n, in, out;
    int64_t ldx, ldy; /* row strides of x and dx, of y and dy */
} pair_dims;
static inline pair_dims pair_strides(pair_dims d)
{
    if (!d.ldx) d.ldx = d.in;
    if (!d.ldy) d.ldy = d.out;
    return d;
}

/* The pair of one site in one layer, as the decoder gets it. dA and dB are NULL when nothing
 * trains through them. */
typedef struct {
    const real *A, *B; /* A', B' with s folded into B */
    int64_t     r, lda, ldb;
    param      *dA, *dB; /* gradients of A', B': accumulated */
} pair_arrays;

typedef void pair_fwd_op(const backend *be, real *y, real *h, const real *x, const pair_arrays *p, pair_dims d);
typedef void pair_bwd_op(const backend *be, real *dx, real *dh, const real *dy, const real *x, const real *h,
                         const pair_arrays *p, pair_dims d);

/* What a call must do at least: multiply-adds count 2; bytes are every array read or written
 * once, with elem bytes a real. */
static inline double pair_fwd_flops(pair_dims d, int64_t r)
{
    return 2.0 * (double)d.n * (double)r * (double)(d.in + d.out);
}
static inline double pair_fwd_bytes(pair_dims d, int64_t r, double elem)
{
    double n = (double)d.n, in = (double)d.in, out = (double)d.out;
    return elem * (n * in + 2 * n * out + (double)r * (n + in + out));
}
/* With the products nobody wants left out: dA, dB and dx may be NULL. */
static inline double pair_bwd_flops(pair_dims d, int64_t r, int want_dx, int want_dA, int want_dB)
{
    double n = (double)d.n, in = (double)d.in, out = (double)d.out;
    return 2.0 * n * (double)r * (out + out * (want_dB != 0) + in * (want_dA != 0) + in * (want_dx != 0));
}
static inline double pair_bwd_bytes(pair_dims d, int64_t r, int want_dx, int want_dA, int want_dB, double elem)
{
    double n = (double)d.n, in = (double)d.in, out = (double)d.out, rank = (double)r;
    double bytes = n * out + rank * (out + n);
    if (want_dB) bytes += rank * (n + 2 * out);
    if (want_dA) bytes += n * in + 2 * rank * in;
    if (want_dx) bytes += 2 * n * in + rank * in;
    return elem * bytes;
}
#endif
