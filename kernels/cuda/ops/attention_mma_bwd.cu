/* Attention in bf16 on tensor cores, backward: probabilities come again from the saved
 * log-sum-exp, and they and the gradients of scores are rounded to bf16 for the products they go
 * into. One kernel gives dq, a warp 16 queries; the other dk and dv, a warp 16 rows of k, which
 * takes all spans, heads and queries that see them in order: no atomics, the same bits every
 * run. Contract: kernels/attention.h; formulas: kernels/attention.c. */
#include <limits.h>

#include "kernels/cuda/ops/attention_mma.h"

/* OWN: queries, or rows of k and v, that a block owns. TILE: keys, or queries, that pass at a
 * time. */
static constexpr int OWN = 16 * MMA_WARPS, TILE = 32;
template <int D>
static constexpr int SHARED = (2 * OWN + 4 * TILE) * LD<D> *(int)sizeof(bf16) + 2 * TILE *(int)sizeof(float2);

/* Shared memory holds two tiles of the block's own rows, and two pairs of tiles of the rows that
 * pass: one turn uses one pair while the next pair is being copied. */
template <int D> static __device__ inline bf16 *own_tile(int which)
{
    return (bf16 *)dynamic_shared() + which * OWN * LD<D>;
}
template <int D> static __device__ inline bf16 *passing_tile(int which, int turn)
{
    return (bf16 *)dynamic_shared() + (2 * OWN + (turn % 2 * 2 + which) * TILE) * LD<D>;
}

/* Behind them lie log-sum-exp, in units of log2, and delta of the queries that pass. */
template <int D> static __device__ inline float2 *passing_stats(int turn)
{
    return (float2 *)((bf16 *)dynamic_shared() + (2 * OWN + 4 * TILE) * LD<D>)+turn % 2 * TILE;
}

template <int D>
static __device__ inline void bwd_q(bf16 *dq, float *delta, const float *lse, attention_bf16 a, attention_list list)
{
    constexpr int SCORES = TILE / 8;
    const int64_t block  = gridDim.x - 1 - (int64_t)blockIdx.x;
    const int     index = part_of_block(list.first_block, list.count, block), me = (int)threadIdx.x, lane = me % WARP;
    const attention_span s = list.spans[index];
    const int H = (int)a.d.head_dim, head = (int)blockIdx.y, kv_head = head / (int)(a.d.heads / a.d.kv_heads);
    const int first = (int)(block - list.first_block[index]) * OWN, queries = min(s.q_len - first, OWN),
              query0         = me / WARP * 16;
    const int     all_keys   = (int)keys_of(s, first + queries - 1);
    const int64_t row0       = s.q0 + first;
    float         log_sum[2] = {}, subtract[2] = {};
    mma_c         sum[1][D / 8] = {};

    auto copy_keys = [&](int key0) {
        copy_tile<D, TILE, MMA_THREADS>(passing_tile<D>(0, key0 / TILE), all_keys - key0, a.k + kv_head * H, H, me,
                                        [&](int line) { return key_row(s, key0 + line) * a.d.ldk; });
        copy_tile<D, TILE, MMA_THREADS>(passing_tile<D>(1, key0 / TILE), all_keys - key0, a.v + kv_head * H, H, me,
                                        [&](int line) { return key_row(s, key0 + line) * a.d.ldv; });
        copy_commit();
    };
    copy_tile<D, OWN, MMA_THREADS>(own_tile<D>(0), queries, a.q + row0 * a.d.ldq + head * H, H, me,
                                   [&](int line) { return line * a.d.ldq; });
    copy_tile<D, OWN, MMA_THREADS>(own_tile<D>(1), queries, a.d_o + row0 * a.d.ldo + head * H, H, me,
                                   [&](int line) { return line * a.d.ldo; });
    copy_keys(0);
    UNROLL
    for (int r = 0; r < 2; r++)
        for (int i = 0; i < 8 && query0 + 8 * r + i < queries; i++) {
            const int64_t row = row0 + query0 + 8 * r + i, of = row * a.d.heads + head;
            const float   d = delta_of(a, row, head, lane);
            if (lane == 0) delta[of] = d;
            if (lane / 4 == i) subtract[r] = d, log_sum[r] = lse[of] * LOG2_E;
        }
    for (int key0 = 0; key0 < all_keys; key0 += TILE) {
        copy_wait<0>();
        __syncthreads(); /* these keys are here, and nobody reads those before them any more */
        if (key0 + TILE < all_keys) copy_keys(key0 + TILE);
        if (query0 >= queries || key0 >= keys_of(s, first + query0 + 15)) continue;
        const bf16 *kt = passing_tile<D>(0, key0 / TILE), *vt = passing_tile<D>(1, key0 / TILE);
        mma_c       score[1][SCORES] = {}, ds[1][SCORES] = {};
        product_of_rows<D, 1, SCORES>(score, own_tile<D>(0) + query0 * LD<D>, kt);
        product_of_rows<D, 1, SCORES>(ds, own_tile<D>(1) + query0 * LD<D>, vt);
        const int limit = (int)keys_of(s, first + query0 + lane / 4) - key0;
        UNROLL
        for (int i = 0; i < 4 * SCORES; i++) {
            const int   r = i / 2 % 2, key = i / 4 * 8 + lane % 4 * 2 + i % 2;
            const bool  seen      = key < limit + 8 * r;
            const float p         = seen ? exp2f(score[0][i / 4].x[i % 4] * (a.scale * LOG2_E) - log_sum[r]) : 0;
            ds[0][i / 4].x[i % 4] = p * (ds[0][i / 4].x[i % 4] - subtract[r]);
        }
        product_with_tile<D, 1, SCORES>(sum, ds, kt);
    }
    UNROLL
    for (int i = 0; i < D / 8 * 2; i++) {
        const int r = i % 2, query = query0 + lane / 4 + 8 * r, c = i / 2 * 8 + lane % 4 * 2;
        if (query < queries && c < H)
            store_pair(dq + (row0 + query) * a.d.ldq + head * H + c, a.scale * sum[0][i / 2].x[2 * r],
                       a.scale * sum[0][i / 2].x[2 * r + 1]);
    }
}

