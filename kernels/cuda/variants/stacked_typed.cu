/* The variant stacked, what the model does: x is read once for all pairs.
 *
 * Every pair has columns of one h [n, ld] and one dh [n, ld]; pairs with one A share them. Where
 * A follows A in memory with one row stride, their columns are one product, which reads x once;
 * the same for dx (the sum over all ranks runs inside the product) and, where dA follows dA, for
 * dA.
 *
 * The small terms are written first and the large product adds to them as it ends, as in
 * adapter-first, so y and dx are not read and written once more in the open; the base goes first
 * where the pairs leave columns of y untouched. */
#include "kernels/cuda/variants/steps.h"
#include "kernels/cuda/working.h"

static constexpr cudaDataType TYPE = ELEMENT_DATA_TYPE;

/* In h and dh any pair begins at a multiple of 16 bytes in each row. */
static constexpr int64_t RANK_STEP = 8;

static bool same_A(const adapted_linear *l, int64_t i)
{
    const pair_arrays *a = &l->pairs[i - 1].p, *b = &l->pairs[i].p;
    return a->A == b->A && a->lda == b->lda && a->r == b->r;
}
static bool follows_A(const adapted_linear *l, int64_t i)
{
    const pair_arrays *a = &l->pairs[i - 1].p, *b = &l->pairs[i].p;
    return a->lda == b->lda && (const element *)b->A == (const element *)a->A + a->r * a->lda;
}
static bool follows_dA(const adapted_linear *l, int64_t i)
{
    const pair_arrays *a = &l->pairs[i - 1].p, *b = &l->pairs[i].p;
    return b->dA && (const float *)b->dA == (const float *)a->dA + a->r * l->in;
}
/* Does pair i add to the dh of the pair before it? Each dA wants a dh of its own. */
static bool same_dh(const adapted_linear *l, int64_t i)
{
    return same_A(l, i) && !l->pairs[i - 1].p.dA && !l->pairs[i].p.dA;
}

/* First column of pair i in h or dh, by which pairs share theirs. */
static int64_t column(const adapted_linear *l, int64_t i, bool (*shared)(const adapted_linear *l, int64_t i))
{
    int64_t to = 0, last = 0;
    for (int64_t k = 0; k <= i; k++) {
        if (k > 0 && shared(l, k)) continue;
        to += last;
        last = l->pairs[k].p.r;
    }
    return to;
}

static int64_t  row(const adapted_linear *l) { return adapted_ranks(l, RANK_STEP); }
static element *take_h(adapted_walk *w, const adapted_linear *l)
{
    return (element *)take_kept(w, l, l->n * row(l) * (int64_t)sizeof(element));
}

/* Few rows in bf16: two launches, kernels/cuda/ops/decode.h, which leave h where the backward looks
 * for it. False: not done. */
static bool few_rows(adapted_walk *w, const adapted_linear *l, element *h)
{
    if (sizeof(element) != sizeof(bf16) || l->n > DECODE_ROWS || l->count > DECODE_LIST) return false;
    decode_args a = decode_of(l, false);
    a.h = (bf16 *)h, a.ldh = row(l);
    if (decode_plan(&a)) return false;
    step_decode(w, l, &a);
    return true;
}

void TYPED(stacked_forward)(adapted_walk *w, const adapted_linear *l)
{
    const bool base_first = l->accumulate || !adapted_covers(l);
    element   *h          = take_h(w, l);
    if (few_rows(w, l, h)) return;
    for (int64_t i = 0, end; i < l->count; i = end) {
        int64_t ranks = l->pairs[i].p.r;
        for (end = i + 1; end < l->count && (same_A(l, end) || follows_A(l, end)); end++)
            if (!same_A(l, end)) ranks += l->pairs[end].p.r;
        step_gemm(w, true,
                  { l->n, ranks, l->in, l->x, l->ldx, PLAIN, l->pairs[i].p.A, l->pairs[i].p.lda, TRANSPOSED,
                    at<element>(h, column(l, i, same_A)), row(l), false, TYPE, TYPE });
    }
    if (base_first) TYPED(base_forward)(w, l, l->W, l->accumulate);
    for (int64_t i = 0; i < l->count; i++)
        if (l->pairs[i].p.r) TYPED(up)(w, l, &l->pairs[i], at<element>(h, column(l, i, same_A)), row(l), base_first);
    if (!base_first) TYPED(base_forward)(w, l, l->W, true);
}

