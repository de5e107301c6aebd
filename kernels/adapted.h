/* adapted: one frozen linear and all pairs that read its input (q, k and v; gate and up), in one
 * call, so that a backend decides how the whole is done: x read once for all of them, the pairs'
 * products beside, before or inside the base's.
 *
 *   forward   y = x W^T (+ bias)                              accumulate: y += instead of y =
 *             y[:, at_i .. at_i + out_i] += (x A_i^T) B_i^T   for each pair of the list, in its order
 *   backward  dx = dy W + sum over i of dh_i A_i              overwritten; NULL: not wanted.
 *   dh_i = dy[:, at_i .. at_i + out_i] B_i
 *             dA_i += dh_i^T x      dB_i += dy[:, at_i .. at_i + out_i]^T (x A_i^T)      NULL: not wanted
 *
 * W [out, in], bias [out] or NULL; the linear's own gradient is linear_bwd_w's. Pairs as in
 * kernels/pair.h: any rank (0 does nothing), strides lda and ldb, dA [r, in] and dB [out_i, r]
 * contiguous. at_i + out_i <= out; columns of two pairs may overlap. Two pairs may have the same
 * A, whose x A^T is then one; gradients never overlap. Any count, 0 too. The list lies on the
 * host and may be changed when the call returns.
 *
 * h and dh have adapted_room(list) numbers of the working type. What the forward leaves in h is
 * the backward's, which gets the same list and n; how it lies there is the backend's affair. dh
 * is scratch. No other two arrays overlap.
 *
 * A backend reads x once where neighbours in the list have equal A and r (one A for q, k and v),
 * or A and dA that follow one another without a gap, with one lda: the adapter (adapters/adapter.c)
 * lays them out so. flops: the linear's and the pairs' (kernels/pair.h). */
#ifndef TIEBREAK_KERNELS_ADAPTED_H
#define TIEBREAK_KERNELS_ADAPTED_H
#include "kernels/linear.h"
#include "kernels/pair.h"

typedef struct {
    pair_arrays p;
    int64_t     at, out; /* the columns of y and dy it acts on */
} adapted_pair;

typedef void adapted_fwd_op(const backend *be, real *y, real *h, const real *x, const real *W, const real *bias,
                            const adapted_pair *pairs, int64_t count, linear_dims d, bool accumulate);
typedef void adapted_bwd_op(const backend *be, real *dx, real *dh, const real *dy, const real *x, const real *h,
                            const real *W, const adapted_pair *pairs, int64_t count, linear_dims d);

/* Each rank is rounded up, so that h and dh of any pair can start at a multiple of 16 bytes in
 * each row. */
enum { ADAPTED_RANK_STEP = 8 };
static inline int64_t adapted_rank_room(int64_t r)
{
    return (r + ADAPTED_RANK_STEP - 1) / ADAPTED_RANK_STEP * ADAPTED_RANK_STEP;
}
static inline int64_t adapted_room(int64_t n, const adapted_pair *pairs, int64_t count)
{
    int64_t room = 0;
    for (int64_t i = 0; i < count; i++) room += adapted_rank_room(pairs[i].p.r);
    return n * room;
}
#endif
