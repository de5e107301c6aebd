/* Attention in bf16 of few queries over many keys, as decoding has it. Keys are split over blocks,
 * and a second kernel joins the results in the order of keys (Dao et al. 2023, Flash-Decoding).
 * Splits are SPLIT keys each, counted from the span's first key, so a query's bits depend on its
 * own keys alone, not on the batch or the grid. The grid has room for as many splits as the
 * caller's bound allows, so a captured launch serves spans that grow up to it. The queries of all
 * heads that read one kv head share its keys: they are the rows of one product. Contract:
 * kernels/attention.h. */
#include "kernels/cuda/ops/attention_mma.h"

/* rows of a block: queries times heads */
static constexpr int                  ROWS = 16, WARP_KEYS = 32, SPLIT = WARP_KEYS * MMA_WARPS, MOST_QUERIES = 16;
template <int D> static constexpr int SHARED = (ROWS + 2 * SPLIT) * LD<D> *(int)sizeof(bf16);

/* Bytes of partial results. With more, the queries fill a GPU without splits, and tiles of queries
 * are faster. */
static constexpr int64_t PARTS_MOST = 256 << 20;

/* What the blocks leave for the second kernel, for each row of q, head and split: o before its
 * division by the sum; the maximum that it is relative to; the sum. */
struct split_parts {
    float  *o; /* [rows of q * heads, splits, head_dim] */
    float2 *stats;
    int     splits;
};

/* Joins what the four warps found about the block's rows. Every thread does one row and column at
 * a time. */
template <int D>
static __device__ inline void join_warps(bf16 *o, float *lse, const attention_bf16 &a, const attention_span &s,
                                         split_parts parts, int row0, int rows, const float *sums, const float2 *stats)
{
    const int H = (int)a.d.head_dim, group = (int)(a.d.heads / a.d.kv_heads),
              kv_head = (int)(blockIdx.y % a.d.kv_heads);
    for (int at = (int)threadIdx.x; at < ROWS * D; at += MMA_THREADS) {
        const int row = at / D, c = at % D;
        if (row0 + row >= rows || c >= H) continue;
        float max = -INFINITY, total = 0, sum = 0;
        for (int w = 0; w < MMA_WARPS; w++) max = fmaxf(max, stats[w * ROWS + row].x);
        const float base = max == -INFINITY ? 0 : max;
        for (int w = 0; w < MMA_WARPS; w++) {
            const float weight = exp2f(stats[w * ROWS + row].x - base);
            total += stats[w * ROWS + row].y * weight;
            sum += sums[(w * ROWS + row) * D + c] * weight;
        }
        const int     head  = kv_head * group + (row0 + row) % group;
        const int64_t q_row = s.q0 + (row0 + row) / group, item = q_row * a.d.heads + head,
                      part = item * parts.splits + blockIdx.x;
        if (parts.splits > 1) {
            parts.o[part * H + c] = sum;
            if (c == 0) parts.stats[part] = { max, total };
        } else {
            o[q_row * a.d.ldo + head * H + c] = sum / total;
            if (lse && c == 0) lse[item] = max * LN_2 + logf(total);
        }
    }
}

