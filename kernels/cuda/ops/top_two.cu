/* The two largest of rows of logits on the GPU: a block a row, as wide as the row and blocks can
 * be, since decoding has few rows. Contract: kernels/top_two.h. */
#include "kernels/cuda/reduce.h"

static constexpr int WIDE = 1024;

/* The two largest of a part of a row. `bad`: some logit of the part is not finite. */
struct best_so_far {
    float first, second;
    int   at, bad;
};

/* The smaller index of equal logits comes first, whatever the order of joining. */
static __device__ inline best_so_far join(best_so_far a, best_so_far b)
{
    const bool  b_wins = b.first > a.first || (b.first == a.first && b.at < a.at);
    best_so_far j      = b_wins ? b : a;
    j.second           = fmaxf(fminf(a.first, b.first), fmaxf(a.second, b.second));
    j.bad              = a.bad | b.bad;
    return j;
}

/* Over the warp; every lane gets it. */
static __device__ inline best_so_far warp_join(best_so_far a)
{
    for (int step = WARP / 2; step > 0; step /= 2)
        a = join(a, { __shfl_xor_sync(ALL_LANES, a.first, step), __shfl_xor_sync(ALL_LANES, a.second, step),
                      __shfl_xor_sync(ALL_LANES, a.at, step), __shfl_xor_sync(ALL_LANES, a.bad, step) });
    return a;
}

KERNEL __launch_bounds__(WIDE) top_two_kernel(top_two *top, const float *logits, int64_t vocab)
{
    __shared__ best_so_far shared[WIDE / WARP];
    const float           *row = logits + blockIdx.x * vocab;
    const int              me = (int)threadIdx.x, warps = (int)blockDim.x / WARP;
    const best_so_far      none = { -INFINITY, -INFINITY, (int)vocab, 0 };
    best_so_far            b    = none;
    for (int j = me; j < vocab; j += (int)blockDim.x) {
        const float x = row[j];
        b             = join(b, { x, -INFINITY, j, !(fabsf(x) < INFINITY) });
    }
    b = warp_join(b);
    if (me % WARP == 0) shared[me / WARP] = b;
    __syncthreads();
    if (me >= WARP) return;
    b = warp_join(me < warps ? shared[me] : none);
    if (me == 0) top[blockIdx.x] = { (double)b.first - (double)b.second, b.at, !b.bad };
}

void top_two_cuda(top_two *top, const param *logits, int64_t n, int64_t vocab)
{
    const int64_t warps = blocks_of(vocab, WARP);
    if (n > 0)
        LAUNCH(top_two_kernel, (unsigned)n, (unsigned)(warps * WARP < WIDE ? warps * WARP : WIDE), top,
               (const float *)logits, vocab);
}