/* dB and dh of pair i from one reading of dy, where that can be and pays; false: not done. */
static bool one_pass(adapted_walk *w, const adapted_linear *l, int64_t i, element *dh, const element *h)
{
    pair_pass p = pass_over_dy(l, &l->pairs[i], h, dh, row(l));
    p.add       = i > 0 && same_dh(l, i);
    if (sizeof(element) != sizeof(bf16) || !pair_pass_can(&p) || !pair_pass_pays(p.n, p.out, p.r)) return false;
    step_pair_pass(w, p);
    return true;
}

/* dB and dh of every pair. */
static void through_B(adapted_walk *w, const adapted_linear *l, element *all_dh, const element *all_h)
{
    for (int64_t i = 0; i < l->count; i++) {
        const adapted_pair *a       = &l->pairs[i];
        const element      *h       = at<element>(all_h, column(l, i, same_A));
        element            *dh      = at<element>(all_dh, column(l, i, same_dh));
        const bool          want_dh = l->dx || a->p.dA;
        if (a->p.r == 0 || (a->p.dB && want_dh && one_pass(w, l, i, dh, h))) continue;
        TYPED(grad_B)(w, l, a, h, row(l));
        if (want_dh)
            step_gemm(w, true,
                      { l->n, a->p.r, a->out, at<element>(l->dy, a->at), l->ld_dy, PLAIN, a->p.B, a->p.ldb, PLAIN, dh,
                        row(l), i > 0 && same_dh(l, i), TYPE, TYPE });
    }
}

static void all_grad_A(adapted_walk *w, const adapted_linear *l, const element *dh)
{
    for (int64_t i = 0, end; i < l->count; i = end) {
        int64_t ranks = l->pairs[i].p.r;
        end           = i + 1;
        if (!l->pairs[i].p.dA || ranks == 0) continue;
        for (; end < l->count && follows_dA(l, end); end++) ranks += l->pairs[end].p.r;
        step_gemm(w, true,
                  { ranks, l->in, l->n, at<element>(dh, column(l, i, same_dh)), row(l), TRANSPOSED, l->x, l->ldx, PLAIN,
                    l->pairs[i].p.dA, l->in, true, TYPE, CUDA_R_32F });
    }
}

/* False: no pair had anything to give. */
static bool all_grad_x(adapted_walk *w, const adapted_linear *l, const element *dh)
{
    bool given = false;
    for (int64_t i = 0, end; i < l->count; i = end) {
        int64_t ranks = l->pairs[i].p.r;
        for (end = i + 1; end < l->count && (same_dh(l, end) || (!same_A(l, end) && follows_A(l, end))); end++)
            if (!same_dh(l, end)) ranks += l->pairs[end].p.r;
        if (ranks == 0) continue;
        step_gemm(w, true,
                  { l->n, l->in, ranks, at<element>(dh, column(l, i, same_dh)), row(l), PLAIN, l->pairs[i].p.A,
                    l->pairs[i].p.lda, PLAIN, l->dx, l->ld_dx, given, TYPE, TYPE });
        given = true;
    }
    return given;
}

void TYPED(stacked_backward)(adapted_walk *w, const adapted_linear *l)
{
    element *h = take_h(w, l), *dh = (element *)take_scratch(w, l, l->n * row(l) * (int64_t)sizeof(element));
    through_B(w, l, dh, h);
    all_grad_A(w, l, dh);
    if (l->dx) TYPED(base_backward)(w, l, l->W, all_grad_x(w, l, dh));
}
