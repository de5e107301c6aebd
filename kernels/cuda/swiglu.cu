/* SwiGLU on the GPU: a thread an output. Contract and formulas: kernels/backend.h, kernels/swiglu.c. */
#include "kernels/cuda/working.h"

KERNEL __launch_bounds__(THREADS) TYPED(swiglu_fwd_kernel)(element *y, const element *gu, int64_t count, int64_t d)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (at >= count) return;
    const element *gate = gu + at / d * 2 * d + at % d;
    float          z = gate[0], u = gate[d];
    y[at] = z / (1 + expf(-z)) * u;
}

void TYPED(swiglu_fwd_cuda)(real *y, const real *gu, int64_t n, int64_t d)
{
    if (n > 0) LAUNCH(TYPED(swiglu_fwd_kernel), blocks_of(n * d, THREADS), THREADS, (element *)y, (const element *)gu, n * d, d);
}

/* dgu may be gu: a thread reads both of its values before it writes them. */
KERNEL __launch_bounds__(THREADS) TYPED(swiglu_bwd_kernel)(element *dgu, const element *dy, const element *gu, int64_t count, int64_t d)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (at >= count) return;
    int64_t gate = at / d * 2 * d + at % d;
    float   z = gu[gate], u = gu[gate + d], q = 1 / (1 + expf(-z)), g = dy[at];
    dgu[gate]     = g * u * q * (1 + z * (1 - q));
    dgu[gate + d] = g * z * q;
}

void TYPED(swiglu_bwd_cuda)(real *dgu, const real *dy, const real *gu, int64_t n, int64_t d)
{
    if (n > 0)
        LAUNCH(TYPED(swiglu_bwd_kernel), blocks_of(n * d, THREADS), THREADS, (element *)dgu, (const element *)dy, (const element *)gu, n * d, d);
}
