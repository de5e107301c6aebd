/* An adapted linear: one frozen linear and all pairs that read its input (q, k and v; gate and
 * up), in one call. The model, training and the benchmark all describe it by this one struct.
 *
 *   forward   y = x W^T (+ bias)                              accumulate: y += instead of y =
 *             y[:, at_i .. at_i + out_i] += (x A_i^T) B_i^T   for each pair of the list, in order
 *   backward  dx = dy W + sum over i of dh_i A_i              overwritten; NULL: not wanted
 *             dh_i = dy[:, at_i .. at_i + out_i] B_i
 *             dA_i += dh_i^T x      dB_i += dy[:, at_i .. at_i + out_i]^T (x A_i^T)
 *
 * Backends compute it in one or several ways, which kernels/variant.h lists, chooses and runs.
 *
 *     adapted_linear l = { .n = n, .in = in, .out = out, .x = x, .W = W, .y = y, .pairs = pairs, .count = 3 };
 *     const adapted_variant *v = adapted_default(be, &l);
 *     adapted_room room = adapted_room_of(be, v, &l);
 *     l.kept = be->alloc_bytes(be, room.kept), l.scratch = be->alloc_bytes(be, room.scratch);
 *     adapted_forward(be, v, &l);
 *
 * Pairs are those of kernels/pair.h: any rank (0 does nothing), row strides lda and ldb, dA [r, in]
 * and dB [out_i, r] contiguous or NULL where they are not wanted. at_i + out_i <= out; the columns
 * of two pairs may overlap. Two pairs may share one A, whose x A^T is then one; gradients never
 * overlap. Any count is legal, 0 too. The lists lie on the host and may change when the call
 * returns. The gradient of the frozen linear itself is linear_bwd_w's.
 *
 * A backend reads x once where neighbours in the list have the same A and r (one A for q, k and
 * v), or A and dA that follow one another without a gap, with one lda: the adapter
 * (adapters/adapter.c) lays them out so. flops: the linear's and the pairs' (kernels/pair.h). */
#ifndef TIEBREAK_KERNELS_ADAPTED_H
#define TIEBREAK_KERNELS_ADAPTED_H
#include <stdbool.h>

#include "kernels/linear.h"
#include "kernels/pair.h"

/* The method's own factors behind a pair, y += s v (B (u (A x))), for variants that read those
 * instead of the pair they expand to. Benchmarks and tests give them; model and training do not. */
typedef struct {
    bool        narrow;        /* A, B, u, v are of the working type; else of the parameter type */
    const void *A, *B, *u, *v; /* [r, in] with row stride lda, [out, r], [r] or NULL, [out] or NULL */
    int64_t     lda;
    double      s;
    param      *dA, *dB, *du, *dv; /* [r, in], [out, r], [r], [out]: accumulated; NULL: not wanted */
} adapted_factors;

typedef struct {
    pair_arrays            p;
    int64_t                at, out; /* the columns of y and dy it acts on */
    const adapted_factors *factors; /* NULL: the caller has the pair alone */
} adapted_pair;

/* Many adapters in one batch, for variants that know them: row i of x takes adapter which[i]. An
 * adapter's A (B, u, v) begins stride elements behind that of the one before it; a stride of 0
 * says that all share it, as a tied A and B. Integers lie on the device. */
typedef struct {
    int64_t        adapters; /* how many there are */
    int64_t        distinct; /* how many of them `which` names: for costs, which cannot look */
    const int32_t *which;    /* [n], -1: the base alone. NULL: all rows take the first */
    const int32_t *ranks;    /* [adapters], of each the ranks that count. NULL: all of r */
    int64_t        stride_A, stride_B, stride_u, stride_v;
} adapted_batch;

/* The op before the linear, for variants whose forward runs it too and makes x with the bits of
 * be->rmsnorm_fwd or be->swiglu_fwd. */
typedef struct {
    const real *from; /* RMSNorm's input [n, in]; SwiGLU's is gate | up, [n, 2 in] */
    const real *gain; /* [in] of RMSNorm; NULL: the op is SwiGLU */
    param      *rstd; /* [n] or NULL, as in be->rmsnorm_fwd */
    double      eps;
} adapted_source;

/* No two arrays overlap. x, y, dx, dy and W begin at multiples of 16 bytes. Row strides count
 * elements; 0 is contiguous. */
typedef struct {
    int64_t               n, in, out;             /* rows, input width, output width */
    int64_t               ldx, ldy, ld_dx, ld_dy; /* of x, y, dx, dy */
    const real           *x, *W, *bias;           /* [n, in], [out, in], [out] or NULL */
    real                 *y;                      /* [n, out] */
    const real           *dy;                     /* [n, out]; NULL: there will be no backward */
    real                 *dx;                     /* [n, in] or NULL */
    const adapted_pair   *pairs;                  /* [count] */
    int64_t               count;
    bool                  accumulate;  /* y += */
    bool                  same_arrays; /* every call until RELEASE names these arrays */
    const adapted_batch  *batch;       /* NULL: one adapter */
    const adapted_source *source;      /* NULL: x is there */
    /* Memory that the caller brings, of the sizes that adapted_room_of gives: what the forward
     * leaves for the backward of the same list and n; what is free after each call; and what the
     * variant made of W and the pairs when it was prepared. */
    void *kept, *scratch, *copies;
} adapted_linear;

typedef struct {
    int64_t kept, scratch, copies; /* bytes */
} adapted_room;

static inline linear_dims adapted_dims(const adapted_linear *l)
{
    return (linear_dims) { .n = l->n, .in = l->in, .out = l->out, .ldx = l->ldx, .ldy = l->ldy };
}
static inline linear_dims adapted_bwd_dims(const adapted_linear *l)
{
    return (linear_dims) { .n = l->n, .in = l->in, .out = l->out, .ldx = l->ld_dx, .ldy = l->ld_dy };
}
#endif
