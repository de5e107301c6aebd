/* The variants merged and augmented-k: the pairs go into a copy of W, and one product does the
 * whole forward. */
#include "kernels/cuda/variants/steps.h"
#include "kernels/cuda/working.h"

static constexpr cudaDataType TYPE = ELEMENT_DATA_TYPE;
static constexpr int64_t      SIZE = sizeof(element);

static const adapted_pair *end(const adapted_linear *l) { return l->pairs + l->count; }

/* --- merged: W' = W, and W'[at ..] += B A' of each pair */

static void *merged_weights(adapted_walk *w, const adapted_linear *l)
{
    return take_copies(w, l, l->out * l->in * SIZE);
}

void TYPED(merged_prepare)(adapted_walk *w, const adapted_linear *l)
{
    void *W = merged_weights(w, l);
    TYPED(place)(w, { W, l->in, l->out, l->in, l->W, l->in, l->out, l->in });
    for (const adapted_pair *a = l->pairs; a < end(l); a++)
        if (a->p.r)
            step_gemm(w, true,
                      { a->out, l->in, a->p.r, a->p.B, a->p.ldb, PLAIN, a->p.A, a->p.lda, PLAIN,
                        at<element>(W, a->at * l->in), l->in, true, TYPE, TYPE });
}

void TYPED(merged_forward)(adapted_walk *w, const adapted_linear *l)
{
    TYPED(base_forward)(w, l, merged_weights(w, l), l->accumulate);
}

/* Training needs h, which no forward left: the backward makes it. */
void TYPED(merged_backward)(adapted_walk *w, const adapted_linear *l)
{
    void *W = merged_weights(w, l);
    if (l->dx) TYPED(base_backward)(w, l, W, false);
    for (const adapted_pair *a = l->pairs; a < end(l); a++) {
        void *h = take_scratch(w, l, l->n * a->p.r * SIZE), *dh = take_scratch(w, l, l->n * a->p.r * SIZE);
        if (!a->p.r) continue;
        if (a->p.dB) TYPED(down)(w, l, a, h, a->p.r);
        TYPED(grad_B)(w, l, a, h, a->p.r);
        if (a->p.dA) TYPED(grad_h)(w, l, a, dh, a->p.r);
        TYPED(grad_A)(w, l, a, dh, a->p.r);
    }
}

/* --- augmented-k: one buffer serves both ways
 *
 *                      in   room
 *             out [ W  |  B' ]      y  = [x | h]   times the upper rows, transposed
 *            room [ A' |     ]      dx = [dy | dh] times the left columns
 *
 * Each pair has some of the room's columns. B' and A' are zero where those exceed the rank, and B'
 * outside the pair's rows, so h and dh come out right for the whole room at once. */
typedef struct {
    int64_t  room, ldw;
    element *W, *A, *B, *h, *dh;
} augmented;

static augmented augmented_of(adapted_walk *w, const adapted_linear *l)
{
    augmented g;
    g.room = adapted_ranks(l, w->variant->pad), g.ldw = adapted_ld(w->variant, l->in, g.room);
    g.W = (element *)take_copies(w, l, (l->out + g.room) * g.ldw * SIZE);
    g.B = at<element>(g.W, l->in), g.A = at<element>(g.W, l->out * g.ldw);
    g.h = at<element>(l->x, l->in), g.dh = at<element>(l->dy, l->out);
    return g;
}

/* Columns of the room that a pair has. */
static int64_t padded(const adapted_walk *w, const adapted_pair *a)
{
    return (a->p.r + w->variant->pad - 1) / w->variant->pad * w->variant->pad;
}