/* A tile of queries of one head that see some of the block's rows [row0, row0 + rows) of k: the
 * rows in [low, high), either all of these or those up to the query's own. */
struct visit {
    /* run part % 2 of span part / 2; the head within its group; the first query of the tile */
    int part, at, query0;
    int q_len, first, low, high; /* of the part; `first` is the first query that sees any row */
    /* The span's first row of q, and its first row of k counted from row0; past: the keys that
     * query 0 sees besides its own, -1 if every query sees all. */
    int q0, own0, past;
};

/* A place before the first visit, for next_visit. */
static __device__ inline visit first_visit(const attention_list &list)
{
    visit v = {};
    v.part  = 2 * list.kv_spans[2 * blockIdx.x] - 1;
    v.at    = INT_MAX - 1;
    return v;
}
/* Goes on to the next visit; false at the end. */
static __device__ inline bool next_visit(visit *v, const attention_list &list, int group, int64_t row0, int rows)
{
    v->query0 += TILE;
    if (v->query0 < v->q_len) return true;
    v->query0 = v->first;
    if (++v->at < group) return true;
    v->at = 0;
    while (++v->part < 2 * list.kv_spans[2 * blockIdx.x + 1]) {
        const attention_span s   = list.spans[v->part / 2];
        const key_run        run = run_of(s, v->part % 2);
        v->low                   = (int)(run.row0 > row0 ? run.row0 - row0 : 0);
        v->high                  = (int)min(run.row0 + run.count - row0, (int64_t)rows);
        if (v->low >= v->high || s.q_len == 0) continue;
        v->q0    = s.q0;
        v->q_len = s.q_len;
        v->own0  = (int)(run.row0 - row0);
        v->past  = (int)run.past;
        v->first = v->query0 = run.past < 0 ? 0 : max(v->low - v->own0 - v->past, 0);
        return true;
    }
    return false;
}

/* Rows of the block that the queries of a tile see: those in [low, high), and query i of the tile
 * those below see + i. */
struct seen_rows {
    int low, high, see;
};

/* A warp's scores, of 16 rows from line0 on against the tile's queries, become probabilities.
 * stats: log-sum-exp and delta of each query. */
static __device__ inline void probabilities(mma_c *p, const seen_rows &s, int line0, float scale, const float2 *stats)
{
    const int lane = (int)threadIdx.x % WARP;
    UNROLL
    for (int i = 0; i < TILE / 2; i++) {
        const int   line = line0 + lane / 4 + i / 2 % 2 * 8, query = i / 4 * 8 + lane % 4 * 2 + i % 2;
        const bool  seen  = line >= s.low && line < s.high && line < s.see + query;
        const float e     = exp2f(p[i / 4].x[i % 4] * (scale * LOG2_E) - stats[query].x);
        p[i / 4].x[i % 4] = seen ? e : 0;
    }
}

