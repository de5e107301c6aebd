/* linear on the GPU: cuBLAS, in f32 in full (TF32 stays off: device.cu) or bf16. Contracts:
 * kernels/linear.h. */
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/product.h"
#include "kernels/cuda/working.h"

static constexpr cudaDataType TYPE = ELEMENT_DATA_TYPE;

/* A row has `per_row` blocks, so a thread divides in 32 bits. */
KERNEL __launch_bounds__(THREADS)
    TYPED(linear_bias_kernel)(element *y, const element *bias, linear_dims d, bool accumulate, unsigned per_row)
{
    const unsigned row = blockIdx.x / per_row;
    const int64_t  o   = (int64_t)(blockIdx.x - row * per_row) * THREADS + threadIdx.x;
    if (o >= d.out) return;
    element    *to = y + row * d.ldy + o;
    const float b  = bias[o];
    *to            = accumulate ? *to + b : b;
}

void TYPED(linear_fwd_cuda)(real *y, const real *x, const real *W, const real *bias, linear_dims d, bool accumulate)
{
    if (d.n == 0) return;
    const unsigned per_row = blocks_of(d.out, THREADS);
    if (bias)
        LAUNCH(TYPED(linear_bias_kernel), (unsigned)d.n * per_row, THREADS, (element *)y, (const element *)bias, d,
               accumulate, per_row);
    const bool adds = bias || accumulate;
    const gemm g    = { d.n, d.out, d.in, x, d.ldx, PLAIN, W, d.in, TRANSPOSED, y, d.ldy, adds, TYPE, TYPE };
    cuda_gemm(&g);
}

void TYPED(linear_fwd_wide_cuda)(param *y, const real *x, const real *W, linear_dims d)
{
    if (d.n == 0) return;
    const gemm g = { d.n, d.out, d.in, x, d.ldx, PLAIN, W, d.in, TRANSPOSED, y, d.ldy, false, TYPE, CUDA_R_32F };
    cuda_gemm(&g);
}

void TYPED(linear_bwd_x_cuda)(real *dx, const real *dy, const real *W, linear_dims d, bool accumulate)
{
    if (d.n == 0) return;
    const gemm g = { d.n, d.in, d.out, dy, d.ldy, PLAIN, W, d.in, PLAIN, dx, d.ldx, accumulate, TYPE, TYPE };
    cuda_gemm(&g);
}

/* parts [gridDim.y, out]: sums of dy over runs of rows */
KERNEL __launch_bounds__(THREADS)
    TYPED(linear_bwd_bias_kernel)(float *parts, const element *dy, linear_dims d, int64_t rows)
{
    int64_t o = (int64_t)blockIdx.x * THREADS + threadIdx.x, first = blockIdx.y * rows,
            last = first + rows < d.n ? first + rows : d.n;
    if (o >= d.out) return;
    float sum = 0;
    for (int64_t t = first; t < last; t++) sum += dy[t * d.ldy + o];
    parts[blockIdx.y * d.out + o] = sum;
}

void TYPED(linear_bwd_w_cuda)(param *dW, param *dbias, const real *dy, const real *x, linear_dims d)
{
    if (d.n == 0) return;
    const gemm g = { d.out, d.in, d.n, dy, d.ldy, TRANSPOSED, x, d.ldx, PLAIN, dW, d.in, true, TYPE, CUDA_R_32F };
    if (dW) cuda_gemm(&g);
    if (!dbias) return;
    row_parts p     = row_parts_of(d.n);
    float    *parts = (float *)cuda_scratch(SCRATCH_PARTS, p.count * d.out * (int64_t)sizeof(float));
    LAUNCH(TYPED(linear_bwd_bias_kernel), dim3(blocks_of(d.out, THREADS), (unsigned)p.count), THREADS, parts,
           (const element *)dy, d, p.rows);
    cuda_add_parts((float *)dbias, d.out, parts, p.count, 1, d.out, true);
}
