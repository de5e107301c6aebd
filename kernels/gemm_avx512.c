/* The register tile for AVX-512: 14 rows of two vectors. Their 28 accumulators, two vectors of B
 * and a broadcast value fill 31 of the 32 registers. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/gemm.h"
#include "kernels/unroll.h"

enum { ROWS = 14, LANES = 16 };
#define AVX512 __attribute__((target("avx512f")))

/* m and vectors are constants at each call below, so that the accumulators live in registers. */
__attribute__((always_inline)) AVX512 static inline void tile_of(float *C, int64_t ldc, const float *start,
                                                                 int64_t ld_start, const float *A, int64_t a_row,
                                                                 int64_t a_col, const float *B, int64_t ldb, int64_t k,
                                                                 const int m, const int vectors, __mmask16 last)
{
    __m512    acc[ROWS][2];
    __mmask16 first = vectors == 2 ? (__mmask16)0xffff : last;
    UNROLL
    for (int i = 0; i < m; i++) {
        acc[i][0] = start ? _mm512_maskz_loadu_ps(first, start + i * ld_start) : _mm512_setzero_ps();
        if (vectors == 2)
            acc[i][1] = start ? _mm512_maskz_loadu_ps(last, start + i * ld_start + LANES) : _mm512_setzero_ps();
    }
    for (int64_t step = 0; step < k; step++, A += a_col, B += ldb) {
        __m512 b0 = _mm512_maskz_loadu_ps(first, B), b1 = vectors == 2 ? _mm512_maskz_loadu_ps(last, B + LANES) : b0;
        UNROLL
        for (int i = 0; i < m; i++) {
            __m512 a  = _mm512_set1_ps(A[i * a_row]);
            acc[i][0] = _mm512_fmadd_ps(a, b0, acc[i][0]);
            if (vectors == 2) acc[i][1] = _mm512_fmadd_ps(a, b1, acc[i][1]);
        }
    }
    UNROLL
    for (int i = 0; i < m; i++) {
        _mm512_mask_storeu_ps(C + i * ldc, first, acc[i][0]);
        if (vectors == 2) _mm512_mask_storeu_ps(C + i * ldc + LANES, last, acc[i][1]);
    }
}

#define ROW_CASE(M)                                                                                                    \
    case M:                                                                                                            \
        if (n > LANES)                                                                                                 \
            tile_of(C, ldc, start, ld_start, A, a_row, a_col, B, ldb, k, M, 2, last);                                  \
        else                                                                                                           \
            tile_of(C, ldc, start, ld_start, A, a_row, a_col, B, ldb, k, M, 1, last);                                  \
        break;

AVX512 static void tile(float *C, int64_t ldc, const float *start, int64_t ld_start, const float *A, int64_t a_row,
                        int64_t a_col, const float *B, int64_t ldb, int64_t k, int m, int n)
{
    __mmask16 last = (__mmask16)(0xffff >> (n > LANES ? 2 * LANES - n : LANES - n));
    switch (m) {
        ROW_CASE(1)
        ROW_CASE(2)
        ROW_CASE(3)
        ROW_CASE(4)
        ROW_CASE(5)
        ROW_CASE(6)
        ROW_CASE(7)
        ROW_CASE(8)
        ROW_CASE(9)
        ROW_CASE(10)
        ROW_CASE(11)
        ROW_CASE(12)
        ROW_CASE(13)
        ROW_CASE(14)
    }
}

