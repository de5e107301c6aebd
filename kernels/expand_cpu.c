/* expand on the CPU: rows of B in blocks, products with R on gemm's register tile. Contract and
 * formulas: kernels/expand.h. */
#include "kernels/cpu.h"
#include "kernels/gemm.h"
#include "kernels/simd.h"

/* Rows of B taken at once; the sums over rows for dR and du go block by block. */
enum { ROWS = 64 };

/* Rows n0 .. n0+n-1 of one job. The arrays are those of expand_job; B, v and G begin at row n0. */
typedef struct {
    int64_t      n, r;
    float        s;
    const float *u, *R, *B, *v, *G;
} row_block;

static row_block block_of(const expand_job *e, int64_t n0)
{
    int64_t      n = e->out - n0 < ROWS ? e->out - n0 : ROWS;
    const float *B = (const float *)e->B, *v = (const float *)e->v, *G = (const float *)e->dBp;
    return (row_block) { .n = n,
                         .r = e->r,
                         .s = (float)e->s,
                         .u = (const float *)e->u,
                         .R = (const float *)e->R,
                         .B = B + n0 * e->r,
                         .v = v ? v + n0 : NULL,
                         .G = G ? G + n0 * e->r : NULL };
}

/* to [n, r] = B R */
static void product_BR(float *to, const row_block *b, float *scratch)
{
    gemm_args g = gemm_of(b->n, b->r, b->r, to, b->r, plain(b->B, b->r), plain(b->R, b->r));
    if (b->R)
        gemm_serial(&g, scratch);
    else
        memcpy(to, b->B, (size_t)(b->n * b->r) * sizeof *to);
}

/* to [n, r] = s diag(v) from diag(u); to may be from. */
SIMD static void scale_rows(float *to, const float *from, const row_block *b)
{
    for (int64_t n = 0; n < b->n; n++, to += b->r, from += b->r) {
        float sv = b->v ? b->s * b->v[n] : b->s;
#pragma omp simd
        for (int64_t j = 0; j < b->r; j++) to[j] = from[j] * sv;
        if (!b->u) continue;
#pragma omp simd
        for (int64_t j = 0; j < b->r; j++) to[j] *= b->u[j];
    }
}

void expand_fwd_cpu(const backend *be, const expand_job *jobs, int64_t count)
{
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(dynamic)
    for (int64_t i = 0; i < count; i++) {
        if (jobs[i].Ap) memcpy(jobs[i].Ap, jobs[i].A, (size_t)(jobs[i].r * jobs[i].lda) * sizeof(float));
        for (int64_t n0 = 0; n0 < jobs[i].out && jobs[i].r > 0; n0 += ROWS) {
            row_block b  = block_of(&jobs[i], n0);
            float    *to = (float *)jobs[i].Bp + n0 * b.r;
            product_BR(to, &b, cpu_scratch(be, gemm_scratch()));
            scale_rows(to, to, &b);
        }
    }
}

SIMD static void add_all(float *restrict dst, const float *restrict src, int64_t n)
{
    for (int64_t i = 0; i < n; i++) dst[i] += src[i];
}

/* With g = s diag(v) G diag(u):  dB += g R^T,  dR += B^T g */
static void grad_B_and_R(float *dB, float *dR, const float *g, const row_block *b, float *scratch)
{
    int64_t   r    = b->r;
    gemm_args of_B = gemm_added(b->n, r, r, dB, r, plain(g, r), transposed(b->R, r));
    gemm_args of_R = gemm_added(r, r, b->n, dR, r, transposed(b->B, r), plain(g, r));
    if (dB && !b->R) add_all(dB, g, b->n * r);
    if (dB && b->R) gemm_serial(&of_B, scratch);
    if (dR) gemm_serial(&of_R, scratch);
}

/* w = s BR G in place of BR, then du += v w and the sum over j of u_j w_j: one row. */
static inline float row_grad_u_and_v(float *restrict du, float *restrict w, const float *restrict G,
                                     const float *restrict u, float s, float v, int64_t r)
{
    float sum = 0;
    for (int64_t j = 0; j < r; j++) w[j] *= s * G[j];
    if (du)
        for (int64_t j = 0; j < r; j++) du[j] += v * w[j];
    if (u) {
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < r; j++) sum += w[j] * u[j];
    } else {
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < r; j++) sum += w[j];
    }
    return sum;
}

SIMD static void grad_u_and_v(float *du, float *dv, float *BR, const row_block *b)
{
    for (int64_t n = 0; n < b->n; n++) {
        float sum = row_grad_u_and_v(du, BR + n * b->r, b->G + n * b->r, b->u, b->s, b->v ? b->v[n] : 1, b->r);
        if (dv) dv[n] += sum;
    }
}

static void bwd_rows(const backend *be, const expand_job *e, int64_t n0)
{
    row_block b = block_of(e, n0);
    float    *g = cpu_scratch(be, gemm_scratch() + ROWS * b.r), *scratch = g + ROWS * b.r;
    float    *dB = e->dB ? (float *)e->dB + n0 * b.r : NULL, *dv = e->dv ? (float *)e->dv + n0 : NULL;
    if (dB || e->dR) {
        scale_rows(g, b.G, &b);
        grad_B_and_R(dB, (float *)e->dR, g, &b, scratch);
    }
    if (e->du || dv) {
        product_BR(g, &b, scratch);
        grad_u_and_v((float *)e->du, dv, g, &b);
    }
}

/* Jobs may share factors, so they run one after the other. Where only A is trained there is no
 * G. */
void expand_bwd_cpu(const backend *be, const expand_job *jobs, int64_t count)
{
    for (const expand_job *e = jobs; e < jobs + count; e++) {
        bool any = e->r > 0 && (e->dB || e->dR || e->du || e->dv);
        for (int64_t n0 = 0; any && n0 < e->out; n0 += ROWS) bwd_rows(be, e, n0);
        for (int64_t j = 0; j < e->r && e->dA; j++)
            add_all((float *)e->dA + j * e->lda, (const float *)e->dAp + j * e->in, e->in);
    }
}