template <int D>
static __device__ inline void split(bf16 *o, float *lse, attention_bf16 a, attention_list list, split_parts parts)
{
    wait_for_previous();
    let_next_begin();
    bf16                *qt = (bf16 *)dynamic_shared(), *kt = qt + ROWS * LD<D>, *vt = kt + SPLIT * LD<D>;
    const attention_span s = list.spans[blockIdx.z];
    const int            H = (int)a.d.head_dim, group = (int)(a.d.heads / a.d.kv_heads),
              kv_head = (int)(blockIdx.y % a.d.kv_heads);
    const int row0 = (int)(blockIdx.y / a.d.kv_heads) * ROWS, rows = s.q_len * group, me = (int)threadIdx.x,
              lane = me % WARP;
    const int warp = me / WARP, key0 = (int)blockIdx.x * SPLIT + warp * WARP_KEYS, keys = (int)keys_of(s, s.q_len - 1);
    if (row0 >= rows || (int)blockIdx.x * SPLIT >= keys) return; /* all threads alike */
    auto offset_of_key = [&](int64_t ld) { return [=](int line) { return key_row(s, key0 + line) * ld; }; };
    copy_tile<D, ROWS, MMA_THREADS>(qt, rows - row0, a.q + s.q0 * a.d.ldq + kv_head * group * H, H, me, [&](int line) {
        return (row0 + line) / group * a.d.ldq + (row0 + line) % group * H;
    });
    copy_tile<D, WARP_KEYS, WARP>(kt + warp * WARP_KEYS * LD<D>, keys - key0, a.k + kv_head * H, H, lane,
                                  offset_of_key(a.d.ldk));
    copy_commit();
    copy_tile<D, WARP_KEYS, WARP>(vt + warp * WARP_KEYS * LD<D>, keys - key0, a.v + kv_head * H, H, lane,
                                  offset_of_key(a.d.ldv));
    copy_commit();

    running   w                       = nothing_yet();
    mma_c     score[1][WARP_KEYS / 8] = {}, sum[1][D / 8] = {};
    const int row      = row0 + lane / 4,
              limit[2] = { (int)keys_of(s, row / group) - key0, (int)keys_of(s, (row + 8) / group) - key0 };
    copy_wait<1>();
    __syncthreads();
    product_of_rows<D, 1, WARP_KEYS / 8>(score, qt, kt + warp * WARP_KEYS * LD<D>);
    join_tile<D, WARP_KEYS / 8>(&w, sum[0], score[0], a.scale * LOG2_E, limit);
    copy_wait<0>();
    /* The values are here, and nobody reads queries and keys any more, so the sums and their
     * statistics take their place. */
    __syncthreads();
    product_with_tile<D, 1, WARP_KEYS / 8>(sum, score, vt + warp * WARP_KEYS * LD<D>);
    float  *sums  = (float *)kt;
    float2 *stats = (float2 *)qt;
    UNROLL
    for (int r = 0; r < 2; r++) {
        const int   line  = warp * ROWS + lane / 4 + 8 * r;
        const float total = quad_sum(w.sum[r]);
        if (lane % 4 == 0) stats[line] = { w.max[r], total };
        UNROLL
        for (int n = 0; n < D / 8; n++)
            *(float2 *)(sums + line * D + n * 8 + lane % 4 * 2) = { sum[0][n].x[2 * r], sum[0][n].x[2 * r + 1] };
    }
    __syncthreads();
    join_warps<D>(o, lse, a, s, parts, row0, rows, sums, stats);
}

KERNEL __launch_bounds__(MMA_THREADS)
    attention_split_64_kernel(bf16 *o, float *lse, attention_bf16 a, attention_list list, split_parts parts)
{
    split<64>(o, lse, a, list, parts);
}
KERNEL __launch_bounds__(MMA_THREADS)
    attention_split_128_kernel(bf16 *o, float *lse, attention_bf16 a, attention_list list, split_parts parts)
{
    split<128>(o, lse, a, list, parts);
}

/* A block joins one query and head: warp w takes splits w, w + 4, ..., a lane every 32nd column;
 * then the warps are added in their order. */
KERNEL __launch_bounds__(MMA_THREADS)
    attention_join_kernel(bf16 *o, float *lse, attention_bf16 a, attention_list list, split_parts parts)
{
    __shared__ float sums[MMA_WARPS][COLUMNS], totals[MMA_WARPS];
    wait_for_previous();
    const attention_span s = list.spans[blockIdx.z];
    const int query = (int)blockIdx.y, head = (int)blockIdx.x, H = (int)a.d.head_dim, warp = (int)threadIdx.x / WARP;
    const int lane = (int)threadIdx.x % WARP;
    if (query >= s.q_len) return;
    const int     splits = (int)(keys_of(s, query) + SPLIT - 1) / SPLIT;
    const int64_t q_row = s.q0 + query, item = q_row * a.d.heads + head;
    const float  *from  = parts.o + item * parts.splits * H;
    const float2 *stats = parts.stats + item * parts.splits;
    float         max = -INFINITY, total = 0, sum[COLUMNS / WARP] = {};
    for (int i = lane; i < splits; i += WARP) max = fmaxf(max, stats[i].x);
    max = warp_max(max);
    for (int i = warp; i < splits; i += MMA_WARPS) {
        const float weight = exp2f(stats[i].x - max);
        total += stats[i].y * weight;
        for (int x = 0; x < COLUMNS / WARP; x++)
            if (lane + x * WARP < H) sum[x] += from[(int64_t)i * H + lane + x * WARP] * weight;
    }
    for (int x = 0; x < COLUMNS / WARP; x++) sums[warp][lane + x * WARP] = sum[x];
    if (lane == 0) totals[warp] = total;
    __syncthreads();
    total = 0;
    for (int w = 0; w < MMA_WARPS; w++) total += totals[w];
    for (int c = (int)threadIdx.x; c < H; c += MMA_THREADS) {
        float all = 0;
        for (int w = 0; w < MMA_WARPS; w++) all += sums[w][c];
        o[q_row * a.d.ldo + head * H + c] = all / total;
        if (lse && c == 0) lse[item] = max * LN_2 + logf(total);
    }
}

