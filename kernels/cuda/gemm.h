/* Products by cuBLAS, row-major: C [m, n] = or += A [m, k] B [k, n], of f32 or bf16, sums in
 * f32. bf16 goes to tensor cores.
 *
 * The same call gives the same bits on the same GPU and cuBLAS: one stream, one workspace of its
 * own (device.cu), no atomics, and no partial sums in bf16. A row's bits may change with the
 * number of rows: cuBLAS picks its kernel by shape. */
#ifndef TIEBREAK_KERNELS_CUDA_GEMM_H
#define TIEBREAK_KERNELS_CUDA_GEMM_H
#include "kernels/cuda/device.h"

/* PLAIN: stored as the product names it. TRANSPOSED: A is stored as [k, m], B as [n, k]. */
typedef enum { PLAIN, TRANSPOSED } gemm_layout;

typedef struct {
    int64_t      m, n, k;
    const void  *A;
    int64_t      lda; /* row stride of what is stored */
    gemm_layout  a;
    const void  *B;
    int64_t      ldb;
    gemm_layout  b;
    void        *C;
    int64_t      ldc;
    bool         accumulate;
    cudaDataType in, out; /* of A and B, of C */
} gemm;

void cuda_gemm(const gemm *g);
/* The same for products in which the rank is one of the dimensions: in f32 our own kernels do them
 * (kernels/cuda/product.h). */
void cuda_skinny(const gemm *g);
#endif
