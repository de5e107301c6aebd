/* Cross-entropy over rows of logits on the GPU: a block a row; exponentials in f32, their sum
 * and the result in f64. Contract: kernels/backend.h. */
#include "kernels/cuda/reduce.h"
#include "kernels/cuda/vector.h"

static constexpr int LOT = 4; /* logits that a thread reads at once */

typedef struct {
    float  max;
    double sum;  /* of exp(row - max) */
    int    best; /* where max is first; vocab: nowhere, in a row of NaN */
} row_sums;

/* One reading of the row: a thread's sum is brought to its new maximum whenever that grows
 * (Milakov & Gimelshein 2018). The same for forward and backward, so that both give a loss with
 * the same bits. */
static __device__ row_sums sums_of_row(const float *row, int64_t vocab)
{
    __shared__ float  shared_max[THREADS / WARP];
    __shared__ double shared_sum[THREADS / WARP];
    __shared__ int    shared_best[THREADS / WARP];
    const bool        fits = vec_fits<LOT>(row, 0);
    float             max  = -INFINITY;
    double            sum  = 0;
    int               best = (int)vocab;
    for (int64_t j = threadIdx.x * LOT; j < vocab; j += THREADS * LOT) {
        const vec<float, LOT> v    = vec_load<LOT>(row + j, vocab - j, fits);
        float                 top  = max;
        float                 some = 0;
        for (int i = 0; i < LOT; i++)
            if (j + i < vocab && v.x[i] > top) top = v.x[i], best = (int)j + i;
        if (top > max) sum *= (double)expf(max - top);
        max              = top;
        const float base = max > -INFINITY ? max : 0; /* nothing but -Inf so far adds nothing */
        for (int i = 0; i < LOT; i++)
            if (j + i < vocab) some += expf(v.x[i] - base);
        sum += (double)some;
    }
    row_sums s;
    s.max  = block_max(max, shared_max);
    s.sum  = block_sum(sum * (double)expf(max - s.max), shared_sum);
    s.best = block_min(max >= s.max ? best : (int)vocab, shared_best);
    return s;
}

static __device__ double loss_of(const row_sums &s, const float *row, int target)
{
    return target < 0 ? 0 : (double)s.max + log(s.sum) - (double)row[target];
}

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

/* The gradient takes the place of the logits, in bf16 that of their first half. Threads read a
 * strip each, wait for all, and write: what they write lies before what later strips read, and
 * over what earlier strips and this one have read. */
template <class E>
static __device__ void gradient_of_row(float *logits, double *nll, const int32_t *targets, int64_t vocab, double scale)
{
    constexpr int  LOTS   = 4;
    float         *row    = logits + blockIdx.x * vocab;
    E             *to     = (E *)row;
    const int      target = targets[blockIdx.x];
    const bool     fits   = vec_fits<LOT>(row, 0);
    const row_sums s      = sums_of_row(row, vocab);
    const float    a = (float)(scale / s.sum), one = (float)scale;
    if (nll && threadIdx.x == 0) nll[blockIdx.x] = loss_of(s, row, target);
    for (int64_t first = 0; first < vocab; first += THREADS * LOT * LOTS) {
        vec<float, LOT> v[LOTS];
        for (int l = 0; l < LOTS; l++) {
            const int64_t j = first + (l * THREADS + (int)threadIdx.x) * LOT;
            v[l]            = vec_load<LOT>(row + j, vocab - j, fits);
        }
        __syncthreads(); /* the target's logit has been read too */
        for (int l = 0; l < LOTS; l++) {
            const int64_t j = first + (l * THREADS + (int)threadIdx.x) * LOT;
            vec<E, LOT>   g = {};
            for (int i = 0; i < LOT; i++)
                g.x[i] = target < 0 ? 0.0f : expf(v[l].x[i] - s.max) * a - (j + i == target ? one : 0.0f);
            vec_store<LOT>(to + j, g, vocab - j, fits);
        }
    }
}

KERNEL __launch_bounds__(THREADS)
    xent_bwd_kernel(float *logits, double *nll, const int32_t *targets, int64_t vocab, double scale)
{
    gradient_of_row<float>(logits, nll, targets, vocab, scale);
}
KERNEL __launch_bounds__(THREADS)
    xent_bwd_kernel_bf16(float *logits, double *nll, const int32_t *targets, int64_t vocab, double scale)
{
    gradient_of_row<bf16>(logits, nll, targets, vocab, scale);
}

void xent_bwd_cuda(param *logits, double *nll, const int32_t *targets, int64_t n, int64_t vocab, double scale)
{
    if (n > 0) LAUNCH(xent_bwd_kernel, (unsigned)n, THREADS, (float *)logits, nll, targets, vocab, scale);
}
void xent_bwd_cuda_bf16(param *logits, double *nll, const int32_t *targets, int64_t n, int64_t vocab, double scale)
{
    if (n > 0) LAUNCH(xent_bwd_kernel_bf16, (unsigned)n, THREADS, (float *)logits, nll, targets, vocab, scale);
}