/* 16 x 16 in registers: pairs, then fours within 128-bit lanes, then the lanes. */
__attribute__((always_inline)) AVX512 static inline void transpose_16(__m512 r[16])
{
    __m512 t[16];
    UNROLL
    for (int i = 0; i < 16; i += 2) {
        t[i]     = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    UNROLL
    for (int i = 0; i < 16; i += 4) {
        __m512d a = _mm512_castps_pd(t[i]), b = _mm512_castps_pd(t[i + 1]), c = _mm512_castps_pd(t[i + 2]),
                d = _mm512_castps_pd(t[i + 3]);
        r[i]      = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
        r[i + 1]  = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
        r[i + 2]  = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
        r[i + 3]  = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        __m512 a = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88), b = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
        __m512 c = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88), d = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
        t[i]      = _mm512_shuffle_f32x4(a, c, 0x88);
        t[i + 8]  = _mm512_shuffle_f32x4(a, c, 0xdd);
        t[i + 4]  = _mm512_shuffle_f32x4(b, d, 0x88);
        t[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
    UNROLL
    for (int i = 0; i < 16; i++) r[i] = t[i];
}

AVX512 static void transpose(float *to, int64_t cols_to, const float *from, int64_t ld, int m, int64_t count)
{
    for (int i = 0; i < m; i += 16) {
        int       rows = m - i < 16 ? m - i : 16;
        __mmask16 keep = (__mmask16)(0xffff >> (16 - rows));
        for (int64_t k = 0; k < count; k += 16) {
            int       steps = count - k < 16 ? (int)(count - k) : 16;
            __mmask16 part  = (__mmask16)(0xffff >> (16 - steps));
            __m512    r[16];
            for (int j = 0; j < 16; j++)
                r[j] = j < rows ? _mm512_maskz_loadu_ps(part, from + (i + j) * ld + k) : _mm512_setzero_ps();
            transpose_16(r);
            for (int j = 0; j < 16; j++)
                if (j < steps) _mm512_mask_storeu_ps(to + (k + j) * cols_to + i, keep, r[j]);
        }
    }
}

/* B comes from memory, so each row is prefetched AHEAD floats before it is used; near its end, the
 * start of the row that comes next, 16 rows further, is prefetched instead. */
enum { FEW_ROWS = 8, AHEAD = 64 };

__attribute__((always_inline)) AVX512 static inline void few_of(float *C, int64_t ldc, const float *start,
                                                                int64_t ld_start, const float *A, int64_t a_row,
                                                                const float *B, int64_t ldb, int64_t k, const int m,
                                                                int n)
{
    __mmask16 keep = (__mmask16)(0xffff >> (LANES - n));
    __m512    acc[FEW_ROWS], r[LANES];
    UNROLL
    for (int i = 0; i < m; i++)
        acc[i] = start ? _mm512_maskz_loadu_ps(keep, start + i * ld_start) : _mm512_setzero_ps();
    for (int64_t k0 = 0; k0 < k; k0 += LANES) {
        int       steps = k - k0 < LANES ? (int)(k - k0) : LANES;
        __mmask16 part  = (__mmask16)(0xffff >> (LANES - steps));
        uintptr_t next  = (uintptr_t)B +
                         sizeof(float) * (size_t)(k0 + AHEAD < k ? k0 + AHEAD : k0 + AHEAD - k + LANES * ldb);
        UNROLL
        for (int j = 0; j < LANES; j++) {
            int64_t row = (j < n ? j : 0) * ldb;
            r[j]        = _mm512_maskz_loadu_ps(part, B + row + k0);
            _mm_prefetch((const char *)(next + sizeof(float) * (size_t)row), _MM_HINT_T0);
        }
        transpose_16(r);
        UNROLL
        for (int j = 0; j < LANES; j++) {
            if (j >= steps) break;
            UNROLL
            for (int i = 0; i < m; i++) acc[i] = _mm512_fmadd_ps(_mm512_set1_ps(A[i * a_row + k0 + j]), r[j], acc[i]);
        }
    }
    UNROLL
    for (int i = 0; i < m; i++) _mm512_mask_storeu_ps(C + i * ldc, keep, acc[i]);
}

#define FEW_CASE(M)                                                                                                    \
    case M: few_of(C, ldc, start, ld_start, A, a_row, B, ldb, k, M, n); break;

AVX512 static void few(float *C, int64_t ldc, const float *start, int64_t ld_start, const float *A, int64_t a_row,
                       const float *B, int64_t ldb, int64_t k, int m, int n)
{
    switch (m) {
        FEW_CASE(1)
        FEW_CASE(2)
        FEW_CASE(3)
        FEW_CASE(4)
        FEW_CASE(5)
        FEW_CASE(6)
        FEW_CASE(7)
        FEW_CASE(8)
    }
}

const gemm_isa gemm_avx512 = { ROWS, 2 * LANES, tile, transpose, FEW_ROWS, LANES, few };
#else
typedef int gemm_needs_x86;
#endif
