/* For loops the compiler vectorises: SIMD before a function makes a version of it for AVX-512,
 * AVX2 and the plain CPU, chosen when the program starts. No OpenMP regions inside such a
 * function: the compiler takes their bodies out before it makes the versions.
 *
 * exp_f32, tanh_f32, normal_f32. exp_f32: e^x in f32, branch-free. Error at most 1.5e-7
 * relative for x in [-87.3, 88.3] (kernels/simd_test.c); 0 below and Inf above; NaN stays.
 * Range reduction and polynomial of Cephes (Moshier 1992, expf). */
#ifndef TIEBREAK_KERNELS_SIMD_H
#define TIEBREAK_KERNELS_SIMD_H
#include <math.h>
#include <stdint.h>
#include <string.h>

/* Not under clang: version 14 gives the resolvers of static functions global names, and two
 * files then clash. It builds the plain version only. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define SIMD __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define SIMD
#endif

static inline float exp_f32(float x)
{
    /* 1.5 * 2^23: adding it leaves the nearest integer in the low bits */
    const float shift = 12582912.0f;
    float       in    = x < -87.3f  ? -87.3f
                        : x > 88.3f ? 88.3f
                                    : x,
          shifted = in * 1.44269504088896341f + shift, n = shifted - shift;
    /* ln 2 in two pieces, the first short enough for n times it to be exact */
    float r    = (in - n * 0.693359375f) + n * 2.12194440e-4f;
    float p    = 1.9875691500e-4f;
    p          = p * r + 1.3981999507e-3f;
    p          = p * r + 8.3334519073e-3f;
    p          = p * r + 4.1665795894e-2f;
    p          = p * r + 1.6666665459e-1f;
    p          = p * r + 5.0000001201e-1f;
    float    y = p * (r * r) + r + 1;
    uint32_t bits, exponent;
    memcpy(&bits, &y, 4);
    memcpy(&exponent, &shifted, 4);
    bits += exponent << 23;
    memcpy(&y, &bits, 4);
    y = x < -87.3f ? 0 : y;
    return x > 88.3f ? INFINITY : y;
}

/* tanh in f32, branch-free: Cephes' polynomial near 0 (Moshier 1992, tanhf), an exponential beyond.
 * Error at most 3e-7 relative (kernels/simd_test.c). */
static inline float tanh_f32(float x)
{
    float size = fabsf(x), z = x * x, p = -5.70498872745e-3f;
    p          = p * z + 2.06390887954e-2f;
    p          = p * z - 5.37397155531e-2f;
    p          = p * z + 1.33314422036e-1f;
    p          = p * z - 3.33332819422e-1f;
    float near = p * z * x + x, far = copysignf(1 - 2 / (exp_f32(2 * size) + 1), x);
    return size < 0.625f ? near : far;
}

/* The normal distribution Phi(x) in f32, branch-free, by the approximation of erfc in Press et al.,
 * Numerical Recipes (erfcc), whose error is relative. Error at most 4e-6 relative for x in [-6,
 * 6], 2.5e-7 absolute (kernels/simd_test.c). */
static inline float normal_f32(float x)
{
    const float u = fabsf(x) * 0.707106781f, t = 1 / (1 + 0.5f * u);
    float       p    = 0.17087277f;
    p                = p * t - 0.82215223f;
    p                = p * t + 1.48851587f;
    p                = p * t - 1.13520398f;
    p                = p * t + 0.27886807f;
    p                = p * t - 0.18628806f;
    p                = p * t + 0.09678418f;
    p                = p * t + 0.37409196f;
    p                = p * t + 1.00002368f;
    p                = p * t - 1.26551223f;
    const float tail = 0.5f * t * exp_f32(-u * u) * exp_f32(p);
    return x < 0 ? tail : 1 - tail;
}

/* The largest of n numbers, -Inf for none; NaNs are passed over. In lanes spelt out: a maximum
 * over floats that may be NaN is a reduction that not every compiler vectorises. */
static inline float max_f32(const float *x, int64_t n)
{
    enum { LANES = 64 };
    float   lane[LANES], max = -INFINITY;
    int64_t whole = n - n % LANES;
    for (int i = 0; i < LANES; i++) lane[i] = -INFINITY;
    for (int64_t j = 0; j < whole; j += LANES)
        for (int i = 0; i < LANES; i++) lane[i] = x[j + i] > lane[i] ? x[j + i] : lane[i];
    for (int i = 0; i < LANES; i++) max = lane[i] > max ? lane[i] : max;
    for (int64_t j = whole; j < n; j++) max = x[j] > max ? x[j] : max;
    return max;
}
#endif
