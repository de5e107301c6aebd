/* The register tile in plain C: 4 rows of 8 columns, for any CPU. */
#include <stddef.h>

#include "kernels/gemm.h"

enum { ROWS = 4, COLS = 8 };

static void tile(float *C, int64_t ldc, const float *start, int64_t ld_start, const float *A, int64_t a_row,
                 int64_t a_col, const float *B, int64_t ldb, int64_t k, int m, int n)
{
    float acc[ROWS][COLS] = { 0 };
    for (int i = 0; i < m && start; i++)
        for (int j = 0; j < n; j++) acc[i][j] = start[i * ld_start + j];
    for (int64_t step = 0; step < k; step++, A += a_col, B += ldb)
        for (int i = 0; i < m; i++) {
            float a = A[i * a_row];
            if (n == COLS)
                for (int j = 0; j < COLS; j++) acc[i][j] += a * B[j];
            else
                for (int j = 0; j < n; j++) acc[i][j] += a * B[j];
        }
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) C[i * ldc + j] = acc[i][j];
}

static void transpose(float *to, int64_t cols_to, const float *from, int64_t ld, int m, int64_t count)
{
    for (int64_t k = 0; k < count; k++)
        for (int i = 0; i < m; i++) to[k * cols_to + i] = from[i * ld + k];
}

const gemm_isa gemm_portable = { ROWS, COLS, tile, transpose, 0, 0, NULL };