/* Gradients of the probabilities become gradients of the scores, without the scale. */
static __device__ inline void score_gradients(mma_c *ds, const mma_c *p, const float2 *stats)
{
    const int lane = (int)threadIdx.x % WARP;
    UNROLL
    for (int i = 0; i < TILE / 2; i++)
        ds[i / 4].x[i % 4] = p[i / 4].x[i % 4] * (ds[i / 4].x[i % 4] - stats[i / 4 * 8 + lane % 4 * 2 + i % 2].y);
}

/* A warp's 16 rows of dk and dv, from row0 on, += their sums. named: a bit for each of the lane's
 * two rows that is written. */
template <int D>
static __device__ inline void add_rows(bf16 *dk, bf16 *dv, const attention_bf16 &a, int64_t row0, const mma_c *sum_k,
                                       const mma_c *sum_v, int named)
{
    const int lane = (int)threadIdx.x % WARP, H = (int)a.d.head_dim, kv_head = (int)blockIdx.y;
    UNROLL
    for (int i = 0; i < D / 8 * 2; i++) {
        const int r = i % 2, line = lane / 4 + 8 * r, c = i / 2 * 8 + lane % 4 * 2;
        if (c >= H || !(named >> r & 1)) continue;
        add_pair(dk + (row0 + line) * a.d.ldk + kv_head * H + c, a.scale * sum_k[i / 2].x[2 * r],
                 a.scale * sum_k[i / 2].x[2 * r + 1]);
        add_pair(dv + (row0 + line) * a.d.ldv + kv_head * H + c, sum_v[i / 2].x[2 * r], sum_v[i / 2].x[2 * r + 1]);
    }
}

template <int D>
static __device__ inline void bwd_kv(bf16 *dk, bf16 *dv, const float *delta, const float *lse, attention_bf16 a,
                                     attention_list list, int64_t kv_rows)
{
    constexpr int SCORES = TILE / 8;
    const int     me = (int)threadIdx.x, lane = me % WARP, line0 = me / WARP * 16;
    const int     H = (int)a.d.head_dim, kv_head = (int)blockIdx.y, group = (int)(a.d.heads / a.d.kv_heads);
    const int64_t row0            = blockIdx.x * (int64_t)OWN;
    const int     rows            = (int)min(kv_rows - row0, (int64_t)OWN);
    mma_c         sum_k[1][D / 8] = {}, sum_v[1][D / 8] = {};
    visit         v = first_visit(list);
    /* A bit for each of the lane's rows that a span names. Others may hold anything, even NaN. */
    int named = 0;

    auto copy_queries = [&](int turn) {
        const int64_t row = (int64_t)v.q0 + v.query0, column = (int64_t)(kv_head * group + v.at) * H;
        copy_tile<D, TILE, MMA_THREADS>(passing_tile<D>(0, turn), v.q_len - v.query0, a.q + row * a.d.ldq + column, H,
                                        me, [&](int i) { return i * a.d.ldq; });
        copy_tile<D, TILE, MMA_THREADS>(passing_tile<D>(1, turn), v.q_len - v.query0, a.d_o + row * a.d.ldo + column, H,
                                        me, [&](int i) { return i * a.d.ldo; });
        copy_commit();
    };
    auto stats_of_mine = [&](void) -> float2 {
        /* Query `me` of the tile. A query that is not there gets probabilities of 0. */
        const int64_t of = (int64_t)(v.q0 + v.query0 + me) * a.d.heads + kv_head * group + v.at;
        if (me >= TILE || me >= v.q_len - v.query0) return { INFINITY, 0 };
        return { lse[of] * LOG2_E, delta[of] };
    };
    bool more = next_visit(&v, list, group, row0, rows);
    if (!more) return;
    copy_tile<D, OWN, MMA_THREADS>(own_tile<D>(0), rows, a.k + row0 * a.d.ldk + kv_head * H, H, me,
                                   [&](int i) { return i * a.d.ldk; });
    copy_tile<D, OWN, MMA_THREADS>(own_tile<D>(1), rows, a.v + row0 * a.d.ldv + kv_head * H, H, me,
                                   [&](int i) { return i * a.d.ldv; });
    copy_queries(0);
    float2 mine = stats_of_mine();
    for (int turn = 0; more; turn++) {
        float2 *stats = passing_stats<D>(turn);
        if (me < TILE) stats[me] = mine;
        const int       last = min(v.q_len - v.query0, TILE) - 1; /* the last query of the tile */
        const seen_rows seen = { v.low, v.high, v.past < 0 ? OWN : v.own0 + v.past + v.query0 + 1 };
        copy_wait<0>();
        __syncthreads(); /* these queries are here, and nobody reads those before them any more */
        more = next_visit(&v, list, group, row0, rows);
        if (more) copy_queries(turn + 1), mine = stats_of_mine();
        if (line0 >= seen.high || line0 + 16 <= seen.low || line0 >= seen.see + last) continue;
        for (int r = 0; r < 2; r++) {
            const int line = line0 + lane / 4 + 8 * r;
            named |= (line >= seen.low && line < seen.high) << r;
        }
        const bf16 *qt = passing_tile<D>(0, turn), *ot = passing_tile<D>(1, turn);
        mma_c       p[1][SCORES] = {}, ds[1][SCORES] = {};
        product_of_rows<D, 1, SCORES>(p, own_tile<D>(0) + line0 * LD<D>, qt);
        probabilities(p[0], seen, line0, a.scale, stats);
        product_with_tile<D, 1, SCORES>(sum_v, p, ot);
        product_of_rows<D, 1, SCORES>(ds, own_tile<D>(1) + line0 * LD<D>, ot);
        score_gradients(ds[0], p[0], stats);
        product_with_tile<D, 1, SCORES>(sum_k, ds, qt);
    }
    add_rows<D>(dk, dv, a, row0 + line0, sum_k[0], sum_v[0], named);
}

