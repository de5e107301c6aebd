/* The variants base-first, adapter-first, one-pass and split-k: the same products in another order,
 * or by other kernels. Each pair has an h of its own. */
#include "kernels/cuda/variants/steps.h"
#include "kernels/cuda/working.h"

/* One array of each pair, [n, r], in `all`. */
static int64_t  room_of_pairs(const adapted_linear *l) { return l->n * adapted_ranks(l, 8) * (int64_t)sizeof(element); }
static element *of_pair(const adapted_linear *l, void *all, const adapted_pair *a)
{
    adapted_linear before = *l;
    before.count          = a - l->pairs;
    return at<element>(all, l->n * adapted_ranks(&before, 8));
}

static const adapted_pair *end(const adapted_linear *l) { return l->pairs + l->count; }

void TYPED(base_first_forward)(adapted_walk *w, const adapted_linear *l)
{
    void *all_h = take_kept(w, l, room_of_pairs(l));
    TYPED(base_forward)(w, l, l->W, l->accumulate);
    for (const adapted_pair *a = l->pairs; a < end(l); a++) {
        if (!a->p.r) continue;
        element *h = of_pair(l, all_h, a);
        TYPED(down)(w, l, a, h, a->p.r);
        TYPED(up)(w, l, a, h, a->p.r, true);
    }
}

/* dB, dh and dA of a pair, of what is wanted. */
typedef void pair_grads(adapted_walk *w, const adapted_linear *l, const adapted_pair *a, element *h, element *dh);
static void  grads(adapted_walk *w, const adapted_linear *l, const adapted_pair *a, element *h, element *dh)
{
    TYPED(grad_B)(w, l, a, h, a->p.r);
    if (l->dx || a->p.dA) TYPED(grad_h)(w, l, a, dh, a->p.r);
    TYPED(grad_A)(w, l, a, dh, a->p.r);
}

static void base_then_pairs_backward(adapted_walk *w, const adapted_linear *l, pair_grads *pair)
{
    void *all_h = take_kept(w, l, room_of_pairs(l)), *all_dh = take_scratch(w, l, room_of_pairs(l));
    if (l->dx) TYPED(base_backward)(w, l, l->W, false);
    for (const adapted_pair *a = l->pairs; a < end(l); a++) {
        if (!a->p.r) continue;
        element *dh = of_pair(l, all_dh, a);
        pair(w, l, a, of_pair(l, all_h, a), dh);
        if (l->dx) TYPED(grad_x)(w, l, a, dh, a->p.r, true);
    }
}

void TYPED(base_first_backward)(adapted_walk *w, const adapted_linear *l) { base_then_pairs_backward(w, l, grads); }

/* The pairs are written first, so the large product adds to them as it ends: y is read in the
 * shadow of arithmetic, and rounded once as a whole. */
static void pairs_then_base(adapted_walk *w, const adapted_linear *l, void *all_h)
{
    for (const adapted_pair *a = l->pairs; a < end(l); a++)
        if (a->p.r) TYPED(up)(w, l, a, of_pair(l, all_h, a), a->p.r, l->accumulate);
    TYPED(base_forward)(w, l, l->W, true);
}

void TYPED(adapter_first_forward)(adapted_walk *w, const adapted_linear *l)
{
    void  *all_h = take_kept(w, l, room_of_pairs(l));
    shrink list[SHRINKS_MOST];
    int    count = 0;
    for (const adapted_pair *a = l->pairs; a < end(l); a++) {
        element *h = of_pair(l, all_h, a);
        if (!a->p.r) continue;
        if (w->variant->from_source)
            list[count++] = { a->p.A, a->p.lda, a->p.r, h, a->p.r };
        else
            TYPED(down)(w, l, a, h, a->p.r);
    }
    if (count) TYPED(produce)(w, l, list, count);
    pairs_then_base(w, l, all_h);
}

