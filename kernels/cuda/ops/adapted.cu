/* A linear and the pairs that read its input. Contract: kernels/adapted.h.
 *
 * Every pair has columns of one h [n, ld] and one dh [n, ld]; pairs with one A share them. Where
 * A follows A in memory with one row stride, their columns are one product, which reads x once;
 * the same for dx (the sum over all ranks runs inside the product) and, where dA follows dA, for
 * dA.
 *
 * The small terms are written first and the large product adds to them as it ends (the variant
 * `adapter-first`), so y and dx are not read and written once more in the open; the base goes
 * first where the pairs leave columns of y untouched. */
#include "kernels/cuda/ops/decode.h"
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/ops/pair_pass.h"
#include "kernels/cuda/working.h"

static constexpr cudaDataType TYPE = ELEMENT_DATA_TYPE;

/* The list, and what depends on all of it. */
typedef struct {
    const adapted_pair *pairs;
    int64_t             count, ld;
    linear_dims         d;
} adapted_list;

static bool same_A(const adapted_list *l, int64_t i)
{
    const pair_arrays *a = &l->pairs[i - 1].p, *b = &l->pairs[i].p;
    return a->A == b->A && a->lda == b->lda && a->r == b->r;
}
static bool follows_A(const adapted_list *l, int64_t i)
{
    const pair_arrays *a = &l->pairs[i - 1].p, *b = &l->pairs[i].p;
    return a->lda == b->lda && (const element *)b->A == (const element *)a->A + a->r * a->lda;
}
static bool follows_dA(const adapted_list *l, int64_t i)
{
    const pair_arrays *a = &l->pairs[i - 1].p, *b = &l->pairs[i].p;
    return b->dA && (const float *)b->dA == (const float *)a->dA + a->r * l->d.in;
}
/* Does pair i add to the dh of the pair before it? Each dA wants a dh of its own. */
static bool same_dh(const adapted_list *l, int64_t i)
{
    return same_A(l, i) && !l->pairs[i - 1].p.dA && !l->pairs[i].p.dA;
}

/* First column of pair i in h or dh, by which pairs share theirs; of pair `count`: how many
 * there are. */
static int64_t column(const adapted_list *l, int64_t i, bool (*shared)(const adapted_list *l, int64_t i))
{
    int64_t at = 0, last = 0;
    for (int64_t k = 0; k <= i; k++) {
        if (k < l->count && k > 0 && shared(l, k)) continue;
        at += last;
        last = k < l->count ? l->pairs[k].p.r : 0;
    }
    return at;
}

static adapted_list list_of(const adapted_pair *pairs, int64_t count, linear_dims d)
{
    adapted_list l = { pairs, count, 0, d };
    if (!l.d.ldx) l.d.ldx = d.in;
    if (!l.d.ldy) l.d.ldy = d.out;
    for (int64_t i = 0; i < count; i++) l.ld += adapted_rank_room(pairs[i].p.r);
    return l;
}

static void skinny(gemm g) { cuda_skinny(&g); }

/* Do the pairs, one behind the other, reach every column of y once? */
static bool cover(const adapted_list *l)
{
    int64_t at = 0;
    for (int64_t i = 0; i < l->count; at += l->pairs[i++].out)
        if (l->pairs[i].at != at || l->pairs[i].p.r == 0) return false;
    return at == l->d.out;
}

/* Few rows in bf16: two launches, kernels/cuda/ops/decode.h, which leave h where the rest of this
 * file looks for it. False: not done. */
static bool few_rows(const adapted_list *l, real *y, element *h, const real *x, const real *W, const real *bias,
                     bool accumulate)
{
    decode_args a = {};
    if (sizeof(element) != sizeof(bf16) || l->d.n > DECODE_ROWS || l->count > DECODE_LIST) return false;
    a.x = (const bf16 *)x, a.W = (const bf16 *)W, a.bias = (const bf16 *)bias, a.y = (bf16 *)y, a.h = (bf16 *)h;
    a.in = l->d.in, a.out = l->d.out, a.ldx = l->d.ldx, a.ldy = l->d.ldy, a.ldh = l->ld;
    a.s = 1, a.n = (int)l->d.n, a.adapters = 1, a.accumulate = accumulate;
    for (int64_t i = 0; i < l->count; i++) {
        const adapted_pair *p = &l->pairs[i];
        if (p->p.r == 0) continue;
        if (i == 0 || !same_A(l, i)) {
            decode_down *d = &a.down[a.downs++];
            d->A = (const bf16 *)p->p.A, d->lda = p->p.lda, d->r = (int)p->p.r, d->kept = (int)column(l, i, same_A);
        }
        decode_up *u = &a.up[a.ups++];
        u->B = (const bf16 *)p->p.B, u->ldb = p->p.ldb, u->at = p->at, u->out = p->out, u->r = (int)p->p.r,
        u->down = a.downs - 1;
    }
    if (a.ups == 0 || decode_plan(&a)) return false;
    a.sums = (float *)cuda_scratch(SCRATCH_PARTS, decode_sums(&a) * (int64_t)sizeof(float));
    decode_shrink(&a);
    decode_expand(&a);
    return true;
}

