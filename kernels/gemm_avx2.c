/* The register tile for AVX2 and FMA: 6 rows of two vectors. Masks leave out columns that are not
 * there. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/gemm.h"
#include "kernels/unroll.h"

enum { ROWS = 6, LANES = 8 };
#define AVX2 __attribute__((target("avx2,fma")))

/* Lanes below n are all ones. */
AVX2 static inline __m256i lanes_below(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* m and vectors are constants at each call below, so that the accumulators live in registers. */
__attribute__((always_inline)) AVX2 static inline void tile_of(float *C, int64_t ldc, const float *start,
                                                               int64_t ld_start, const float *A, int64_t a_row,
                                                               int64_t a_col, const float *B, int64_t ldb, int64_t k,
                                                               const int m, const int vectors, __m256i last)
{
    __m256  acc[ROWS][2];
    __m256i first = vectors == 2 ? lanes_below(LANES) : last;
    UNROLL
    for (int i = 0; i < m; i++) {
        acc[i][0] = start ? _mm256_maskload_ps(start + i * ld_start, first) : _mm256_setzero_ps();
        if (vectors == 2)
            acc[i][1] = start ? _mm256_maskload_ps(start + i * ld_start + LANES, last) : _mm256_setzero_ps();
    }
    for (int64_t step = 0; step < k; step++, A += a_col, B += ldb) {
        __m256 b0 = _mm256_maskload_ps(B, first), b1 = vectors == 2 ? _mm256_maskload_ps(B + LANES, last) : b0;
        UNROLL
        for (int i = 0; i < m; i++) {
            __m256 a  = _mm256_broadcast_ss(A + i * a_row);
            acc[i][0] = _mm256_fmadd_ps(a, b0, acc[i][0]);
            if (vectors == 2) acc[i][1] = _mm256_fmadd_ps(a, b1, acc[i][1]);
        }
    }
    UNROLL
    for (int i = 0; i < m; i++) {
        _mm256_maskstore_ps(C + i * ldc, first, acc[i][0]);
        if (vectors == 2) _mm256_maskstore_ps(C + i * ldc + LANES, last, acc[i][1]);
    }
}

#define ROW_CASE(M)                                                                                                    \
    case M:                                                                                                            \
        if (n > LANES)                                                                                                 \
            tile_of(C, ldc, start, ld_start, A, a_row, a_col, B, ldb, k, M, 2, last);                                  \
        else                                                                                                           \
            tile_of(C, ldc, start, ld_start, A, a_row, a_col, B, ldb, k, M, 1, last);                                  \
        break;

AVX2 static void tile(float *C, int64_t ldc, const float *start, int64_t ld_start, const float *A, int64_t a_row,
                      int64_t a_col, const float *B, int64_t ldb, int64_t k, int m, int n)
{
    __m256i last = lanes_below(n > LANES ? n - LANES : n);
    switch (m) {
        ROW_CASE(1)
        ROW_CASE(2)
        ROW_CASE(3)
        ROW_CASE(4)
        ROW_CASE(5)
        ROW_CASE(6)
    }
}

/* 8 x 8 in registers: pairs, then fours within 128-bit lanes, then the lanes. */
__attribute__((always_inline)) AVX2 static inline void transpose_8(__m256 r[8])
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

AVX2 static void transpose(float *to, int64_t cols_to, const float *from, int64_t ld, int m, int64_t count)
{
    for (int i = 0; i < m; i += 8) {
        int     rows = m - i < 8 ? m - i : 8;
        __m256i keep = lanes_below(rows);
        for (int64_t k = 0; k < count; k += 8) {
            int     steps = count - k < 8 ? (int)(count - k) : 8;
            __m256i part  = lanes_below(steps);
            __m256  r[8];
            for (int j = 0; j < 8; j++)
                r[j] = j < rows ? _mm256_maskload_ps(from + (i + j) * ld + k, part) : _mm256_setzero_ps();
            transpose_8(r);
            for (int j = 0; j < steps; j++) _mm256_maskstore_ps(to + (k + j) * cols_to + i, keep, r[j]);
        }
    }
}

const gemm_isa gemm_avx2 = { ROWS, 2 * LANES, tile, transpose, 0, 0, NULL };
#else
typedef int gemm_needs_x86;
#endif
