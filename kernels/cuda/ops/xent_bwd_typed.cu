/* Cross-entropy's backward on the GPU, in place. Contract: kernels/xent.h. */
#include "kernels/cuda/ops/xent.h"
#include "kernels/cuda/working.h"

/* The gradient takes the place of the logits, in bf16 that of their first half. Threads read a
 * strip each, wait for all, and write: what they write lies before what later strips read, and
 * over what earlier strips and this one have read. */
KERNEL __launch_bounds__(THREADS)
    TYPED(xent_bwd_kernel)(float *logits, double *nll, const int32_t *targets, int64_t vocab, double scale)
{
    constexpr int  VECTORS = 4;
    float         *row     = logits + blockIdx.x * vocab;
    element       *to      = (element *)row;
    const int      target  = targets[blockIdx.x];
    const bool     fits    = vec_fits<VEC>(row, 0);
    const row_sums s       = sums_of_row(row, vocab);
    const float    a = (float)(scale / s.sum), one = (float)scale;
    if (nll && threadIdx.x == 0) nll[blockIdx.x] = loss_of(s, row, target);
    for (int64_t first = 0; first < vocab; first += THREADS * VEC * VECTORS) {
        vec<float, VEC> v[VECTORS];
        for (int l = 0; l < VECTORS; l++) {
            const int64_t j = first + (l * THREADS + (int)threadIdx.x) * VEC;
            v[l]            = vec_load<VEC>(row + j, vocab - j, fits);
        }
        __syncthreads(); /* the target's logit has been read too */
        for (int l = 0; l < VECTORS; l++) {
            const int64_t     j = first + (l * THREADS + (int)threadIdx.x) * VEC;
            vec<element, VEC> g = {};
            for (int i = 0; i < VEC; i++)
                g.x[i] = target < 0 ? 0.0f : expf(v[l].x[i] - s.max) * a - (j + i == target ? one : 0.0f);
            vec_store<VEC>(to + j, g, vocab - j, fits);
        }
    }
}

void TYPED(xent_bwd_cuda)(param *logits, double *nll, const int32_t *targets, int64_t n, int64_t vocab, double scale)
{
    if (n > 0) LAUNCH(TYPED(xent_bwd_kernel), (unsigned)n, THREADS, (float *)logits, nll, targets, vocab, scale);
}
