#include "kernels/nf4.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "core/memory.h"

/* QLoRA's appendix E: means of neighbouring quantiles of N(0, 1), scaled to -1 .. 1, with 0. */
const float nf4_values[16] = { -1.0f,
                               -0.6961928009986877f,
                               -0.5250730514526367f,
                               -0.39491748809814453f,
                               -0.28444138169288635f,
                               -0.18477343022823334f,
                               -0.09105003625154495f,
                               0.0f,
                               0.07958029955625534f,
                               0.16093020141124725f,
                               0.24611230194568634f,
                               0.33791524171829224f,
                               0.44070982933044434f,
                               0.5626170039176941f,
                               0.7229568362236023f,
                               1.0f };

/* --- the 256 values of a scale: 0, 1, and of both signs 10^(i - 6), i = 0 .. 6, times the centres
 * of 2^i equal parts of 0.1 .. 1 (Dettmers 2015, arXiv 1511.04561, as bitsandbytes makes it) */

static float          scale_values[256];
static pthread_once_t scale_once = PTHREAD_ONCE_INIT;

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The ends of the parts as torch.linspace gives them in f32: counted from the nearer end, each step
 * rounded once. */
static float part_end(int i, int parts)
{
    const float low = 0.1f, high = 1, step = (high - low) / (float)parts;
    return i < (parts + 1) / 2 ? fmaf(step, (float)i, low) : fmaf(-step, (float)(parts - i), high);
}

static void make_scale_values(void)
{
    int n             = 0;
    scale_values[n++] = 0;
    scale_values[n++] = 1;
    for (int i = 0; i < 7; i++) {
        const int parts = 1 << i;
        for (int k = 0; k < parts; k++) {
            const float centre = (part_end(k, parts) + part_end(k + 1, parts)) / 2;
            const float value  = (float)pow(10, i - 6) * centre;
            scale_values[n++]  = value;
            scale_values[n++]  = -value;
        }
    }
    qsort(scale_values, 256, sizeof *scale_values, ascending);
}

const float *nf4_scale_values(void)
{
    pthread_once(&scale_once, make_scale_values);
    return scale_values;
}

/* --- quantising */

/* The nearest of n ascending values; a tie goes to the lower. The middles are f32. */
static uint8_t nearest(const float *values, int n, float x)
{
    int low = 0, high = n - 1; /* the code lies in low .. high */
    while (low < high) {
        const int middle = (low + high) / 2;
        if (x > (values[middle] + values[middle + 1]) / 2)
            low = middle + 1;
        else
            high = middle;
    }
    return (uint8_t)low;
}

static float largest(const float *x, int64_t n)
{
    float most = 0;
    for (int64_t i = 0; i < n; i++) most = fmaxf(most, fabsf(x[i]));
    return most;
}

static int64_t part_of(int64_t from, int64_t part, int64_t n) { return n - from < part ? n - from : part; }

static void quantise_scales(nf4 *q, float *scales)
{
    const int64_t blocks = nf4_blocks(q->n);
    double        sum    = 0;
    for (int64_t b = 0; b < blocks; b++) sum += scales[b];
    q->mean = (float)sum / (float)blocks; /* as an f32 mean rounds, but for the order of the sum */
    for (int64_t b = 0; b < blocks; b++) scales[b] -= q->mean;
    for (int64_t at = 0; at < blocks; at += NF4_SCALE_BLOCK) {
        const int64_t n                = part_of(at, NF4_SCALE_BLOCK, blocks);
        const float   outer            = largest(scales + at, n);
        q->outer[at / NF4_SCALE_BLOCK] = outer;
        for (int64_t b = at; b < at + n; b++)
            q->scales[b] = nearest(nf4_scale_values(), 256, outer > 0 ? scales[b] / outer : 0);
    }
}

void nf4_quantise(nf4 *out, const float *w, int64_t n)
{
    float *scales = mem_alloc((size_t)nf4_blocks(n), sizeof *scales);
    *out          = (nf4) { .n      = n,
                            .packed = mem_alloc((size_t)(n + 1) / 2, 1),
                            .scales = mem_alloc((size_t)nf4_blocks(n), 1),
                            .outer  = mem_alloc((size_t)nf4_outer(n), sizeof *out->outer) };
    for (int64_t at = 0; at < n; at += NF4_BLOCK) {
        const int64_t count = part_of(at, NF4_BLOCK, n);
        const float   most = largest(w + at, count), inverse = most > 0 ? 1 / most : 0;
        scales[at / NF4_BLOCK] = most;
        for (int64_t i = at; i < at + count; i++) {
            const uint8_t code = nearest(nf4_values, 16, w[i] * inverse);
            out->packed[i / 2] |= (uint8_t)(i % 2 ? code : code << 4);
        }
    }
    if (n % 2) out->packed[n / 2] |= 7;
    quantise_scales(out, scales);
    free(scales);
}

void nf4_free(nf4 *q)
{
    free(q->packed);
    free(q->scales);
    free(q->outer);
    *q = (nf4) { 0 };
}

/* --- reading */

static float scale_of(const nf4 *q, int64_t block)
{
    const float product = nf4_scale_values()[q->scales[block]] * q->outer[block / NF4_SCALE_BLOCK];
    return product + q->mean;
}

/* A whole block: to [64] from packed [32]. */
typedef void block_reader(float *to, const uint8_t *packed, float scale);

static void read_block(float *to, const uint8_t *packed, float scale)
{
    for (int i = 0; i < NF4_BLOCK / 2; i++) {
        to[2 * i]     = nf4_values[packed[i] >> 4] * scale;
        to[2 * i + 1] = nf4_values[packed[i] & 15] * scale;
    }
}

#if defined(__x86_64__)
/* Eight weights at a time: both halves of the table stand in registers, and a code's highest bit
 * chooses between what they give. */
__attribute__((target("avx2"))) static void read_block_avx2(float *to, const uint8_t *packed, float scale)
{
    const __m256  low = _mm256_loadu_ps(nf4_values), high = _mm256_loadu_ps(nf4_values + 8), s = _mm256_set1_ps(scale);
    const __m256i shifts = _mm256_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24); /* to a byte's high bits, then its low */
    for (int i = 0; i < NF4_BLOCK / 2; i += 4) {
        int32_t four;
        memcpy(&four, packed + i, sizeof four);
        const __m256i code     = _mm256_srlv_epi32(_mm256_set1_epi32(four), shifts);
        const __m256  from_low = _mm256_permutevar8x32_ps(low, code), from_high = _mm256_permutevar8x32_ps(high, code);
        const __m256  value = _mm256_blendv_ps(from_low, from_high, _mm256_castsi256_ps(_mm256_slli_epi32(code, 28)));
        _mm256_storeu_ps(to + 2 * i, _mm256_mul_ps(value, s));
    }
}
#endif

static block_reader *best_reader(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) return read_block_avx2;
#endif
    return read_block;
}

void nf4_read(float *to, const nf4 *q, int64_t from, int64_t count)
{
    block_reader *const whole = best_reader();
    for (int64_t at = from; at < from + count;) {
        const int64_t block = at / NF4_BLOCK, end = (block + 1) * NF4_BLOCK;
        const int64_t until = end < from + count ? end : from + count;
        const float   scale = scale_of(q, block);
        if (until - at == NF4_BLOCK) {
            whole(to + (at - from), q->packed + at / 2, scale);
            at = until;
        }
        for (; at < until; at++) to[at - from] = nf4_values[q->packed[at / 2] >> (at % 2 ? 0 : 4) & 15] * scale;
    }
}
