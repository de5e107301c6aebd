/* The steps that variants (kernels/variant.h) are made of. Each is counted, and run if the walk
 * runs, so what a variant is said to launch, read and write cannot drift from what it does.
 *
 *     void *h = take_kept(w, l, l->n * r * 4);
 *     step_gemm(w, true, { l->n, r, l->in, l->x, l->ldx, PLAIN, A, lda, TRANSPOSED, h, r, false, TYPE, TYPE });
 *
 * A walk that only counts has no memory: what is taken is NULL then, and no step may look at it. */
#ifndef TIEBREAK_KERNELS_CUDA_VARIANTS_STEPS_H
#define TIEBREAK_KERNELS_CUDA_VARIANTS_STEPS_H
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/ops/decode.h"
#include "kernels/cuda/ops/pair_pass.h"
#include "kernels/cuda/ops/shrink.h"
#include "kernels/variant.h"

static inline void *take_kept(adapted_walk *w, const adapted_linear *l, int64_t bytes)
{
    return adapted_take(l->kept, &w->used.kept, bytes);
}
static inline void *take_scratch(adapted_walk *w, const adapted_linear *l, int64_t bytes)
{
    return adapted_take(l->scratch, &w->used.scratch, bytes);
}
static inline void *take_copies(adapted_walk *w, const adapted_linear *l, int64_t bytes)
{
    return adapted_take(l->copies, &w->used.copies, bytes);
}

/* Address of element i of an array, NULL of none. */
template <class E> static inline E *at(const void *array, int64_t i) { return array ? (E *)array + i : NULL; }

/* A product. skinny: the rank is one of its dimensions; in f32 our own kernels do it, as in
 * pair.cu. */
void step_gemm(adapted_walk *w, bool skinny, gemm g);
/* dh and dB' from one reading of dy, or one of them: two launches. */
void step_pair_pass(adapted_walk *w, pair_pass pass);
/* The pass over dy of one pair, for both results; h and dh have row stride ld. */
pair_pass pass_over_dy(const adapted_linear *l, const adapted_pair *a, const void *h, void *dh, int64_t ld);

/* What decode.h takes of a call, before decode_plan: of the pairs, at most DECODE_LIST, or of their
 * narrow factors where there are any. h is not kept. */
decode_args decode_of(const adapted_linear *l, bool of_factors);
/* Its two launches, after decode_plan. */
void step_decode(adapted_walk *w, const adapted_linear *l, decode_args *a);

/* The first `rows` rows of `to`, `cols` columns of each, become `from`, [used_rows, used_cols], and
 * zero where that ends. ld_to and ld_from are row strides. */
typedef struct {
    void       *to;
    int64_t     ld_to, rows, cols;
    const void *from;
    int64_t     ld_from, used_rows, used_cols;
} step_place;

/* Steps that touch the working type; pair_steps.cu.
 *   base_forward, base_backward    the frozen linear, of W or of a copy of it with row stride in
 *   down, up                       h = x A^T;  y[:, at ..] = or += h B^T
 *   grad_h, grad_x                 dh = dy[:, at ..] B;  dx = or += dh A
 *   grad_A, grad_B                 dA += dh^T x;  dB += dy[:, at ..]^T h;  nothing where they are NULL
 *   produce                        x from the op before, and the h of each entry of the list with it
 *   place                          a copy with zeros around it */
#define DECLARE_STEPS(OF)                                                                                              \
    void OF(base_forward)(adapted_walk * w, const adapted_linear *l, const void *W, bool accumulate);                  \
    void OF(base_backward)(adapted_walk * w, const adapted_linear *l, const void *W, bool accumulate);                 \
    void OF(down)(adapted_walk * w, const adapted_linear *l, const adapted_pair *a, void *h, int64_t ld);              \
    void OF(up)(adapted_walk * w, const adapted_linear *l, const adapted_pair *a, const void *h, int64_t ld,           \
                bool accumulate);                                                                                      \
    void OF(grad_h)(adapted_walk * w, const adapted_linear *l, const adapted_pair *a, void *dh, int64_t ld);           \
    void OF(grad_x)(adapted_walk * w, const adapted_linear *l, const adapted_pair *a, const void *dh, int64_t ld,      \
                    bool accumulate);                                                                                  \
    void OF(grad_A)(adapted_walk * w, const adapted_linear *l, const adapted_pair *a, const void *dh, int64_t ld);     \
    void OF(grad_B)(adapted_walk * w, const adapted_linear *l, const adapted_pair *a, const void *h, int64_t ld);      \
    void OF(produce)(adapted_walk * w, const adapted_linear *l, const shrink *list, int count);                        \
    void OF(place)(adapted_walk * w, step_place p);
DECLARE_STEPS(OF_F32)
DECLARE_STEPS(OF_BF16)

/* A variant's stages, and what refuses a call in words (kernels/variant.h). */
typedef void        variant_stage(adapted_walk *w, const adapted_linear *l);
typedef const char *variant_refusal(const adapted_linear *l);
/* The stages of base-first, which a graph captures, too. */
variant_stage base_first_forward, base_first_backward, base_first_forward_bf16, base_first_backward_bf16;
variant_stage decode_forward; /* and of decode */
#endif
