/* linear, the definition: y = x W^T (+ bias), its two transposes. Contracts: kernels/linear.h. */
#include "kernels/ref.h"

void linear_fwd_ref(const backend *be, real *y_, const real *x_, const real *W_, const real *bias_, linear_dims d,
                    bool accumulate)
{
    double       *y = (double *)y_;
    const double *x = (const double *)x_, *W = (const double *)W_, *bias = (const double *)bias_;
    for (int64_t t = 0; t < d.n; t++)
        for (int64_t o = 0; o < d.out; o++) {
            double sum = bias ? bias[o] : 0;
            for (int64_t i = 0; i < d.in; i++) sum += x[t * d.ldx + i] * W[o * d.in + i];
            y[t * d.ldy + o] = accumulate ? y[t * d.ldy + o] + sum : sum;
        }
}

void linear_fwd_wide_ref(const backend *be, param *y, const real *x, const real *W, linear_dims d)
{
    linear_fwd_ref(be, (real *)y, x, W, NULL, d, false);
}

void linear_bwd_x_ref(const backend *be, real *dx_, const real *dy_, const real *W_, linear_dims d, bool accumulate)
{
    double       *dx = (double *)dx_;
    const double *dy = (const double *)dy_, *W = (const double *)W_;
    for (int64_t t = 0; t < d.n; t++)
        for (int64_t i = 0; i < d.in; i++) {
            double sum = 0;
            for (int64_t o = 0; o < d.out; o++) sum += dy[t * d.ldy + o] * W[o * d.in + i];
            dx[t * d.ldx + i] = accumulate ? dx[t * d.ldx + i] + sum : sum;
        }
}

void linear_bwd_w_ref(const backend *be, param *dW_, param *dbias_, const real *dy_, const real *x_, linear_dims d)
{
    double       *dW = (double *)dW_, *dbias = (double *)dbias_;
    const double *dy = (const double *)dy_, *x = (const double *)x_;
    for (int64_t o = 0; o < d.out; o++) {
        for (int64_t i = 0; i < d.in && dW; i++) {
            double sum = 0;
            for (int64_t t = 0; t < d.n; t++) sum += dy[t * d.ldy + o] * x[t * d.ldx + i];
            dW[o * d.in + i] += sum;
        }
        double sum = 0;
        for (int64_t t = 0; t < d.n && dbias; t++) sum += dy[t * d.ldy + o];
        if (dbias) dbias[o] += sum;
    }
}
