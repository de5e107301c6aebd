/* SwiGLU on the GPU: a thread an output. Contract and formulas: kernels/backend.h, kernels/swiglu.c. */
#include "kernels/cuda/device.h"

KERNEL __launch_bounds__(THREADS) swiglu_fwd_kernel(float *y, const float *gu, int64_t count, int64_t d)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (at >= count) return;
    const float *gate = gu + at / d * 2 * d + at % d;
    y[at]             = gate[0] / (1 + expf(-gate[0])) * gate[d];
}

void swiglu_fwd_cuda(real *y, const real *gu, int64_t n, int64_t d)
{
    if (n > 0) LAUNCH(swiglu_fwd_kernel, blocks_of(n * d, THREADS), THREADS, (float *)y, (const float *)gu, n * d, d);
}

/* dgu may be gu: a thread reads both of its values before it writes them. */
KERNEL __launch_bounds__(THREADS) swiglu_bwd_kernel(float *dgu, const float *dy, const float *gu, int64_t count, int64_t d)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (at >= count) return;
    int64_t gate = at / d * 2 * d + at % d;
    float   z = gu[gate], u = gu[gate + d], q = 1 / (1 + expf(-z));
    dgu[gate]     = dy[at] * u * q * (1 + z * (1 - q));
    dgu[gate + d] = dy[at] * z * q;
}

void swiglu_bwd_cuda(real *dgu, const real *dy, const real *gu, int64_t n, int64_t d)
{
    if (n > 0) LAUNCH(swiglu_bwd_kernel, blocks_of(n * d, THREADS), THREADS, (float *)dgu, (const float *)dy, (const float *)gu, n * d, d);
}
