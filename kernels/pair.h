/* pair: what every adapter is at run time, a low-rank pair beside a linear (DESIGN: the map folds u, R, v and s into B).
 *
 *   forward   h = x A^T            [n, r]    overwritten; the backward reads it
 *             y += h B^T           [n, out]  accumulated: the frozen x W^T is already there
 *   backward  dB += dy^T h         [out, r]  or NULL
 *             dh  = dy B           [n, r]    scratch, overwritten
 *             dA += dh^T x         [r, in]   contiguous, or NULL
 *             dx += dh A           [n, in]   or NULL
 *
 * A [r, in] has row stride lda >= in (a slice of a wider shared A), B [out, r] row stride ldb >= r; x, y, dx, dy have row strides ldx, ldy
 * (0 = contiguous); h, dh, dA, dB are contiguous. r = 0 is legal and does nothing. No two arrays overlap.
 * flops: forward 2 n r (in + out); backward up to 2 n r (2 in + 2 out). */
#ifndef TIEBREAK_KERNELS_PAIR_H
#define TIEBREAK_KERNELS_PAIR_H
#include <stdint.h>

#include "kernels/real.h"

typedef struct {
    int64_t n, in, out;
    int64_t ldx, ldy;
} pair_dims;

/* The pair of one site in one layer, as the decoder gets it. dA and dB are NULL when nothing trains through them. */
typedef struct {
    const real *A, *B; /* A', B' with s folded into B */
    int64_t     r, lda, ldb;
    real       *dA, *dB; /* gradients of A', B': accumulated */
} pair_arrays;
#endif
