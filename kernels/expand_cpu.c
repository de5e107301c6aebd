/* expand on the CPU, a row of B at a time. Contract and formulas: kernels/expand.h. */
#include "kernels/cpu.h"
#include "kernels/simd.h"

/* br[j] = (B R)_nj for one row n. */
static inline void row_BR(float *br, const expand_job *e, int64_t n)
{
    int64_t      r = e->r;
    const float *b = (const float *)e->B + n * r, *R = e->R;
    for (int64_t j = 0; j < r; j++) br[j] = R ? 0 : b[j];
    for (int64_t k = 0; k < r && R; k++)
        for (int64_t j = 0; j < r; j++) br[j] += b[k] * R[k * r + j];
}

SIMD static void fwd_job(const expand_job *e)
{
    const float *u = e->u, *v = e->v;
    for (int64_t n = 0; n < e->out; n++) {
        float *row = (float *)e->Bp + n * e->r, sv = (float)e->s * (v ? v[n] : 1);
        row_BR(row, e, n);
        for (int64_t j = 0; j < e->r; j++) row[j] *= u ? sv * u[j] : sv;
    }
}

void expand_fwd_cpu(const expand_job *jobs, int64_t count)
{
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < count; i++) fwd_job(&jobs[i]);
}

/* Row n of g = s diag(v) G diag(u) into dB and dR. */
static inline void row_grad_B_and_R(const expand_job *e, const float *g, int64_t n)
{
    int64_t      r = e->r;
    const float *R = e->R, *b = (const float *)e->B + n * r;
    float       *dB = e->dB ? (float *)e->dB + n * r : NULL, *dR = e->dR;
    for (int64_t j = 0; j < r && dB && !R; j++) dB[j] += g[j];
    for (int64_t k = 0; k < r && dB && R; k++) {
        float sum = 0;
        for (int64_t j = 0; j < r; j++) sum += g[j] * R[k * r + j];
        dB[k] += sum;
    }
    for (int64_t k = 0; k < r && dR; k++)
        for (int64_t j = 0; j < r; j++) dR[k * r + j] += b[k] * g[j];
}

SIMD static void bwd_job(const expand_job *e)
{
    int64_t      r = e->r;
    float       *g = cpu_scratch(2 * r), *br = g + r, *du = e->du, *dv = e->dv;
    const float *u = e->u, *v = e->v, *G = e->dBp;
    bool         any = e->dB || e->dR || du || dv; /* only A trained: there is no G */
    for (int64_t n = 0; any && n < e->out; n++) {
        float vn = v ? v[n] : 1, s = (float)e->s;
        for (int64_t j = 0; j < r; j++) g[j] = s * vn * G[n * r + j] * (u ? u[j] : 1);
        row_grad_B_and_R(e, g, n);
        if (!du && !dv) continue;
        row_BR(br, e, n);
        float sum = 0;
        for (int64_t j = 0; j < r; j++) {
            float w = s * br[j] * G[n * r + j];
            if (du) du[j] += vn * w;
            sum += w * (u ? u[j] : 1);
        }
        if (dv) dv[n] += sum;
    }
    for (int64_t j = 0; j < r && e->dA; j++)
        for (int64_t i = 0; i < e->in; i++) ((float *)e->dA)[j * e->lda + i] += ((const float *)e->dAp)[j * e->in + i];
}

/* Jobs may share factors: one after the other. */
void expand_bwd_cpu(const expand_job *jobs, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (jobs[i].r) bwd_job(&jobs[i]);
}
