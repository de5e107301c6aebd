/* The variants `fused` and `producer-fused` (kernels/variant.h): h by cuBLAS, or by what makes x
 * (kernels/cuda/ops/producer.h); then base and pair in one kernel (kernels/cuda/variants/fused.h), and the
 * same backward. In bf16 alone.
 *
 * W is read as it lies. A' and B' are too, where TMA can: at addresses and row strides of
 * multiples of 16 bytes, so where 8 divides the rank; else a copy of them with wider rows is
 * made when the adapter changes. */
#include "kernels/cuda/variants/fused.h"
#include "kernels/cuda/variants/site.h"

typedef struct {
    const void *p;
    int64_t     ld;
    void       *copy; /* the room for one */
    bool        copied;
} wide_rows;

static int64_t whole(int64_t count) { return (count + 7) / 8 * 8; }

static wide_rows widened(struct site_plan *p, const void *from, int64_t rows, int64_t cols, int64_t ld)
{
    void      *room   = plan_take(p, rows * whole(cols) * 2);
    const bool copied = ld % 8 != 0 || (uintptr_t)from % 16 != 0;
    return { copied ? room : from, copied ? whole(cols) : ld, room, copied };
}

static void run_fused(const site_step *s)
{
    const gemm *g = &s->g;
    const fused f = { g->m,
                      g->n,
                      g->k,
                      g->A,
                      g->lda,
                      g->B,
                      g->ldb,
                      g->b,
                      g->C,
                      g->ldc,
                      s->s > 1,
                      1,
                      { { s->a, s->ld_a, s->b, s->ld_to, s->used_cols, 0, g->n } } };
    cuda_fused(&f);
}

/* C = A B + h E, of rank r; s: blocks of a cluster. */
static void fuse(struct site_plan *p, bool cluster, gemm g, const void *h, int64_t ldh, const wide_rows *E, int64_t r)
{
    const double m = (double)g.m, n = (double)g.n, k = (double)g.k + (double)r;
    site_step    s = {};
    s.run          = run_fused;
    s.launches     = 1;
    s.flops        = 2 * m * n * k;
    s.bytes        = 2 * (m * k + k * n + m * n);
    s.g = g, s.a = h, s.ld_a = ldh, s.b = E->p, s.ld_to = E->ld, s.used_cols = r, s.s = cluster ? 2 : 1;
    plan_step(p, &s);
}

static void widen(struct site_plan *p, const wide_rows *w, const void *from, int64_t rows, int64_t cols, int64_t ld)
{
    if (w->copied) plan_place_bf16(p, w->copy, w->ld, rows, cols, from, ld, rows, cols);
}

/* dh and dB' from one reading of dy where that pays. */
static void through_B(struct site_plan *p, const site_call *c, const void *h, void *dh, int64_t ldh)
{
    pair_pass pass = { c->n,
                       c->out,
                       c->r,
                       (const bf16 *)c->dy,
                       c->out,
                       (const bf16 *)c->B,
                       (const bf16 *)h,
                       c->r,
                       ldh,
                       (bf16 *)dh,
                       ldh,
                       false,
                       (float *)c->dB,
                       false,
                       BOTH };
    if (c->dB && pair_pass_pays(c->n, c->out, c->r)) {
        plan_pair_pass(p, &pass);
        return;
    }
    if (c->dB)
        plan_gemm(p, true,
                  { c->out, c->r, c->n, c->dy, c->out, TRANSPOSED, h, ldh, PLAIN, c->dB, c->r, true, CUDA_R_16BF,
                    CUDA_R_32F });
    plan_gemm(
        p, true,
        { c->n, c->r, c->out, c->dy, c->out, PLAIN, c->B, c->r, PLAIN, dh, ldh, false, CUDA_R_16BF, CUDA_R_16BF });
}

static void plan(struct site_plan *p, const site_variant *v, bool cluster, site_stage stage, const site_call *c)
{
    const cudaDataType TYPE = CUDA_R_16BF, SUM = CUDA_R_32F;
    const int64_t      n = c->n, in = c->in, out = c->out, r = c->r, ldh = whole(r);
    void              *h = plan_take(p, n * ldh * 2), *dh = plan_take(p, n * ldh * 2);
    const wide_rows    A = widened(p, c->A, r, in, c->lda), B = widened(p, c->B, out, r, r);
    if (stage == SITE_PREPARE || stage == SITE_ADAPT) {
        widen(p, &A, c->A, r, in, c->lda);
        widen(p, &B, c->B, out, r, r);
    } else if (stage == SITE_FORWARD) {
        if (v->producer)
            plan_produce_bf16(p, c, in, c->A, c->lda, r, h, ldh);
        else
            plan_gemm(p, true, { n, r, in, c->x, in, PLAIN, c->A, c->lda, TRANSPOSED, h, ldh, false, TYPE, TYPE });
        fuse(p, cluster, { n, out, in, c->x, in, PLAIN, c->W, in, TRANSPOSED, c->y, out, false, TYPE, TYPE }, h, ldh,
             &B, r);
    } else {
        through_B(p, c, h, dh, ldh);
        if (c->dA) plan_gemm(p, true, { r, in, n, dh, ldh, TRANSPOSED, c->x, in, PLAIN, c->dA, in, true, TYPE, SUM });
        fuse(p, cluster, { n, in, out, c->dy, out, PLAIN, c->W, in, PLAIN, c->dx, in, false, TYPE, TYPE }, dh, ldh, &A,
             r);
    }
}

void plan_fused(struct site_plan *p, const site_variant *v, site_stage stage, const site_call *c)
{
    plan(p, v, false, stage, c);
}
void plan_fused_cluster(struct site_plan *p, const site_variant *v, site_stage stage, const site_call *c)
{
    plan(p, v, true, stage, c);
}

const char *refuses_fused(const site_variant *, const site_call *c)
{
    fused f = { c->n, c->out, c->in, c->x, c->in, c->W, c->in, TRANSPOSED, c->y, c->out, false, 0, {} };
    return cuda_fused_refuses(&f);
}
