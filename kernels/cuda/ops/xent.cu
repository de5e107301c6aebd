/* Cross-entropy's forward on the GPU: a block a row; exponentials in f32, their sum and the result
 * in f64. Contract: kernels/xent.h. */
#include "kernels/cuda/ops/xent.h"

KERNEL __launch_bounds__(THREADS)
    xent_fwd_kernel(double *nll, int32_t *best, const float *logits, const int32_t *targets, int64_t vocab)
{
    const float   *row = logits + blockIdx.x * vocab;
    const row_sums s   = sums_of_row(row, vocab);
    if (threadIdx.x != 0) return;
    nll[blockIdx.x] = loss_of(s, row, targets[blockIdx.x]);
    if (best) best[blockIdx.x] = s.best < vocab ? s.best : 0; /* all NaN: nll says so */
}

void xent_fwd_cuda(double *nll, int32_t *best, const param *logits, const int32_t *targets, int64_t n, int64_t vocab)
{
    if (n > 0) LAUNCH(xent_fwd_kernel, (unsigned)n, THREADS, nll, best, (const float *)logits, targets, vocab);
}
