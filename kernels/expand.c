/* expand, the definition: factors to pair, gradients of the pair to gradients of the factors.
 * Contract and formulas: kernels/expand.h. */
#include <string.h>

#include "kernels/ref.h"

/* (B R)_nj; without R it is B_nj. */
static double product_BR(const expand_job *e, int64_t n, int64_t j)
{
    const double *B = (const double *)e->B, *R = (const double *)e->R;
    if (!R) return B[n * e->r + j];
    double sum = 0;
    for (int64_t k = 0; k < e->r; k++) sum += B[n * e->r + k] * R[k * e->r + j];
    return sum;
}

static double factor_u(const expand_job *e, int64_t j) { return e->u ? ((const double *)e->u)[j] : 1; }
static double factor_v(const expand_job *e, int64_t n) { return e->v ? ((const double *)e->v)[n] : 1; }

void expand_fwd_ref(const backend *be, const expand_job *jobs, int64_t count)
{
    for (const expand_job *e = jobs; e < jobs + count; e++) {
        double *Bp = (double *)e->Bp;
        for (int64_t n = 0; n < e->out; n++)
            for (int64_t j = 0; j < e->r; j++)
                Bp[n * e->r + j] = e->s * factor_v(e, n) * product_BR(e, n, j) * factor_u(e, j);
        if (e->Ap) memcpy(e->Ap, e->A, (size_t)(e->r * e->lda) * sizeof(double));
    }
}

/* dB += s diag(v) G diag(u) R^T;  dR += s B^T diag(v) G diag(u) */
static void grad_B_and_R(const expand_job *e)
{
    const double *G = (const double *)e->dBp, *B = (const double *)e->B, *R = (const double *)e->R;
    double       *dB = (double *)e->dB, *dR = (double *)e->dR;
    int64_t       r = e->r;
    for (int64_t n = 0; n < e->out; n++)
        for (int64_t j = 0; j < r; j++) {
            double g = e->s * factor_v(e, n) * G[n * r + j] * factor_u(e, j);
            if (dB && !R) dB[n * r + j] += g;
            for (int64_t k = 0; k < r && dB && R; k++) dB[n * r + k] += g * R[k * r + j];
            for (int64_t k = 0; k < r && dR; k++) dR[k * r + j] += B[n * r + k] * g;
        }
}

/* du_j += s sum_n v_n (BR)_nj G_nj;  dv_n += s sum_j u_j (BR)_nj G_nj */
static void grad_u_and_v(const expand_job *e)
{
    const double *G  = (const double *)e->dBp;
    double       *du = (double *)e->du, *dv = (double *)e->dv;
    for (int64_t n = 0; n < e->out; n++)
        for (int64_t j = 0; j < e->r; j++) {
            double g = e->s * product_BR(e, n, j) * G[n * e->r + j];
            if (du) du[j] += factor_v(e, n) * g;
            if (dv) dv[n] += factor_u(e, j) * g;
        }
}

void expand_bwd_ref(const backend *be, const expand_job *jobs, int64_t count)
{
    for (const expand_job *e = jobs; e < jobs + count; e++) {
        if (e->dB || e->dR) grad_B_and_R(e);
        if (e->du || e->dv) grad_u_and_v(e);
        double       *dA  = (double *)e->dA;
        const double *dAp = (const double *)e->dAp;
        for (int64_t j = 0; j < e->r && dA; j++)
            for (int64_t i = 0; i < e->in; i++) dA[j * e->lda + i] += dAp[j * e->in + i];
    }
}
