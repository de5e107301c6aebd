/* Attention in bf16 on tensor cores, forward (Dao 2023, FlashAttention-2): a block takes 128
 * queries of one span and head through its keys, a tile at a time, a warp 32 queries. Scores and
 * probabilities stay in registers; probabilities are rounded to bf16 for the second product,
 * their sum is not. Keys are on their way while values are used, and the other way round.
 * Contract: kernels/attention.h. */
#include "kernels/cuda/ops/attention_mma.h"

/* a half is 16 of a warp */
static constexpr int HALVES = 2, WARP_QUERIES = 16 * HALVES, QUERIES = WARP_QUERIES * MMA_WARPS;
/* as many as registers hold scores of */
template <int D> static constexpr int TILE_KEYS = D == 64 ? 64 : 32;
template <int D> static constexpr int SHARED    = (QUERIES + 2 * TILE_KEYS<D>)*LD<D> *(int)sizeof(bf16);

template <int D> static __device__ inline void fwd(bf16 *o, float *lse, attention_bf16 a, attention_list list)
{
    constexpr int T = TILE_KEYS<D>, SCORES = T / 8;
    bf16         *qt = (bf16 *)dynamic_shared(), *kt = qt + QUERIES * LD<D>, *vt = kt + T * LD<D>;
    /* the last queries, which see most, begin first */
    const int64_t block = gridDim.x - 1 - (int64_t)blockIdx.x;
    const int     index = part_of_block(list.first_block, list.count, block), me = (int)threadIdx.x, lane = me % WARP;
    const attention_span s = list.spans[index];
    const int   H = (int)a.d.head_dim, head = (int)blockIdx.y, kv_head = head / (int)(a.d.heads / a.d.kv_heads);
    const int   first = (int)(block - list.first_block[index]) * QUERIES, queries = min(s.q_len - first, QUERIES);
    const int   all_keys = (int)keys_of(s, first + queries - 1);
    const bf16 *k = a.k + kv_head * H, *v = a.v + kv_head * H;
    const int   query0 = me / WARP * WARP_QUERIES;
    const float scale  = a.scale * LOG2_E;
    running     w[HALVES];
    mma_c       sum[HALVES][D / 8] = {};
    UNROLL
    for (int h = 0; h < HALVES; h++) w[h] = nothing_yet();

    auto copy_keys = [&](bf16 *to, const bf16 *from, int64_t ld, int key0) {
        copy_tile<D, T, MMA_THREADS>(to, all_keys - key0, from, H, me,
                                     [&](int line) { return key_row(s, key0 + line) * ld; });
        copy_commit();
    };
    copy_tile<D, QUERIES, MMA_THREADS>(qt, queries, a.q + (s.q0 + first) * a.d.ldq + head * H, H, me,
                                       [&](int line) { return line * a.d.ldq; });
    copy_keys(kt, k, a.d.ldk, 0);
    for (int key0 = 0; key0 < all_keys; key0 += T) {
        const bool seen                  = query0 < queries && key0 < keys_of(s, first + query0 + WARP_QUERIES - 1);
        mma_c      score[HALVES][SCORES] = {};
        copy_wait<0>();
        __syncthreads(); /* keys are here, and nobody reads the values before these any more */
        copy_keys(vt, v, a.d.ldv, key0);
        if (seen) product_of_rows<D, HALVES, SCORES>(score, qt + query0 * LD<D>, kt);
        copy_wait<0>();
        __syncthreads(); /* values are here, and nobody reads the keys any more */
        if (key0 + T < all_keys) copy_keys(kt, k, a.d.ldk, key0 + T);
        if (!seen) continue;
        UNROLL
        for (int h = 0; h < HALVES; h++) {
            const int keys     = (int)keys_of(s, first + query0 + 16 * h + lane / 4) - key0;
            const int limit[2] = { keys, keys + 8 };
            join_tile<D, SCORES>(&w[h], sum[h], score[h], scale, limit);
        }
        product_with_tile<D, HALVES, SCORES>(sum, score, vt);
    }
    UNROLL
    for (int i = 0; i < 2 * HALVES; i++) {
        const int     h = i / 2, r = i % 2;
        const float   total = quad_sum(w[h].sum[r]);
        const int64_t query = query0 + 8 * i + lane / 4, row = s.q0 + first + query;
        if (query >= queries) continue;
        if (lse && lane % 4 == 0) lse[row * a.d.heads + head] = w[h].max[r] * LN_2 + logf(total);
        UNROLL
        for (int n = 0; n < D / 8; n++) {
            const int64_t c = n * 8 + lane % 4 * 2;
            if (c < H)
                store_pair(o + row * a.d.ldo + head * H + c, sum[h][n].x[2 * r] / total,
                           sum[h][n].x[2 * r + 1] / total);
        }
    }
}

KERNEL __launch_bounds__(MMA_THREADS)
    attention_mma_fwd_64_kernel(bf16 *o, float *lse, attention_bf16 a, attention_list list)
{
    fwd<64>(o, lse, a, list);
}
KERNEL __launch_bounds__(MMA_THREADS)
    attention_mma_fwd_128_kernel(bf16 *o, float *lse, attention_bf16 a, attention_list list)
{
    fwd<128>(o, lse, a, list);
}

bool attention_mma_fwd(bf16 *o, float *lse, const attention_bf16 &a, const attention_span *spans, int64_t n_spans)
{
    if (!attention_mma_takes(a.d) || !aligned_16(o) || !aligned_16(a.q) || !aligned_16(a.k) || !aligned_16(a.v))
        return false;
    attention_list list = attention_send(spans, n_spans, QUERIES);
    if (list.blocks == 0) return true;
    const dim3 grid((unsigned)list.blocks, (unsigned)a.d.heads);
    const int  D = a.d.head_dim <= 64 ? 64 : 128, bytes = (D == 64 ? SHARED<64> : SHARED<128>);
    if (D == 64)
        LAUNCH_SHARED(attention_mma_fwd_64_kernel, grid, MMA_THREADS, bytes, o, lse, a, list);
    else
        LAUNCH_SHARED(attention_mma_fwd_128_kernel, grid, MMA_THREADS, bytes, o, lse, a, list);
    return true;
}
