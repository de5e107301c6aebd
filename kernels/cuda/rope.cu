/* Rotary position embedding on the GPU: a thread a pair of values. Contract: kernels/backend.h. */
#include "kernels/cuda/working.h"

KERNEL __launch_bounds__(THREADS) TYPED(rope_kernel)(element *x, const int32_t *pos, const float *table, rope_dims d, float sign)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x, half = d.head_dim / 2, pairs = d.heads * half;
    if (at >= d.n * pairs) return;
    int64_t      t = at / pairs, head = at % pairs / half, i = at % half;
    const float *c = table + pos[t] * d.head_dim;
    element     *p = x + t * d.ldx + head * d.head_dim + i;
    float        a = p[0], b = p[half], sine = sign * c[half + i];
    p[0]    = a * c[i] - b * sine;
    p[half] = b * c[i] + a * sine;
}

void TYPED(rope_cuda)(real *x, const int32_t *pos, const param *table, rope_dims d, bool inverse)
{
    int64_t pairs = d.n * d.heads * (d.head_dim / 2);
    if (!d.ldx) d.ldx = d.heads * d.head_dim;
    if (pairs > 0) LAUNCH(TYPED(rope_kernel), blocks_of(pairs, THREADS), THREADS, (element *)x, pos, (const float *)table, d, inverse ? -1.0f : 1.0f);
}
