/* The register tile and the transposing copy of kernels/gemm.h, written once for every vector
 * width. The file that includes this one defines:
 *
 *   ROWS, LANES                   rows of the tile, floats of a vector; the tile has two vectors of columns
 *   INLINE, ISA                   attributes of an inlined function, and of one that is called
 *   vector, mask                  types; a mask says which lanes are there
 *   lanes_below(n)                the mask of lanes 0 .. n-1, for n from 1 to LANES
 *   load, store, zero, broadcast, multiply_add, transpose_block */
#ifndef TIEBREAK_KERNELS_GEMM_TILE_PRIVATE_H
#define TIEBREAK_KERNELS_GEMM_TILE_PRIVATE_H
#include "kernels/gemm.h"
#include "kernels/unroll.h"

/* m and vectors are constants at each call below, so that the accumulators live in registers. */
INLINE void tile_of(float *C, int64_t ldc, const float *start, int64_t ld_start, const float *A, int64_t a_row,
                    int64_t a_col, const float *B, int64_t ldb, int64_t k, const int m, const int vectors, mask last)
{
    vector acc[ROWS][2];
    mask   first = vectors == 2 ? lanes_below(LANES) : last;
    UNROLL
    for (int i = 0; i < m; i++) {
        acc[i][0] = start ? load(start + i * ld_start, first) : zero();
        if (vectors == 2) acc[i][1] = start ? load(start + i * ld_start + LANES, last) : zero();
    }
    for (int64_t step = 0; step < k; step++, A += a_col, B += ldb) {
        vector b0 = load(B, first), b1 = vectors == 2 ? load(B + LANES, last) : b0;
        UNROLL
        for (int i = 0; i < m; i++) {
            vector a  = broadcast(A + i * a_row);
            acc[i][0] = multiply_add(a, b0, acc[i][0]);
            if (vectors == 2) acc[i][1] = multiply_add(a, b1, acc[i][1]);
        }
    }
    UNROLL
    for (int i = 0; i < m; i++) {
        store(C + i * ldc, first, acc[i][0]);
        if (vectors == 2) store(C + i * ldc + LANES, last, acc[i][1]);
    }
}

/* A width of fewer rows leaves the cases behind its last one out. */
#define ROW_CASE(M)                                                                                                    \
    case M:                                                                                                            \
        if (M <= ROWS && n > LANES) tile_of(C, ldc, start, ld_start, A, a_row, a_col, B, ldb, k, M, 2, last);          \
        if (M <= ROWS && n <= LANES) tile_of(C, ldc, start, ld_start, A, a_row, a_col, B, ldb, k, M, 1, last);         \
        break;
#define EACH_COUNT_TO_8(CASE) CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8)
#define EACH_COUNT_TO_14(CASE) EACH_COUNT_TO_8(CASE) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)

ISA static void tile(float *C, int64_t ldc, const float *start, int64_t ld_start, const float *A, int64_t a_row,
                     int64_t a_col, const float *B, int64_t ldb, int64_t k, int m, int n)
{
    mask last = lanes_below(n > LANES ? n - LANES : n);
    switch (m) {
        EACH_COUNT_TO_14(ROW_CASE)
    }
}

ISA static void transpose(float *to, int64_t cols_to, const float *from, int64_t ld, int m, int64_t count)
{
    for (int i = 0; i < m; i += LANES) {
        int  rows = m - i < LANES ? m - i : LANES;
        mask keep = lanes_below(rows);
        for (int64_t k = 0; k < count; k += LANES) {
            int    steps = count - k < LANES ? (int)(count - k) : LANES;
            mask   part  = lanes_below(steps);
            vector r[LANES];
            for (int j = 0; j < LANES; j++) r[j] = j < rows ? load(from + (i + j) * ld + k, part) : zero();
            transpose_block(r);
            for (int j = 0; j < LANES; j++)
                if (j < steps) store(to + (k + j) * cols_to + i, keep, r[j]);
        }
    }
}
#endif
