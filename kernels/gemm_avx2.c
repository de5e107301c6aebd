/* The register tile for AVX2 and FMA: 6 rows of two vectors. Masks leave out columns that are not
 * there. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>

enum { ROWS = 6, LANES = 8 };
#define ISA __attribute__((target("avx2,fma")))
#define INLINE __attribute__((always_inline)) ISA static inline
typedef __m256  vector;
typedef __m256i mask;

/* The lanes that are there are all ones. */
INLINE mask lanes_below(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE vector zero(void) { return _mm256_setzero_ps(); }
INLINE vector load(const float *p, mask keep) { return _mm256_maskload_ps(p, keep); }
INLINE void   store(float *p, mask keep, vector v) { _mm256_maskstore_ps(p, keep, v); }
INLINE vector broadcast(const float *p) { return _mm256_broadcast_ss(p); }
INLINE vector multiply_add(vector a, vector b, vector sum) { return _mm256_fmadd_ps(a, b, sum); }

/* 8 x 8 in registers: pairs, then fours within 128-bit lanes, then the lanes. */
INLINE void transpose_block(__m256 r[8])
{
    __m256 t[8];
    for (int i = 0; i < 8; i += 2) {
        t[i]     = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i]     = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        t[i]     = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
        t[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
    }
    for (int i = 0; i < 8; i++) r[i] = t[i];
}

#include "kernels/gemm_tile_private.h"

const gemm_isa gemm_avx2 = { ROWS, 2 * LANES, tile, transpose, 0, 0, NULL };
#else
typedef int gemm_needs_x86;
#endif
