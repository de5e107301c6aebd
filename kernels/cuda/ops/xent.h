/* What cross-entropy's forward and backward share: one reading of a row of logits. */
#ifndef TIEBREAK_KERNELS_CUDA_OPS_XENT_H
#define TIEBREAK_KERNELS_CUDA_OPS_XENT_H
#include "kernels/cuda/reduce.h"
#include "kernels/cuda/vector.h"

static constexpr int VEC = 4; /* logits that a thread reads at once */

typedef struct {
    float  max;
    double sum;  /* of exp(row - max) */
    int    best; /* where max is first; vocab: nowhere, in a row of NaN */
} row_sums;

/* One reading of the row: a thread's sum is brought to its new maximum whenever that grows
 * (Milakov & Gimelshein 2018). The same for forward and backward, so that both give a loss with
 * the same bits. */
static __device__ inline row_sums sums_of_row(const float *row, int64_t vocab)
{
    __shared__ float  shared_max[THREADS / WARP];
    __shared__ double shared_sum[THREADS / WARP];
    __shared__ int    shared_best[THREADS / WARP];
    const bool        fits = vec_fits<VEC>(row, 0);
    float             max  = -INFINITY;
    double            sum  = 0;
    int               best = (int)vocab;
    for (int64_t j = threadIdx.x * VEC; j < vocab; j += THREADS * VEC) {
        const vec<float, VEC> v    = vec_load<VEC>(row + j, vocab - j, fits);
        float                 top  = max;
        float                 some = 0;
        for (int i = 0; i < VEC; i++)
            if (j + i < vocab && v.x[i] > top) top = v.x[i], best = (int)j + i;
        if (top > max) sum *= (double)expf(max - top);
        max              = top;
        const float base = max > -INFINITY ? max : 0; /* nothing but -Inf so far adds nothing */
        for (int i = 0; i < VEC; i++)
            if (j + i < vocab) some += expf(v.x[i] - base);
        sum += (double)some;
    }
    row_sums s;
    s.max  = block_max(max, shared_max);
    s.sum  = block_sum(sum * (double)expf(max - s.max), shared_sum);
    s.best = block_min(max >= s.max ? best : (int)vocab, shared_best);
    return s;
}

static __device__ inline double loss_of(const row_sums &s, const float *row, int target)
{
    return target < 0 ? 0 : (double)s.max + log(s.sum) - (double)row[target];
}
#endif
