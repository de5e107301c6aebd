/* The variants fused, fused-single and producer-fused, in bf16: h by cuBLAS, or by what makes x
 * (kernels/cuda/ops/producer.h); then base and pairs in one kernel (kernels/cuda/variants/fused.h),
 * and the same backward.
 *
 * W is read as it lies. A' and B' are too, where TMA can read them: at addresses and row strides of
 * multiples of 16 bytes, so where 8 divides the rank. Else a copy with wider rows is made when the
 * adapter changes. */
#include "kernels/cuda/variants/fused.h"
#include "kernels/cuda/variants/steps.h"

static int64_t whole(int64_t count) { return (count + 7) / 8 * 8; }

/* A matrix of a pair as TMA can read it, in `room` if it is copied. */
typedef struct {
    const void *p;
    int64_t     ld;
    void       *room;
    bool        copied;
} wide_rows;

static wide_rows widened(adapted_walk *w, const adapted_linear *l, const void *from, int64_t rows, int64_t cols,
                         int64_t ld)
{
    void      *room   = take_copies(w, l, rows * whole(cols) * 2);
    const bool copied = ld % 8 != 0 || (uintptr_t)from % 16 != 0;
    return { copied ? room : from, copied ? whole(cols) : ld, room, copied };
}

/* What a call needs of its pairs: A' [r, in], B' [out, r], h and dh [n, ldh]. */
typedef struct {
    int64_t   ldh;
    wide_rows A, B;
    void     *h, *dh;
} fused_arrays;

static fused_arrays take(adapted_walk *w, const adapted_linear *l, const adapted_pair *a)
{
    fused_arrays f;
    f.ldh = whole(a->p.r);
    f.h = take_kept(w, l, l->n * f.ldh * 2), f.dh = take_scratch(w, l, l->n * f.ldh * 2);
    f.A = widened(w, l, a->p.A, a->p.r, l->in, a->p.lda), f.B = widened(w, l, a->p.B, a->out, a->p.r, a->p.ldb);
    return f;
}

static const adapted_pair *end(const adapted_linear *l) { return l->pairs + l->count; }

void fused_prepare(adapted_walk *w, const adapted_linear *l)
{
    for (const adapted_pair *a = l->pairs; a < end(l); a++) {
        const fused_arrays f = take(w, l, a);
        if (a->p.r && f.A.copied) place_bf16(w, { f.A.room, f.A.ld, a->p.r, l->in, a->p.A, a->p.lda, a->p.r, l->in });
        if (a->p.r && f.B.copied) place_bf16(w, { f.B.room, f.B.ld, a->out, a->p.r, a->p.B, a->p.ldb, a->out, a->p.r });
    }
}

/* C = A B, and what the pairs add: h E of each. */
static void step_fused(adapted_walk *w, fused f)
{
    const double m = (double)f.m, n = (double)f.n;
    double       flops = 2 * m * n * (double)f.k, bytes = 2 * (m * (double)f.k + (double)f.k * n + m * n);
    for (int i = 0; i < f.count; i++) {
        const double r = (double)f.pairs[i].r, cols = (double)f.pairs[i].cols;
        flops += 2 * m * r * cols;
        bytes += 2 * (m * r + r * cols);
    }
    if (adapted_step(w, 1, flops, bytes)) cuda_fused(&f);
}

static void forward(adapted_walk *w, const adapted_linear *l, fused_blocks blocks)
{
    fused  f = { l->n, l->out, l->in, l->x, l->ldx, l->W, l->in, TRANSPOSED, l->y, l->ldy, blocks, 0, {} };
    shrink list[FUSED_PAIRS];
    for (const adapted_pair *a = l->pairs; a < end(l); a++) {
        const fused_arrays t = take(w, l, a);
        if (!a->p.r) continue;
        list[f.count]      = { a->p.A, a->p.lda, a->p.r, t.h, t.ldh };
        f.pairs[f.count++] = { t.h, t.ldh, t.B.p, t.B.ld, a->p.r, a->at, a->out };
        if (!w->variant->from_source) down_bf16(w, l, a, t.h, t.ldh);
    }
    if (w->variant->from_source) produce_bf16(w, l, list, f.count);
    step_fused(w, f);
}

/* dB' and dh, from one reading of dy where that pays. */
static void through_B(adapted_walk *w, const adapted_linear *l, const adapted_pair *a, const fused_arrays *t)
{
    if (a->p.dB && (l->dx || a->p.dA) && pair_pass_pays(l->n, a->out, a->p.r)) {
        step_pair_pass(w, pass_over_dy(l, a, t->h, t->dh, t->ldh));
        return;
    }
    grad_B_bf16(w, l, a, t->h, t->ldh);
    if (l->dx || a->p.dA) grad_h_bf16(w, l, a, t->dh, t->ldh);
}

static void backward(adapted_walk *w, const adapted_linear *l, fused_blocks blocks)
{
    fused f = { l->n, l->in, l->out, l->dy, l->ld_dy, l->W, l->in, PLAIN, l->dx, l->ld_dx, blocks, 0, {} };
    for (const adapted_pair *a = l->pairs; a < end(l); a++) {
        const fused_arrays t = take(w, l, a);
        if (!a->p.r) continue;
        through_B(w, l, a, &t);
        grad_A_bf16(w, l, a, t.dh, t.ldh);
        f.pairs[f.count++] = { t.dh, t.ldh, t.A.p, t.A.ld, a->p.r, 0, l->in };
    }
    if (l->dx) step_fused(w, f);
}

void fused_forward(adapted_walk *w, const adapted_linear *l) { forward(w, l, BY_SHAPE); }
void fused_backward(adapted_walk *w, const adapted_linear *l) { backward(w, l, BY_SHAPE); }
void fused_single_forward(adapted_walk *w, const adapted_linear *l) { forward(w, l, SINGLE); }
void fused_single_backward(adapted_walk *w, const adapted_linear *l) { backward(w, l, SINGLE); }

const char *fused_refuses(const adapted_linear *l)
{
    fused f = { l->n, l->out, l->in, l->x, l->ldx, l->W, l->in, TRANSPOSED, l->y, l->ldy, BY_SHAPE, 0, {} };
    for (const adapted_pair *a = l->pairs; a < end(l); a++)
        f.pairs[f.count++] = { NULL, 0, NULL, 0, a->p.r, a->at, a->out };
    return cuda_fused_refuses(&f);
}
