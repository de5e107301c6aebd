/* Rotary position embedding on the CPU. Contract: kernels/rope.h. */
#include "kernels/cpu.h"
#include "kernels/simd.h"

SIMD static void rotate_heads(float *x, const float *c, const float *s, float sign, int64_t heads, int64_t ldh,
                              int64_t half)
{
    for (int64_t h = 0; h < heads; h++, x += ldh) {
        float *low = x, *high = x + half;
#pragma omp simd
        for (int64_t i = 0; i < half; i++) {
            float a = low[i], b = high[i], sine = sign * s[i];
            low[i]  = a * c[i] - b * sine;
            high[i] = b * c[i] + a * sine;
        }
    }
}

void rope_cpu(const backend *be, real *x, const int32_t *pos, const param *table, rope_dims d, bool inverse)
{
    int64_t width = d.heads * d.head_dim, half = d.head_dim / 2;
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(static) if (d.n * width > CPU_ALONE)
    for (int64_t t = 0; t < d.n; t++) {
        const float *c = (const float *)table + pos[t] * d.head_dim;
        rotate_heads((float *)x + t * d.ldx, c, c + half, inverse ? -1 : 1, d.heads, d.ldh, half);
    }
}
