/* f32 to bf16. Contract: kernels/backend.h. */
#include "kernels/cuda/device.h"

KERNEL __launch_bounds__(THREADS) narrow_kernel(bf16 *dst, const float *src, int64_t count)
{
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (i < count) dst[i] = src[i];
}

void narrow_cuda_bf16(real *dst, const param *src, int64_t count)
{
    if (count > 0) LAUNCH(narrow_kernel, blocks_of(count, THREADS), THREADS, (bf16 *)dst, (const float *)src, count);
}
