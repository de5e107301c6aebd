/* gemm: C = start + A B in f32, the one product under linear, pair and attention.
 *
 * Every output is one chain of fused multiply-adds over k = 0, 1, ... (start first), whatever
 * the shape, the blocking, the number of rows beside it or of threads: the same row gives the
 * same bits at batch 1, 7 and 64. (On a CPU without FMA each step is a multiply and an add.)
 *
 * Any strides: A(i, k) = A[i * a_row + k * a_col], B(k, j) = B[k * b_row + j * b_col]; one
 * stride of each is 1. */
#ifndef TIEBREAK_KERNELS_GEMM_H
#define TIEBREAK_KERNELS_GEMM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/real.h"

typedef struct {
    int64_t      m, n, k;
    float       *C;
    int64_t      ldc;
    const float *start; /* C itself: accumulate; [n] with ld_start 0: one row for all; NULL: zero */
    int64_t      ld_start;
    const float *A;
    int64_t      a_row, a_col;
    const float *B;
    int64_t      b_row, b_col;
} gemm_args;

/* One factor of a product as it is read: element (i, k) is p[i * row + k * col]. */
typedef struct {
    const float *p;
    int64_t      row, col;
} gemm_factor;
/* A matrix with row stride ld as it lies in memory, and its transpose. */
static inline gemm_factor plain(const float *p, int64_t ld) { return (gemm_factor) { p, ld, 1 }; }
static inline gemm_factor transposed(const float *p, int64_t ld) { return (gemm_factor) { p, 1, ld }; }

/* C [m, n] = A B, to which `start` may be set; and C += A B. */
static inline gemm_args gemm_of(int64_t m, int64_t n, int64_t k, float *C, int64_t ldc, gemm_factor A, gemm_factor B)
{
    return (gemm_args) { m, n, k, C, ldc, NULL, 0, A.p, A.row, A.col, B.p, B.row, B.col };
}
static inline gemm_args gemm_added(int64_t m, int64_t n, int64_t k, float *C, int64_t ldc, gemm_factor A, gemm_factor B)
{
    return (gemm_args) { m, n, k, C, ldc, C, ldc, A.p, A.row, A.col, B.p, B.row, B.col };
}

/* On all threads of the backend. */
void gemm(const backend *be, const gemm_args *g);
/* On the calling thread alone, from inside a parallel region; scratch of gemm_scratch() floats. */
void    gemm_serial(const gemm_args *g, float *scratch);
int64_t gemm_scratch(void);

/* What one instruction set brings: a register tile of rows x cols and a transposing copy. */
typedef struct {
    int rows, cols;
    /* C [m, n] = start + A B for m <= rows, n <= cols. B(k, j) = B[k * ldb + j]; nothing past
     * column n is read or written. start as above. */
    void (*tile)(float *C, int64_t ldc, const float *start, int64_t ld_start, const float *A, int64_t a_row,
                 int64_t a_col, const float *B, int64_t ldb, int64_t k, int m, int n);
    /* to[k * cols_to + i] = from[i * ld + k] for i < m <= cols_to, k < count. */
    void (*transpose)(float *to, int64_t cols_to, const float *from, int64_t ld, int m, int64_t count);
    /* The product of a few rows with a transposed B, B(k, j) = B[j * ldb + k], read once and
     * transposed in registers on its way: C [m, n] for
     * m <= few_rows, n <= few_cols, contiguous rows of A. The same chains, so the same bits, as
     * tile. few_rows 0: there is none. */
    int few_rows, few_cols;
    void (*few)(float *C, int64_t ldc, const float *start, int64_t ld_start, const float *A, int64_t a_row,
                const float *B, int64_t ldb, int64_t k, int m, int n);
} gemm_isa;
extern const gemm_isa gemm_portable;
#if defined(__x86_64__)
extern const gemm_isa gemm_avx2, gemm_avx512;
#endif
const gemm_isa *gemm_best(void); /* the one in use: what the CPU has, or what gemm_use set */
/* For tests: use the tile of a smaller instruction set (0 portable, 1 AVX2, 2 AVX-512); false
 * where the CPU lacks it. */
bool gemm_use(int level);
#endif