void TYPED(augmented_adapt)(adapted_walk *w, const adapted_linear *l)
{
    const augmented g  = augmented_of(w, l);
    int64_t         to = 0;
    if (!adapted_covers(l) || l->count > 1) TYPED(place)(w, { g.B, g.ldw, l->out, g.room, l->W, l->in, 0, 0 });
    for (const adapted_pair *a = l->pairs; a < end(l); a++) {
        const int64_t cols = padded(w, a);
        if (!cols) continue;
        TYPED(place)
        (w, { at<element>(g.B, a->at * g.ldw + to), g.ldw, a->out, cols, a->p.B, a->p.ldb, a->out, a->p.r });
        TYPED(place)(w, { at<element>(g.A, to * g.ldw), g.ldw, cols, l->in, a->p.A, a->p.lda, a->p.r, l->in });
        to += cols;
    }
}

void TYPED(augmented_prepare)(adapted_walk *w, const adapted_linear *l)
{
    adapted_walk    none = *w;
    const augmented g    = augmented_of(&none, l);
    TYPED(place)(w, { g.W, g.ldw, l->out, l->in, l->W, l->in, l->out, l->in });
    TYPED(augmented_adapt)(w, l);
}

void TYPED(augmented_forward)(adapted_walk *w, const adapted_linear *l)
{
    const augmented g   = augmented_of(w, l);
    const shrink    all = { g.A, g.ldw, g.room, g.h, l->ldx };
    if (w->variant->from_source)
        TYPED(produce)(w, l, &all, 1);
    else
        step_gemm(w, true,
                  { l->n, g.room, l->in, l->x, l->ldx, PLAIN, g.A, g.ldw, TRANSPOSED, g.h, l->ldx, false, TYPE, TYPE });
    step_gemm(
        w, false,
        { l->n, l->out, l->in + g.room, l->x, l->ldx, PLAIN, g.W, g.ldw, TRANSPOSED, l->y, l->ldy, false, TYPE, TYPE });
}

/* dh and dB of a pair whose columns of the room begin at `to`, from one reading of dy. */
static pair_pass one_pass(const adapted_walk *w, const adapted_linear *l, const augmented *g, const adapted_pair *a,
                          int64_t to)
{
    pair_pass p = pass_over_dy(l, a, at<element>(g->h, to), at<element>(g->dh, to), l->ldx);
    p.ld_dh = l->ld_dy, p.zeros = padded(w, a) - a->p.r;
    return p;
}

/* Whether that can be and pays for every pair. Else one product makes the dh of all. */
static bool all_in_one_pass(const adapted_walk *w, const adapted_linear *l, const augmented *g)
{
    bool all = sizeof(element) == sizeof(bf16);
    for (const adapted_pair *a = l->pairs; all && a < end(l); a++) {
        const pair_pass p = one_pass(w, l, g, a, 0);
        all               = !a->p.r || (a->p.dB && pair_pass_can(&p) && pair_pass_pays(p.n, p.out, p.r));
    }
    return all;
}

void TYPED(augmented_backward)(adapted_walk *w, const adapted_linear *l)
{
    const augmented g    = augmented_of(w, l);
    const bool      once = all_in_one_pass(w, l, &g);
    int64_t         to   = 0;
    for (const adapted_pair *a = l->pairs; a < end(l); to += padded(w, a++))
        if (a->p.r)
            once ? step_pair_pass(w, one_pass(w, l, &g, a, to)) : TYPED(grad_B)(w, l, a, at<element>(g.h, to), l->ldx);
    if (!once)
        step_gemm(
            w, true,
            { l->n, g.room, l->out, l->dy, l->ld_dy, PLAIN, g.B, g.ldw, PLAIN, g.dh, l->ld_dy, false, TYPE, TYPE });
    to = 0;
    for (const adapted_pair *a = l->pairs; a < end(l); to += padded(w, a++))
        if (a->p.r) TYPED(grad_A)(w, l, a, at<element>(g.dh, to), l->ld_dy);
    if (l->dx)
        step_gemm(w, false,
                  { l->n, l->in, l->out + g.room, l->dy, l->ld_dy, PLAIN, g.W, g.ldw, PLAIN, l->dx, l->ld_dx, false,
                    TYPE, TYPE });
}
