/* Rows by index, and whole arrays, on the CPU. Contracts: kernels/arrays.h. */
#include "kernels/cpu.h"
#include "kernels/simd.h"

SIMD static void add_row(float *dst, const float *src, int64_t n)
{
    for (int64_t i = 0; i < n; i++) dst[i] += src[i];
}

void gather_rows_cpu(const backend *be, real *dst, const real *src, const int32_t *rows, int64_t n, int64_t d)
{
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(static) if (n * d > CPU_ALONE)
    for (int64_t t = 0; t < n; t++)
        memcpy((float *)dst + t * d, (const float *)src + rows[t] * d, (size_t)d * sizeof(float));
}

void scatter_rows_cpu(const backend *be, real *dst, const real *src, const int32_t *rows, int64_t n, int64_t d)
{
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(static) if (n * d > CPU_ALONE)
    for (int64_t t = 0; t < n; t++)
        memcpy((float *)dst + rows[t] * d, (const float *)src + t * d, (size_t)d * sizeof(float));
}

/* A thread owns columns, so rows that repeat are added in order. */
void scatter_add_rows_cpu(const backend *be, real *dst, const real *src, const int32_t *rows, int64_t n, int64_t d)
{
    enum { COLUMNS = 64 };
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(static) if (n * d > CPU_ALONE)
    for (int64_t c = 0; c < d; c += COLUMNS)
        for (int64_t t = 0; t < n; t++)
            add_row((float *)dst + rows[t] * d + c, (const float *)src + t * d + c, least(COLUMNS, d - c));
}

enum { BLOCK = 8192 };

void narrow_cpu(const backend *be, real *dst, const param *src, int64_t count)
{
    memcpy(dst, src, (size_t)count * sizeof(float));
}

void add_cpu(const backend *be, param *dst, const param *src, int64_t count)
{
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(static) if (count > CPU_ALONE)
    for (int64_t i = 0; i < count; i += BLOCK)
        add_row((float *)dst + i, (const float *)src + i, least(BLOCK, count - i));
}

void scale_cpu(const backend *be, param *x_, double a_, int64_t count)
{
    float *x = (float *)x_, a = (float)a_;
    for (int64_t i = 0; i < count; i++) x[i] *= a;
}

SIMD static void blend_row(float *dst, const float *src, float a, float b, int64_t n)
{
    if (src)
        for (int64_t i = 0; i < n; i++) dst[i] = a * dst[i] + b * src[i];
    else
        for (int64_t i = 0; i < n; i++) dst[i] *= a;
}

void blend_cpu(const backend *be, real *dst, const real *src, double a, double b, int64_t count)
{
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(static) if (count > CPU_ALONE)
    for (int64_t i = 0; i < count; i += BLOCK)
        blend_row((float *)dst + i, src ? (const float *)src + i : NULL, (float)a, (float)b, least(BLOCK, count - i));
}

SIMD static void cap_row(float *x, float cap, int64_t n)
{
    const float part = 1 / cap;
    for (int64_t i = 0; i < n; i++) x[i] = cap * tanh_f32(x[i] * part);
}

void soft_cap_fwd_cpu(const backend *be, param *x, double cap, int64_t count)
{
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(static) if (count > CPU_ALONE)
    for (int64_t i = 0; i < count; i += BLOCK) cap_row((float *)x + i, (float)cap, least(BLOCK, count - i));
}

SIMD static void uncap_row(float *dx, const float *y, float cap, int64_t n)
{
    const float part = 1 / cap;
    for (int64_t i = 0; i < n; i++) dx[i] *= (1 - y[i] * part) * (1 + y[i] * part);
}

void soft_cap_bwd_cpu(const backend *be, param *dx, const param *y, double cap, int64_t count)
{
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(static) if (count > CPU_ALONE)
    for (int64_t i = 0; i < count; i += BLOCK)
        uncap_row((float *)dx + i, (const float *)y + i, (float)cap, least(BLOCK, count - i));
}

SIMD static double block_squares(const float *x, int64_t n)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
    return sum;
}

/* There are at most PARTS partial sums, whose bounds depend on count alone; they are added in
 * order. */
double sum_squares_cpu(const backend *be, const param *x, int64_t count)
{
    enum { PARTS = 256 };
    int64_t part = count / PARTS + 1 > BLOCK ? count / PARTS + 1 : BLOCK, parts = (count + part - 1) / part;
    double  sums[PARTS], total                                                  = 0;
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(static) if (count > CPU_ALONE)
    for (int64_t i = 0; i < parts; i++)
        sums[i] = block_squares((const float *)x + i * part, least(part, count - i * part));
    for (int64_t i = 0; i < parts; i++) total += sums[i];
    return total;
}

/* The constants of one AdamW step, rounded once. */
typedef struct {
    /* rest = 1 - beta; root = 1 / sqrt(1 - beta2^step) */
    float rate, decay, clip, beta1, rest1, beta2, rest2, root, eps;
} adamw_step;

SIMD static void adamw_block(float *p, float *m, float *v, const float *g, int64_t n, adamw_step s)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float gi = g[i] * s.clip, mi = s.beta1 * m[i] + s.rest1 * gi, vi = s.beta2 * v[i] + s.rest2 * gi * gi;
        p[i] = (p[i] - s.decay * p[i]) - s.rate * mi / (sqrtf(vi) * s.root + s.eps);
        m[i] = mi;
        v[i] = vi;
    }
}

void adamw_cpu(const backend *be, param *p, param *m, param *v, const param *g, int64_t count, adamw_params h)
{
    double     c1 = 1 - pow(h.beta1, (double)h.step), c2 = 1 - pow(h.beta2, (double)h.step);
    adamw_step s = { .rate  = (float)(h.lr / c1),
                     .decay = (float)(h.lr * h.weight_decay),
                     .clip  = (float)h.clip,
                     .beta1 = (float)h.beta1,
                     .rest1 = (float)(1 - h.beta1),
                     .beta2 = (float)h.beta2,
                     .rest2 = (float)(1 - h.beta2),
                     .root  = (float)(1 / sqrt(c2)),
                     .eps   = (float)h.eps };
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(static) if (count > CPU_ALONE)
    for (int64_t i = 0; i < count; i += BLOCK)
        adamw_block((float *)p + i, (float *)m + i, (float *)v + i, (const float *)g + i, least(BLOCK, count - i), s);
}
