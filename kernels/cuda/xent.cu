/* Cross-entropy over rows of logits on the GPU: a block a row; exponentials in f32, their sum and the result in f64. Contract: kernels/backend.h. */
#include "kernels/cuda/reduce.h"

typedef struct {
    float  max;
    double sum; /* of exp(row - max) */
} row_sums;

/* The same for forward and backward, so that both give a loss with the same bits. */
static __device__ row_sums sums_of_row(const float *row, int64_t vocab)
{
    __shared__ float  shared_max[THREADS / WARP];
    __shared__ double shared_sum[THREADS / WARP];
    float             max = row[0];
    for (int64_t j = threadIdx.x; j < vocab; j += THREADS) max = fmaxf(max, row[j]);
    max        = block_max(max, shared_max);
    double sum = 0;
    for (int64_t j = threadIdx.x; j < vocab; j += THREADS) sum += (double)expf(row[j] - max);
    row_sums s;
    s.max = max;
    s.sum = block_sum(sum, shared_sum);
    return s;
}

KERNEL __launch_bounds__(THREADS) xent_fwd_kernel(double *nll, int32_t *best, const float *logits, const int32_t *targets, int64_t vocab)
{
    __shared__ int shared[THREADS / WARP];
    const float   *row    = logits + blockIdx.x * vocab;
    row_sums       s      = sums_of_row(row, vocab);
    int            target = targets[blockIdx.x], first = (int)vocab;
    if (threadIdx.x == 0) nll[blockIdx.x] = target < 0 ? 0 : (double)s.max + log(s.sum) - (double)row[target];
    if (!best) return;
    for (int j = (int)threadIdx.x; j < vocab && first == vocab; j += THREADS)
        if (row[j] == s.max) first = j;
    first = block_min(first, shared);
    if (threadIdx.x == 0) best[blockIdx.x] = first < vocab ? first : 0; /* all NaN: nll says so */
}

void xent_fwd_cuda(double *nll, int32_t *best, const param *logits, const int32_t *targets, int64_t n, int64_t vocab)
{
    if (n > 0) LAUNCH(xent_fwd_kernel, (unsigned)n, THREADS, nll, best, (const float *)logits, targets, vocab);
}

KERNEL __launch_bounds__(THREADS) xent_bwd_kernel(float *logits, double *nll, const int32_t *targets, int64_t vocab, double scale)
{
    float   *row    = logits + blockIdx.x * vocab;
    int      target = targets[blockIdx.x];
    row_sums s      = sums_of_row(row, vocab);
    if (nll && threadIdx.x == 0) nll[blockIdx.x] = target < 0 ? 0 : (double)s.max + log(s.sum) - (double)row[target];
    __syncthreads(); /* the target's logit is read before its thread overwrites it */
    float a = (float)(scale / s.sum);
    for (int64_t j = threadIdx.x; j < vocab; j += THREADS) row[j] = target < 0 ? 0 : expf(row[j] - s.max) * a - (j == target ? (float)scale : 0.0f);
}

void xent_bwd_cuda(param *logits, double *nll, const int32_t *targets, int64_t n, int64_t vocab, double scale)
{
    if (n > 0) LAUNCH(xent_bwd_kernel, (unsigned)n, THREADS, (float *)logits, nll, targets, vocab, scale);
}