void TYPED(adapted_fwd_cuda)(real *y, real *h_, const real *x, const real *W, const real *bias,
                             const adapted_pair *pairs, int64_t count, linear_dims d, bool accumulate)
{
    const adapted_list l          = list_of(pairs, count, d);
    const bool         base_first = accumulate || !cover(&l);
    element           *h          = (element *)h_;
    if (d.n == 0 || few_rows(&l, y, h, x, W, bias, accumulate)) return;
    for (int64_t i = 0, end; i < count; i = end) {
        int64_t ranks = pairs[i].p.r;
        for (end = i + 1; end < count && (same_A(&l, end) || follows_A(&l, end)); end++)
            if (!same_A(&l, end)) ranks += pairs[end].p.r;
        element *to = h + column(&l, i, same_A);
        skinny({ d.n, ranks, d.in, x, l.d.ldx, PLAIN, pairs[i].p.A, pairs[i].p.lda, TRANSPOSED, to, l.ld, false, TYPE,
                 TYPE });
    }
    if (base_first) TYPED(linear_fwd_cuda)(y, x, W, bias, d, accumulate);
    for (int64_t i = 0; i < count; i++) {
        const adapted_pair *a = &pairs[i];
        if (a->p.r == 0) continue;
        skinny({ d.n, a->out, a->p.r, h + column(&l, i, same_A), l.ld, PLAIN, a->p.B, a->p.ldb, TRANSPOSED,
                 (element *)y + a->at, l.d.ldy, base_first, TYPE, TYPE });
    }
    if (!base_first) TYPED(linear_fwd_cuda)(y, x, W, bias, d, true);
}

/* dB and dh of pair i from one reading of dy, where that can be and pays; false: not done. dh,
 * dy and h as they begin for the pair. */
static bool one_pass(const adapted_list *l, int64_t i, element *dh, const element *dy, const element *h)
{
    const adapted_pair *a = &l->pairs[i];
    pair_pass           p = {};
    p.n = l->d.n, p.out = a->out, p.r = a->p.r;
    p.dy = (const bf16 *)dy, p.B = (const bf16 *)a->p.B, p.h = (const bf16 *)h, p.dh = (bf16 *)dh,
    p.dB  = (float *)a->p.dB;
    p.ldy = l->d.ldy, p.ldb = a->p.ldb, p.ldh = p.ld_dh = l->ld;
    p.add = i > 0 && same_dh(l, i);
    if (sizeof(element) != sizeof(bf16) || !pair_pass_can(&p) || !pair_pass_pays(p.n, p.out, p.r)) return false;
    cuda_pair_pass(&p);
    return true;
}

/* dB and dh of every pair. */
static void through_B(const adapted_list *l, element *all_dh, const element *all_dy, const element *all_h, bool want_dx)
{
    for (int64_t i = 0; i < l->count; i++) {
        const adapted_pair *a  = &l->pairs[i];
        const pair_arrays  *p  = &a->p;
        const element      *dy = all_dy + a->at, *h = all_h + column(l, i, same_A);
        element            *dh      = all_dh + column(l, i, same_dh);
        const bool          want_dh = want_dx || p->dA;
        if (p->r == 0 || (p->dB && want_dh && one_pass(l, i, dh, dy, h))) continue;
        if (p->dB)
            skinny({ a->out, p->r, l->d.n, dy, l->d.ldy, TRANSPOSED, h, l->ld, PLAIN, p->dB, p->r, true, TYPE,
                     CUDA_R_32F });
        if (want_dh)
            skinny({ l->d.n, p->r, a->out, dy, l->d.ldy, PLAIN, p->B, p->ldb, PLAIN, dh, l->ld, i > 0 && same_dh(l, i),
                     TYPE, TYPE });
    }
}

static void grad_A(const adapted_list *l, const element *dh, const real *x)
{
    for (int64_t i = 0, end; i < l->count; i = end) {
        int64_t ranks = l->pairs[i].p.r;
        end           = i + 1;
        if (!l->pairs[i].p.dA || ranks == 0) continue;
        for (; end < l->count && follows_dA(l, end); end++) ranks += l->pairs[end].p.r;
        skinny({ ranks, l->d.in, l->d.n, dh + column(l, i, same_dh), l->ld, TRANSPOSED, x, l->d.ldx, PLAIN,
                 l->pairs[i].p.dA, l->d.in, true, TYPE, CUDA_R_32F });
    }
}

/* False: no pair had anything to give. */
static bool grad_x(const adapted_list *l, real *dx, const element *dh)
{
    bool given = false;
    for (int64_t i = 0, end; i < l->count; i = end) {
        int64_t ranks = l->pairs[i].p.r;
        for (end = i + 1; end < l->count && (same_dh(l, end) || (!same_A(l, end) && follows_A(l, end))); end++)
            if (!same_dh(l, end)) ranks += l->pairs[end].p.r;
        if (ranks == 0) continue;
        skinny({ l->d.n, l->d.in, ranks, dh + column(l, i, same_dh), l->ld, PLAIN, l->pairs[i].p.A, l->pairs[i].p.lda,
                 PLAIN, dx, l->d.ldx, given, TYPE, TYPE });
        given = true;
    }
    return given;
}

void TYPED(adapted_bwd_cuda)(real *dx, real *dh, const real *dy, const real *x, const real *h, const real *W,
                             const adapted_pair *pairs, int64_t count, linear_dims d)
{
    const adapted_list l = list_of(pairs, count, d);
    if (d.n == 0) return;
    through_B(&l, (element *)dh, (const element *)dy, (const element *)h, dx != NULL);
    grad_A(&l, (const element *)dh, x);
    if (!dx) return;
    const bool given = grad_x(&l, dx, (const element *)dh);
    TYPED(linear_bwd_x_cuda)(dx, dy, W, d, given);
}
