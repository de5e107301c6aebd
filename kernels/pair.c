/* pair, the definition: y += (x A^T) B^T and its backward. Contract: kernels/pair.h. */
#include "kernels/ref.h"

void pair_fwd_ref(const backend *be, real *y_, real *h_, const real *x_, const pair_arrays *p, pair_dims d)
{
    double       *y = (double *)y_, *h = (double *)h_;
    const double *x = (const double *)x_, *A = (const double *)p->A, *B = (const double *)p->B;
    int64_t       r = p->r;
    for (int64_t t = 0; t < d.n; t++) {
        for (int64_t j = 0; j < r; j++) {
            double sum = 0;
            for (int64_t i = 0; i < d.in; i++) sum += x[t * d.ldx + i] * A[j * p->lda + i];
            h[t * r + j] = sum;
        }
        for (int64_t o = 0; o < d.out && r > 0; o++) {
            double sum = 0;
            for (int64_t j = 0; j < r; j++) sum += h[t * r + j] * B[o * p->ldb + j];
            y[t * d.ldy + o] += sum;
        }
    }
}

/* dB += dy^T h */
static void grad_B(double *dB, const double *dy, const double *h, pair_dims d, int64_t r)
{
    for (int64_t o = 0; o < d.out; o++)
        for (int64_t j = 0; j < r; j++) {
            double sum = 0;
            for (int64_t t = 0; t < d.n; t++) sum += dy[t * d.ldy + o] * h[t * r + j];
            dB[o * r + j] += sum;
        }
}

/* dA += dh^T x */
static void grad_A(double *dA, const double *dh, const double *x, pair_dims d, int64_t r)
{
    for (int64_t j = 0; j < r; j++)
        for (int64_t i = 0; i < d.in; i++) {
            double sum = 0;
            for (int64_t t = 0; t < d.n; t++) sum += dh[t * r + j] * x[t * d.ldx + i];
            dA[j * d.in + i] += sum;
        }
}

void pair_bwd_ref(const backend *be, real *dx_, real *dh_, const real *dy_, const real *x_, const real *h_,
                  const pair_arrays *p, pair_dims d)
{
    double       *dx = (double *)dx_, *dh = (double *)dh_;
    double       *dA = (double *)p->dA, *dB = (double *)p->dB;
    const double *x = (const double *)x_, *h = (const double *)h_;
    const double *dy = (const double *)dy_, *A = (const double *)p->A, *B = (const double *)p->B;
    int64_t       r = p->r;
    if (r == 0) return;
    if (dB) grad_B(dB, dy, h, d, r);
    for (int64_t t = 0; t < d.n; t++)
        for (int64_t j = 0; j < r; j++) {
            double sum = 0;
            for (int64_t o = 0; o < d.out; o++) sum += dy[t * d.ldy + o] * B[o * p->ldb + j];
            dh[t * r + j] = sum;
        }
    if (dA) grad_A(dA, dh, x, d, r);
    for (int64_t t = 0; t < d.n && dx; t++)
        for (int64_t i = 0; i < d.in; i++) {
            double sum = 0;
            for (int64_t j = 0; j < r; j++) sum += dh[t * r + j] * A[j * p->lda + i];
            dx[t * d.ldx + i] += sum;
        }
}
