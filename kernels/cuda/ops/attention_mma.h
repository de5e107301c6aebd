/* Attention in bf16 on tensor cores: what forward, backward and decode share. Heads of up to
 * 128, a multiple of 8, with rows 16-byte aligned. Other shapes go to the kernels of
 * attention_typed.cu and attention_bwd_typed.cu, which f32 uses too. A tile has rows of D elements,
 * D being 64 or 128, which are zero past head_dim. Contract: kernels/attention.h. */
#ifndef TIEBREAK_KERNELS_CUDA_OPS_ATTENTION_MMA_H
#define TIEBREAK_KERNELS_CUDA_OPS_ATTENTION_MMA_H
#include "kernels/cuda/ops/attention.h"
#include "kernels/cuda/mma.h"

typedef attention_arrays<bf16> attention_bf16;

/* of a block */
static constexpr int   MMA_WARPS = 4, MMA_THREADS = MMA_WARPS * WARP;
static constexpr float LOG2_E = 1.4426950408889634f, LN_2 = 0.6931471805599453f;
/* a tile's stride, without bank conflicts: kernels/cuda/mma.h */
template <int D> static constexpr int LD = D + 8;

/* Whether rows are whole pieces of 16 bytes. Every array has to be aligned to 16 bytes as well. */
static inline bool attention_mma_takes(const attention_dims &d)
{
    return d.head_dim > 0 && d.head_dim <= 128 && (d.head_dim | d.ldq | d.ldk | d.ldv | d.ldo) % 8 == 0;
}
static inline bool aligned_16(const void *p) { return (uintptr_t)p % 16 == 0; }

/* Begins to copy `lines` rows of one head into a tile of LINES rows; the other rows, and columns
 * past head_dim, become zero. COPIERS threads share the work; this one is number `me`. Row `line`
 * begins at from[offset_of(line)]. */
template <int D, int LINES, int COPIERS, class OFFSET>
static __device__ inline void copy_tile(bf16 *to, int lines, const bf16 *from, int head_dim, int me, OFFSET offset_of)
{
    static_assert(LINES % (COPIERS * 8 / D) == 0);
    const int c = me % (D / 8) * 8;
    UNROLL
    for (int line = me / (D / 8); line < LINES; line += COPIERS * 8 / D) {
        const bool there = line < lines && c < head_dim;
        copy_async(to + line * LD<D> + c, there ? from + offset_of(line) + c : from, there ? 16 : 0);
    }
}

/* Sums [M, 16, 8 N] += a tile of 16 M rows times a tile of 8 N rows, both with D along them. */
template <int D, int M, int N>
static __device__ inline void product_of_rows(mma_c (*sum)[N], const bf16 *a_tile, const bf16 *b_tile)
{
    UNROLL
    for (int k = 0; k < D; k += 16) {
        mma_a a[M];
        for (int m = 0; m < M; m++) a[m] = load_a(a_tile + 16 * m * LD<D> + k, LD<D>);
        UNROLL
        for (int n = 0; n < N; n += 2) {
            mma_b b[2];
            load_b(b, b_tile + n * 8 * LD<D> + k, LD<D>);
            for (int m = 0; m < M; m++) mma(&sum[m][n], a[m], b[0]), mma(&sum[m][n + 1], a[m], b[1]);
        }
    }
}

/* Sums [M, 16, D] += p [M, 16, 8 N], rounded to bf16, times a tile of 8 N rows of D. */
template <int D, int M, int N>
static __device__ inline void product_with_tile(mma_c (*sum)[D / 8], const mma_c (*p)[N], const bf16 *tile)
{
    UNROLL
    for (int k = 0; k < N; k += 2) {
        mma_a a[M];
        for (int m = 0; m < M; m++) a[m] = as_a(p[m][k], p[m][k + 1]);
        UNROLL
        for (int n = 0; n < D / 8; n += 2) {
            mma_b b[2];
            load_b_trans(b, tile + k * 8 * LD<D> + n * 8, LD<D>);
            for (int m = 0; m < M; m++) mma(&sum[m][n], a[m], b[0]), mma(&sum[m][n + 1], a[m], b[1]);
        }
    }
}

/* Sum and maximum over the four lanes that hold a row of a C fragment. */
static __device__ inline float quad_sum(float v)
{
    v += __shfl_xor_sync(ALL_LANES, v, 1);
    return v + __shfl_xor_sync(ALL_LANES, v, 2);
}
static __device__ inline float quad_max(float v)
{
    v = fmaxf(v, __shfl_xor_sync(ALL_LANES, v, 1));
    return fmaxf(v, __shfl_xor_sync(ALL_LANES, v, 2));
}

/* The state of a warp's 16 queries while keys pass (Milakov and Gimelshein 2018). A lane holds
 * parts of two rows, those of queries g and g + 8. */
struct running {
    float max[2], sum[2]; /* max in units of log2; sum is this lane's part */
};
static __device__ inline running nothing_yet(void) { return { { -INFINITY, -INFINITY }, { 0, 0 } }; }

/* Turns scores into probabilities relative to the maximum so far, and scales the sums o to that
 * maximum. The lane's row r sees the tile's keys below limit[r]. */
template <int D, int SCORES>
static __device__ inline void join_tile(running *w, mma_c *o, mma_c *score, float scale, const int *limit)
{
    UNROLL
    for (int r = 0; r < 2; r++) {
        float max = w->max[r];
        UNROLL
        for (int i = 0; i < 2 * SCORES; i++) {
            float *p = &score[i / 2].x[2 * r + i % 2];
            *p       = i / 2 * 8 + (int)threadIdx.x % 4 * 2 + i % 2 < limit[r] ? *p * scale : -INFINITY;
            max      = fmaxf(max, *p);
        }
        max                = quad_max(max);
        const float base   = max == -INFINITY ? 0 : max; /* nothing seen yet */
        const float shrink = exp2f(w->max[r] - base);
        w->max[r]          = max;
        w->sum[r] *= shrink;
        UNROLL
        for (int i = 0; i < 2 * SCORES; i++) {
            float *p        = &score[i / 2].x[2 * r + i % 2];
            w->sum[r] += *p = exp2f(*p - base);
        }
        UNROLL
        for (int n = 0; n < D / 8; n++) o[n].x[2 * r] *= shrink, o[n].x[2 * r + 1] *= shrink;
    }
}

/* Stores two neighbours of a row. */
static __device__ inline void store_pair(bf16 *to, float first, float second)
{
    *(uint32_t *)to = bf16_pair(first, second);
}
static __device__ inline void add_pair(bf16 *to, float first, float second)
{
    store_pair(to, to[0] + first, to[1] + second);
}
#endif
