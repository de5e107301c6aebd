/* cuBLAS counts columns first, so a row-major array is its transpose there: C^T = B^T A^T.
 * Contract: kernels/cuda/gemm.h. */
#include "kernels/cuda/gemm.h"

#include "kernels/cuda/product.h"

void cuda_gemm(const gemm *g)
{
    const float             one = 1, beta = g->accumulate ? 1 : 0;
    const cublasOperation_t a = g->a == TRANSPOSED ? CUBLAS_OP_T : CUBLAS_OP_N,
                            b = g->b == TRANSPOSED ? CUBLAS_OP_T : CUBLAS_OP_N;
    if (g->m == 0 || g->n == 0 || cuda_failed()) return;
    BLAS_OK(cublasGemmEx_64(cuda->blas, b, a, g->n, g->m, g->k, &one, g->B, g->in, g->ldb, g->A, g->in, g->lda, &beta,
                            g->C, g->out, g->ldc, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT));
}

void cuda_skinny(const gemm *g)
{
    if (g->in != CUDA_R_32F) {
        cuda_gemm(g);
        return;
    }
    const int64_t a_row = g->a == PLAIN ? g->lda : 1, a_col = g->a == PLAIN ? 1 : g->lda,
                  b_row = g->b == PLAIN ? g->ldb : 1, b_col = g->b == PLAIN ? 1 : g->ldb;
    const float  *A = (const float *)g->A, *B = (const float *)g->B;
    const product p = { g->m, g->n, g->k, A, a_row, a_col, B, b_row, b_col, (float *)g->C, g->ldc, g->accumulate };
    cuda_product(&p);
}
