/* Rows by index, and whole arrays: f32. Contracts: kernels/backend.h. */
#include <math.h>

#include "kernels/cpu.h"

void gather_rows_cpu(real *dst_, const real *src_, const int32_t *rows, int64_t n, int64_t d)
{
    float       *dst = dst_;
    const float *src = src_;
    for (int64_t t = 0; t < n; t++)
        for (int64_t i = 0; i < d; i++) dst[t * d + i] = src[rows[t] * d + i];
}

void scatter_add_rows_cpu(real *dst_, const real *src_, const int32_t *rows, int64_t n, int64_t d)
{
    float       *dst = dst_;
    const float *src = src_;
    for (int64_t t = 0; t < n; t++)
        for (int64_t i = 0; i < d; i++) dst[rows[t] * d + i] += src[t * d + i];
}

void add_cpu(real *dst_, const real *src_, int64_t count)
{
    float       *dst = dst_;
    const float *src = src_;
    for (int64_t i = 0; i < count; i++) dst[i] += src[i];
}

void scale_cpu(real *x_, double a_, int64_t count)
{
    float  a = (float)a_;
    float *x = x_;
    for (int64_t i = 0; i < count; i++) x[i] *= a;
}

/* Blocks of one size, their sums added in order: the bits do not depend on the threads. */
double sum_squares_cpu(const real *x_, int64_t count)
{
    enum { BLOCK = 4096 };
    const float *x     = x_;
    double       total = 0;
    for (int64_t start = 0; start < count; start += BLOCK) {
        double sum = 0;
        for (int64_t i = start; i < count && i < start + BLOCK; i++) sum += (double)x[i] * x[i];
        total += sum;
    }
    return total;
}

void adamw_cpu(real *p_, real *m_, real *v_, const real *g_, int64_t count, adamw_params h)
{
    float       *p = p_, *m = m_, *v = v_;
    const float *g     = g_;
    float        c2    = (float)(1 / sqrt(1 - pow(h.beta2, (double)h.step)));
    float        rate  = (float)(h.lr / (1 - pow(h.beta1, (double)h.step)));
    float        beta1 = (float)h.beta1, one_minus_beta1 = (float)(1 - h.beta1);
    float        beta2 = (float)h.beta2, one_minus_beta2 = (float)(1 - h.beta2);
    float        decay = (float)(h.lr * h.weight_decay), clip = (float)h.clip, eps = (float)h.eps;
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < count; i++) {
        float gi = g[i] * clip, pi = p[i] - decay * p[i];
        m[i] = beta1 * m[i] + one_minus_beta1 * gi;
        v[i] = beta2 * v[i] + one_minus_beta2 * gi * gi;
        p[i] = pi - rate * m[i] / (sqrtf(v[i]) * c2 + eps);
    }
}