static bool takes(const attention_bf16 &a, const bf16 *o, int64_t n_spans)
{
    return attention_mma_takes(a.d) && aligned_16(o) && aligned_16(a.q) && aligned_16(a.k) && aligned_16(a.v) &&
           n_spans <= 65535;
}

/* queries and keys: the most of any span. q_rows: the rows of q of all spans. */
static void run_splits(bf16 *o, float *lse, const attention_bf16 &a, attention_list list, int64_t queries, int64_t keys,
                       int64_t q_rows)
{
    const int      splits = (int)blocks_of(keys, SPLIT);
    const int64_t  items = q_rows * a.d.heads * (splits > 1 ? splits : 0), stats = (items * a.d.head_dim + 1) / 2 * 2;
    float         *floats = (float *)cuda_scratch(SCRATCH_SPLITS, (stats + 2 * items) * (int64_t)sizeof(float));
    const unsigned rows = blocks_of(queries * (a.d.heads / a.d.kv_heads), ROWS), count = (unsigned)list.count;
    const dim3     grid((unsigned)splits, (unsigned)a.d.kv_heads * rows, count);
    split_parts    parts = { floats, (float2 *)(floats + stats), splits };
    /* A launch may begin early only behind another launch, so not where the list of spans has just
     * been copied. */
    const launch_shape shape = { grid, MMA_THREADS, a.d.head_dim <= 64 ? SHARED<64> : SHARED<128>,
                                 list.first_block == NULL };
    if (a.d.head_dim <= 64)
        LAUNCH_AS(attention_split_64_kernel, shape, o, lse, a, list, parts);
    else
        LAUNCH_AS(attention_split_128_kernel, shape, o, lse, a, list, parts);
    if (splits > 1)
        LAUNCH_BEHIND(attention_join_kernel, dim3((unsigned)a.d.heads, (unsigned)queries, count), MMA_THREADS, 0, o,
                      lse, a, list, parts);
}

bool attention_split_fwd(bf16 *o, float *lse, const attention_bf16 &a, const attention_span *spans, int64_t n_spans)
{
    int64_t queries = 0, keys = 0, q_rows = 0;
    for (int64_t i = 0; i < n_spans; i++) {
        const attention_span &s = spans[i];
        if (s.q_len < 1) continue;
        queries = max(queries, (int64_t)s.q_len);
        keys    = max(keys, (int64_t)s.pre_len + s.kv_len);
        q_rows  = max(q_rows, (int64_t)s.q0 + s.q_len);
    }
    if (!takes(a, o, n_spans) || queries < 1 || queries > MOST_QUERIES) return false;
    if (keys > SPLIT &&
        q_rows * a.d.heads * blocks_of(keys, SPLIT) * (a.d.head_dim + 2) * (int64_t)sizeof(float) > PARTS_MOST)
        return false;
    run_splits(o, lse, a, attention_send(spans, n_spans, MOST_QUERIES), queries, keys, q_rows);
    return true;
}

bool attention_split_decode(bf16 *o, const attention_bf16 &a, const attention_span *spans, int64_t n, int64_t kv_most)
{
    if (!takes(a, o, n)) return false;
    run_splits(o, NULL, a, { spans, NULL, (int)n, n, NULL }, 1, kv_most, n);
    return true;
}