/* The numbers are blocks on a multiprocessor at once; the compiler limits registers to allow
 * them. */
#define BWD_KERNELS(D, q_blocks, kv_blocks)                                                                            \
    KERNEL __launch_bounds__(MMA_THREADS, q_blocks) attention_mma_bwd_q_##D##_kernel(                                  \
        bf16 *dq, float *delta, const float *lse, attention_bf16 a, attention_list list)                               \
    {                                                                                                                  \
        bwd_q<D>(dq, delta, lse, a, list);                                                                             \
    }                                                                                                                  \
    KERNEL __launch_bounds__(MMA_THREADS, kv_blocks)                                                                   \
        attention_mma_bwd_kv_##D##_kernel(bf16 *dk, bf16 *dv, const float *delta, const float *lse, attention_bf16 a,  \
                                          attention_list list, int64_t kv_rows)                                        \
    {                                                                                                                  \
        bwd_kv<D>(dk, dv, delta, lse, a, list, kv_rows);                                                               \
    }
BWD_KERNELS(64, 4, 3)
BWD_KERNELS(128, 2, 2)

bool attention_mma_bwd(bf16 *dq, bf16 *dk, bf16 *dv, const float *lse, const attention_bf16 &a,
                       const attention_span *spans, int64_t n_spans)
{
    const void *all[] = { dq, dk, dv, a.q, a.k, a.v, a.o, a.d_o };
    if (!attention_mma_takes(a.d)) return false;
    for (const void *p : all)
        if (!aligned_16(p)) return false;
    const int64_t        kv_rows = kv_rows_of(spans, n_spans);
    const attention_list list    = attention_send(spans, n_spans, OWN, kv_rows, OWN);
    if (list.blocks == 0) return true;
    float *delta = (float *)cuda_scratch(SCRATCH_DELTA, q_rows_of(spans, n_spans) * a.d.heads * (int64_t)sizeof(float));
    const dim3 of_q((unsigned)list.blocks, (unsigned)a.d.heads), of_kv(blocks_of(kv_rows, OWN), (unsigned)a.d.kv_heads);
    if (a.d.head_dim <= 64) {
        LAUNCH_SHARED(attention_mma_bwd_q_64_kernel, of_q, MMA_THREADS, SHARED<64>, dq, delta, lse, a, list);
        LAUNCH_SHARED(attention_mma_bwd_kv_64_kernel, of_kv, MMA_THREADS, SHARED<64>, dk, dv, delta, lse, a, list,
                      kv_rows);
    } else {
        LAUNCH_SHARED(attention_mma_bwd_q_128_kernel, of_q, MMA_THREADS, SHARED<128>, dq, delta, lse, a, list);
        LAUNCH_SHARED(attention_mma_bwd_kv_128_kernel, of_kv, MMA_THREADS, SHARED<128>, dk, dv, delta, lse, a, list,
                      kv_rows);
    }
    return true;
}
