/* narrow: f32 to bf16, or a copy. Contract: kernels/arrays.h. */
#include "kernels/cuda/vector.h"

static constexpr int VEC = 4; /* elements of a thread */

KERNEL __launch_bounds__(THREADS) narrow_kernel(bf16 *dst, const float *src, int64_t count)
{
    const int64_t         i    = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * VEC;
    const vec<float, VEC> from = vec_load<VEC>(src + i, count - i, vec_fits<VEC>(src, 0));
    vec<bf16, VEC>        to   = {};
    for (int e = 0; e < VEC; e++) to.x[e] = from.x[e];
    vec_store<VEC>(dst + i, to, count - i, vec_fits<VEC>(dst, 0));
}

void narrow_cuda_bf16(real *dst, const param *src, int64_t count)
{
    if (count > 0)
        LAUNCH(narrow_kernel, blocks_of(count, THREADS * VEC), THREADS, (bf16 *)dst, (const float *)src, count);
}

void narrow_cuda(real *dst, const param *src, int64_t count)
{
    if (count > 0 && !cuda_failed())
        CUDA_OK(cudaMemcpyAsync(dst, src, (size_t)count * sizeof(float), cudaMemcpyDeviceToDevice, cuda->stream));
}