/* dx is written by the first pair that has a rank, and added to from then on. */
static void pairs_then_base_backward(adapted_walk *w, const adapted_linear *l, pair_grads *pair)
{
    void *all_h = take_kept(w, l, room_of_pairs(l)), *all_dh = take_scratch(w, l, room_of_pairs(l));
    bool  written = false;
    for (const adapted_pair *a = l->pairs; a < end(l); a++)
        if (a->p.r) pair(w, l, a, of_pair(l, all_h, a), of_pair(l, all_dh, a));
    if (!l->dx) return;
    for (const adapted_pair *a = l->pairs; a < end(l); a++) {
        if (!a->p.r) continue;
        TYPED(grad_x)(w, l, a, of_pair(l, all_dh, a), a->p.r, written);
        written = true;
    }
    TYPED(base_backward)(w, l, l->W, written);
}

void TYPED(adapter_first_backward)(adapted_walk *w, const adapted_linear *l) { pairs_then_base_backward(w, l, grads); }

#ifdef TIEBREAK_BF16
/* dh and dB' of a pair from one reading of dy (kernels/cuda/ops/pair_pass.h), of what is wanted. */
static void through_B(adapted_walk *w, const adapted_linear *l, const adapted_pair *a, const bf16 *h, bf16 *dh)
{
    pair_pass  pass    = pass_over_dy(l, a, h, dh, a->p.r);
    const bool want_dh = l->dx || a->p.dA;
    if (!want_dh && !a->p.dB) return;
    pass.want = want_dh && a->p.dB ? BOTH : want_dh ? DH_ALONE : DB_ALONE;
    step_pair_pass(w, pass);
}

static void one_pass_grads(adapted_walk *w, const adapted_linear *l, const adapted_pair *a, bf16 *h, bf16 *dh)
{
    if (a->p.dB)
        through_B(w, l, a, h, dh);
    else if (l->dx || a->p.dA)
        grad_h_bf16(w, l, a, dh, a->p.r);
    grad_A_bf16(w, l, a, dh, a->p.r);
}

void one_pass_backward(adapted_walk *w, const adapted_linear *l) { base_then_pairs_backward(w, l, one_pass_grads); }

/* 16 bytes of dy are read at a time. */
static const char *refuses_columns(const adapted_linear *l)
{
    for (const adapted_pair *a = l->pairs; a < end(l); a++)
        if (a->at % 8) return "needs pairs that begin at a multiple of 8 columns";
    return NULL;
}

const char *one_pass_refuses(const adapted_linear *l)
{
    return l->out % 8 ? "needs an output width that 8 divides" : refuses_columns(l);
}

/* h = x A'^T, or dA' += dh^T x: the pass with x for dy and A' for B. */
static pair_pass along_x(const adapted_linear *l, const adapted_pair *a, pass_want want)
{
    pair_pass pass = {};
    pass.n = l->n, pass.out = l->in, pass.r = a->p.r, pass.want = want, pass.turned = true;
    pass.dy = (const bf16 *)l->x, pass.ldy = l->ldx, pass.B = (const bf16 *)a->p.A, pass.ldb = a->p.lda;
    pass.ldh = pass.ld_dh = a->p.r;
    return pass;
}

/* adapter-first, but what has the rank for a side is cut along its long one by our own kernels: h,
 * dh with dB', dA'. */
void split_k_forward(adapted_walk *w, const adapted_linear *l)
{
    void *all_h = take_kept(w, l, room_of_pairs(l));
    for (const adapted_pair *a = l->pairs; a < end(l); a++) {
        if (!a->p.r) continue;
        pair_pass pass = along_x(l, a, DH_ALONE);
        pass.dh        = of_pair(l, all_h, a);
        step_pair_pass(w, pass);
    }
    pairs_then_base(w, l, all_h);
}

static void split_k_grads(adapted_walk *w, const adapted_linear *l, const adapted_pair *a, bf16 *h, bf16 *dh)
{
    pair_pass pass = along_x(l, a, DB_ALONE);
    pass.h = dh, pass.dB = (float *)a->p.dA;
    through_B(w, l, a, h, dh);
    if (a->p.dA) step_pair_pass(w, pass);
}

void split_k_backward(adapted_walk *w, const adapted_linear *l) { pairs_then_base_backward(w, l, split_k_grads); }

const char *split_k_refuses(const adapted_linear *l)
{
    return l->in % 8 || l->out % 8 ? "needs an input and an output width that 8 divides" : refuses_columns(l);
}
#endif
