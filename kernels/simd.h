/* For loops the compiler vectorises: SIMD before a function makes a version of it for AVX-512,
 * AVX2 and the plain CPU, chosen when the program starts. No OpenMP regions inside such a
 * function: the compiler takes their bodies out before it makes the versions.
 *
 * exp_f32: e^x in f32, branch-free. Error at most 1.5e-7 relative for x in [-87.3, 88.3]
 * (kernels/simd_test.c); 0 below and Inf above; NaN stays. Range reduction and polynomial of
 * Cephes (Moshier 1992, expf). */
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
