/* linear on the GPU: cuBLAS in f32 (TF32 stays off: the handle's math mode says so). cuBLAS counts columns first, so every product here is the
 * transposed one: y^T = W x^T. Contracts: kernels/backend.h. */
#include "kernels/cuda/product.h"

static void sgemm(cublasOperation_t op_a, cublasOperation_t op_b, int64_t m, int64_t n, int64_t k, const float *A, int64_t lda, const float *B,
                  int64_t ldb, float beta, float *C, int64_t ldc)
{
    const float one = 1;
    if (!cuda_failed()) BLAS_OK(cublasSgemm_64(cuda_blas, op_a, op_b, m, n, k, &one, A, lda, B, ldb, &beta, C, ldc));
}

static linear_dims with_strides(linear_dims d)
{
    if (!d.ldx) d.ldx = d.in;
    if (!d.ldy) d.ldy = d.out;
    return d;
}

KERNEL __launch_bounds__(THREADS) linear_bias_kernel(float *y, const float *bias, linear_dims d, bool accumulate)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (at >= d.n * d.out) return;
    float *to = y + at / d.out * d.ldy + at % d.out, b = bias[at % d.out];
    *to = accumulate ? *to + b : b;
}

void linear_fwd_cuda(real *y, const real *x, const real *W, const real *bias, linear_dims d, bool accumulate)
{
    if (d.n == 0) return;
    d = with_strides(d);
    if (bias) LAUNCH(linear_bias_kernel, blocks_of(d.n * d.out, THREADS), THREADS, (float *)y, (const float *)bias, d, accumulate);
    sgemm(CUBLAS_OP_T, CUBLAS_OP_N, d.out, d.n, d.in, (const float *)W, d.in, (const float *)x, d.ldx, bias || accumulate ? 1.0f : 0.0f, (float *)y,
          d.ldy);
}

void linear_bwd_x_cuda(real *dx, const real *dy, const real *W, linear_dims d, bool accumulate)
{
    if (d.n == 0) return;
    d = with_strides(d);
    sgemm(CUBLAS_OP_N, CUBLAS_OP_N, d.in, d.n, d.out, (const float *)W, d.in, (const float *)dy, d.ldy, accumulate ? 1.0f : 0.0f, (float *)dx, d.ldx);
}

/* parts [gridDim.y, out]: sums of dy over runs of rows */
KERNEL __launch_bounds__(THREADS) linear_bwd_bias_kernel(float *parts, const float *dy, linear_dims d, int64_t rows)
{
    int64_t o = (int64_t)blockIdx.x * THREADS + threadIdx.x, first = blockIdx.y * rows, last = first + rows < d.n ? first + rows : d.n;
    if (o >= d.out) return;
    float sum = 0;
    for (int64_t t = first; t < last; t++) sum += dy[t * d.ldy + o];
    parts[blockIdx.y * d.out + o] = sum;
}

void linear_bwd_w_cuda(real *dW, real *dbias, const real *dy, const real *x, linear_dims d)
{
    if (d.n == 0) return;
    d = with_strides(d);
    if (dW) sgemm(CUBLAS_OP_N, CUBLAS_OP_T, d.in, d.out, d.n, (const float *)x, d.ldx, (const float *)dy, d.ldy, 1, (float *)dW, d.in);
    if (!dbias) return;
    row_parts p     = row_parts_of(d.n);
    float    *parts = (float *)cuda_scratch(SCRATCH_PARTS, p.count * d.out * (int64_t)sizeof(float));
    LAUNCH(linear_bwd_bias_kernel, dim3(blocks_of(d.out, THREADS), (unsigned)p.count), THREADS, parts, (const float *)dy, d, p.rows);
    cuda_add_parts((float *)dbias, d.out, parts, p.count, 1, d.out, true);
}
