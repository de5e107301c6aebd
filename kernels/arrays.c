/* Rows by index, and whole arrays: the definitions. Contracts: kernels/arrays.h. */
#include <math.h>
#include <string.h>

#include "kernels/ref.h"

void gather_rows_ref(const backend *be, real *dst_, const real *src_, const int32_t *rows, int64_t n, int64_t d)
{
    double       *dst = (double *)dst_;
    const double *src = (const double *)src_;
    for (int64_t t = 0; t < n; t++)
        for (int64_t i = 0; i < d; i++) dst[t * d + i] = src[rows[t] * d + i];
}

void scatter_rows_ref(const backend *be, real *dst_, const real *src_, const int32_t *rows, int64_t n, int64_t d)
{
    double       *dst = (double *)dst_;
    const double *src = (const double *)src_;
    for (int64_t t = 0; t < n; t++)
        for (int64_t i = 0; i < d; i++) dst[rows[t] * d + i] = src[t * d + i];
}

void scatter_add_rows_ref(const backend *be, real *dst_, const real *src_, const int32_t *rows, int64_t n, int64_t d)
{
    double       *dst = (double *)dst_;
    const double *src = (const double *)src_;
    for (int64_t t = 0; t < n; t++)
        for (int64_t i = 0; i < d; i++) dst[rows[t] * d + i] += src[t * d + i];
}

void narrow_ref(const backend *be, real *dst, const param *src, int64_t count)
{
    memcpy(dst, src, (size_t)count * sizeof(double));
}

void add_ref(const backend *be, param *dst_, const param *src_, int64_t count)
{
    double       *dst = (double *)dst_;
    const double *src = (const double *)src_;
    for (int64_t i = 0; i < count; i++) dst[i] += src[i];
}

void scale_ref(const backend *be, param *x_, double a, int64_t count)
{
    double *x = (double *)x_;
    for (int64_t i = 0; i < count; i++) x[i] *= a;
}

void blend_ref(const backend *be, real *dst_, const real *src_, double a, double b, int64_t count)
{
    double       *dst = (double *)dst_;
    const double *src = (const double *)src_;
    for (int64_t i = 0; i < count; i++) dst[i] = a * dst[i] + (src ? b * src[i] : 0);
}

void soft_cap_fwd_ref(const backend *be, param *x_, double cap, int64_t count)
{
    double *x = (double *)x_;
    for (int64_t i = 0; i < count; i++) x[i] = cap * tanh(x[i] / cap);
}

void soft_cap_bwd_ref(const backend *be, param *dx_, const param *y_, double cap, int64_t count)
{
    double       *dx = (double *)dx_;
    const double *y  = (const double *)y_;
    for (int64_t i = 0; i < count; i++) dx[i] *= 1 - (y[i] / cap) * (y[i] / cap);
}

double sum_squares_ref(const backend *be, const param *x_, int64_t count)
{
    const double *x   = (const double *)x_;
    double        sum = 0;
    for (int64_t i = 0; i < count; i++) sum += x[i] * x[i];
    return sum;
}

void adamw_ref(const backend *be, param *p_, param *m_, param *v_, const param *g_, int64_t count, adamw_params h)
{
    double       *p = (double *)p_, *m = (double *)m_, *v = (double *)v_;
    const double *g  = (const double *)g_;
    double        c1 = 1 - pow(h.beta1, (double)h.step), c2 = 1 - pow(h.beta2, (double)h.step);
    for (int64_t i = 0; i < count; i++) {
        double gi = g[i] * h.clip;
        p[i] -= h.lr * h.weight_decay * p[i];
        m[i] = h.beta1 * m[i] + (1 - h.beta1) * gi;
        v[i] = h.beta2 * v[i] + (1 - h.beta2) * gi * gi;
        p[i] -= h.lr * (m[i] / c1) / (sqrt(v[i] / c2) + h.eps);
    }
}
