/* Skinny matrix products in f32 with any strides, and sums of partial results: what pair,
 * linear's bias and the norms share.
 *
 *     C [m, n] = or += sum over k of A(m, k) B(k, n),   A(i, k) = A[i a_row + k a_col],  B(k, j) = B[k b_row + j b_col]
 *
 * A product with few outputs and a long k is cut along k so that it fills a GPU, and its parts are
 * added in order. The cuts depend on the shape alone, so a call gives the same bits on any GPU. */
#ifndef TIEBREAK_KERNELS_CUDA_PRODUCT_H
#define TIEBREAK_KERNELS_CUDA_PRODUCT_H
#include "kernels/cuda/device.h"

typedef struct {
    int64_t      m, n, k;
    const float *A;
    int64_t      a_row, a_col;
    const float *B;
    int64_t      b_row, b_col;
    float       *C;
    int64_t      ldc;
    bool         accumulate;
} product;

void cuda_product(const product *p);

/* to [rows, cols], row stride ld: the sum of parts [count][rows][cols] in order; accumulate: += */
void cuda_add_parts(float *to, int64_t ld, const float *parts, int64_t count, int64_t rows, int64_t cols,
                    bool accumulate);

/* How column sums over n rows are cut: count runs of `rows` rows. */
typedef struct {
    int64_t count, rows;
} row_parts;
row_parts row_parts_of(int64_t n);
#endif
