/* pair on the CPU: skinny products through gemm's register tile, each thread owning whole rows
 * of tokens or whole columns of a gradient. Contract: kernels/pair.h. */
#include "kernels/cpu.h"
#include "kernels/gemm.h"

/* Tokens, or columns, of one part. Any size gives the same bits; this one keeps a part's rows in
 * L2 between the two products that touch them. */
enum { PART = 128 };

static int64_t parts_of(int64_t length) { return (length + PART - 1) / PART; }
static int64_t part_length(int64_t part, int64_t length)
{
    return length - part * PART < PART ? length - part * PART : PART;
}

/* The pair as floats, with all strides. */
typedef struct {
    const backend *be;
    const float   *A, *B;
    int64_t        in, out, r, lda, ldb, ldx, ldy;
} pair_view;

/* Scratch of one part: gemm's own, then dB^T of the part's columns. */
static float *part_scratch(const pair_view *v) { return cpu_scratch(v->be, gemm_scratch() + PART * v->r); }

static pair_view view_of(const backend *be, const pair_arrays *p, pair_dims d)
{
    return (
        pair_view) { be, (const float *)p->A, (const float *)p->B, d.in, d.out, p->r, p->lda, p->ldb, d.ldx, d.ldy };
}

static void fwd_tokens(float *y, float *h, const float *x, const pair_view *v, int64_t n)
{
    float    *scratch = part_scratch(v);
    gemm_args down    = gemm_of(n, v->r, v->in, h, v->r, plain(x, v->ldx), transposed(v->A, v->lda));
    gemm_args up      = gemm_added(n, v->out, v->r, y, v->ldy, plain(h, v->r), transposed(v->B, v->ldb));
    gemm_serial(&down, scratch);
    gemm_serial(&up, scratch);
}

void pair_fwd_cpu(const backend *be, real *y_, real *h_, const real *x_, const pair_arrays *p, pair_dims d)
{
    float       *y = (float *)y_, *h = (float *)h_;
    const float *x = (const float *)x_;
    pair_view    v = view_of(be, p, d);
    if (v.r == 0) return;
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(dynamic) if (pair_fwd_flops(d, v.r) > 1e6)
    for (int64_t i = 0; i < parts_of(d.n); i++)
        fwd_tokens(y + i * PART * v.ldy, h + i * PART * v.r, x + i * PART * v.ldx, &v, part_length(i, d.n));
}

/* dh = dy B, then dx += dh A (NULL: not wanted) for some tokens. */
static void bwd_tokens(float *dx, float *dh, const float *dy, const pair_view *v, int64_t n)
{
    float    *scratch = part_scratch(v);
    gemm_args down    = gemm_of(n, v->r, v->out, dh, v->r, plain(dy, v->ldy), plain(v->B, v->ldb));
    gemm_args up      = gemm_added(n, v->in, v->r, dx, v->ldx, plain(dh, v->r), plain(v->A, v->lda));
    gemm_serial(&down, scratch);
    if (dx) gemm_serial(&up, scratch);
}

/* dB^T = h^T dy for some of dB's rows, then added: that way dy is read along its rows, whole
 * vectors at a time. */
static void grad_B(float *dB, const float *dy, const float *h, const pair_view *v, int64_t n, int64_t outs)
{
    float    *scratch = part_scratch(v), *dBt = scratch + gemm_scratch();
    gemm_args g = gemm_of(v->r, outs, n, dBt, outs, transposed(h, v->r), plain(dy, v->ldy));
    gemm_serial(&g, scratch);
    for (int64_t o = 0; o < outs; o++)
        for (int64_t j = 0; j < v->r; j++) dB[o * v->r + j] += dBt[j * outs + o];
}

/* dA += dh^T x for some of dA's columns. */
static void grad_A(float *dA, const float *dh, const float *x, const pair_view *v, int64_t n, int64_t ins)
{
    gemm_args g = gemm_added(v->r, ins, n, dA, v->in, transposed(dh, v->r), plain(x, v->ldx));
    gemm_serial(&g, part_scratch(v));
}

void pair_bwd_cpu(const backend *be, real *dx_, real *dh_, const real *dy_, const real *x_, const real *h_,
                  const pair_arrays *p, pair_dims d)
{
    float       *dx = (float *)dx_, *dA = (float *)p->dA, *dB = (float *)p->dB, *dh = (float *)dh_;
    const float *dy = (const float *)dy_, *x = (const float *)x_, *h = (const float *)h_;
    pair_view    v = view_of(be, p, d);
    if (v.r == 0 || d.n == 0) return;
#pragma omp parallel num_threads(cpu_threads(be)) if (pair_bwd_flops(d, v.r, 1, 1, 1) > 1e6)
    {
#pragma omp for schedule(dynamic) nowait
        for (int64_t i = 0; i < (dB ? parts_of(v.out) : 0); i++)
            grad_B(dB + i * PART * v.r, dy + i * PART, h, &v, d.n, part_length(i, v.out));
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < parts_of(d.n); i++)
            bwd_tokens(dx ? dx + i * PART * v.ldx : NULL, dh + i * PART * v.r, dy + i * PART * v.ldy, &v,
                       part_length(i, d.n));
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < (dA ? parts_of(v.in) : 0); i++)
            grad_A(dA + i * PART, dh, x + i * PART, &v, d.n, part_length(i, v.in));
    }
}
