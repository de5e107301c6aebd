/* The register tile for AVX-512: 14 rows of two vectors. Their 28 accumulators, two vectors of B
 * and a broadcast value fill 31 of the 32 registers. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>

#include "kernels/unroll.h"

enum { ROWS = 14, LANES = 16 };
#define ISA __attribute__((target("avx512f")))
#define INLINE __attribute__((always_inline)) ISA static inline
typedef __m512    vector;
typedef __mmask16 mask;

INLINE mask   lanes_below(int n) { return (mask)(0xffff >> (LANES - n)); }
INLINE vector zero(void) { return _mm512_setzero_ps(); }
INLINE vector load(const float *p, mask keep) { return _mm512_maskz_loadu_ps(keep, p); }
INLINE void   store(float *p, mask keep, vector v) { _mm512_mask_storeu_ps(p, keep, v); }
INLINE vector broadcast(const float *p) { return _mm512_set1_ps(*p); }
INLINE vector multiply_add(vector a, vector b, vector sum) { return _mm512_fmadd_ps(a, b, sum); }

/* 16 x 16 in registers: pairs, then fours within 128-bit lanes, then the lanes. */
INLINE void transpose_block(__m512 r[16])
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

#include "kernels/gemm_tile_private.h"

/* B comes from memory, so each row is prefetched AHEAD floats before it is used; near its end, the
 * start of the row that comes next, 16 rows further, is prefetched instead. */
enum { FEW_ROWS = 8, AHEAD = 64 };

INLINE void few_of(float *C, int64_t ldc, const float *start, int64_t ld_start, const float *A, int64_t a_row,
                   const float *B, int64_t ldb, int64_t k, const int m, int n)
{
    mask   keep = lanes_below(n);
    vector acc[FEW_ROWS], r[LANES];
    UNROLL
    for (int i = 0; i < m; i++) acc[i] = start ? load(start + i * ld_start, keep) : zero();
    for (int64_t k0 = 0; k0 < k; k0 += LANES) {
        int       steps = k - k0 < LANES ? (int)(k - k0) : LANES;
        mask      part  = lanes_below(steps);
        uintptr_t next  = (uintptr_t)B +
                         sizeof(float) * (size_t)(k0 + AHEAD < k ? k0 + AHEAD : k0 + AHEAD - k + LANES * ldb);
        UNROLL
        for (int j = 0; j < LANES; j++) {
            int64_t row = (j < n ? j : 0) * ldb;
            r[j]        = load(B + row + k0, part);
            _mm_prefetch((const char *)(next + sizeof(float) * (size_t)row), _MM_HINT_T0);
        }
        transpose_block(r);
        UNROLL
        for (int j = 0; j < LANES; j++) {
            if (j >= steps) break;
            UNROLL
            for (int i = 0; i < m; i++) acc[i] = multiply_add(broadcast(A + i * a_row + k0 + j), r[j], acc[i]);
        }
    }
    UNROLL
    for (int i = 0; i < m; i++) store(C + i * ldc, keep, acc[i]);
}

#define FEW_CASE(M)                                                                                                    \
    case M: few_of(C, ldc, start, ld_start, A, a_row, B, ldb, k, M, n); break;

ISA static void few(float *C, int64_t ldc, const float *start, int64_t ld_start, const float *A, int64_t a_row,
                    const float *B, int64_t ldb, int64_t k, int m, int n)
{
    switch (m) {
        EACH_COUNT_TO_8(FEW_CASE)
    }
}

const gemm_isa gemm_avx512 = { ROWS, 2 * LANES, tile, transpose, FEW_ROWS, LANES, few };
#else
typedef int gemm_needs_x86;
#endif
