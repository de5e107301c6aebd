/* Attention on the GPU, backward: probabilities are computed again from the saved log-sum-exp.
 * One kernel gives dq, a block a group of queries; the other dk and dv, a block a group of rows
 * of k, which goes through every span, head and query that sees them in order: shared prefixes
 * need no atomics, and the bits are the same every run. Contract: kernels/attention.h; formulas:
 * kernels/attention.c. */
#include "kernels/cuda/ops/attention.h"
#include "kernels/cuda/working.h"

/* of a block and of a warp of dq's kernel */
static constexpr int QUERIES = 16, EACH = QUERIES / WARPS;
/* queries that dk and dv's kernel takes at a time, and of a warp */
static constexpr int TILE = 32, TILE_EACH = TILE / WARPS;
/* rows of dk and dv, in one column, whose sums a thread keeps */
static constexpr int KEYS_EACH = KEYS * COLUMNS / THREADS;

KERNEL __launch_bounds__(THREADS)
    TYPED(attention_bwd_q_kernel)(element *dq, float *delta, const float *lse, attention_view a, attention_list list)
{
    __shared__ float kt[KEYS][DEPTH + 1], vt[KEYS][DEPTH + 1], qt[QUERIES][DEPTH + 1], ot[QUERIES][DEPTH + 1],
        kc[KEYS][COLUMNS], ds[QUERIES][KEYS];
    const int            index = part_of_block(list.first_block, list.count, blockIdx.x);
    const attention_span s     = list.spans[index];
    const int64_t        D = a.d.head_dim, head = blockIdx.y, kv_head = head / (a.d.heads / a.d.kv_heads),
                  column0 = blockIdx.z * (int64_t)COLUMNS;
    const int64_t first = (blockIdx.x - list.first_block[index]) * QUERIES, left = s.q_len - first,
                  queries = left < QUERIES ? left : QUERIES;
    const int64_t  row0 = s.q0 + first, all_keys = keys_of(s, first + queries - 1);
    const int      lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
    const element *k = a.k + kv_head * D, *v = a.v + kv_head * D, *q = a.q + row0 * a.d.ldq + head * D,
                  *d_o              = a.d_o + row0 * a.d.ldo + head * D;
    float sum[EACH][COLUMNS / WARP] = {}, subtract[EACH] = {}, log_sum[EACH] = {};
    for (int i = 0; i < EACH; i++) {
        int query = warp + i * WARPS;
        if (query >= queries) continue;
        subtract[i] = delta_of(a, row0 + query, head, lane);
        log_sum[i]  = lse[(row0 + query) * a.d.heads + head];
        if (column0 == 0 && lane == 0) delta[(row0 + query) * a.d.heads + head] = subtract[i];
    }
    for (int64_t key0 = 0; key0 < all_keys; key0 += KEYS) {
        float score[EACH] = {}, dp[EACH] = {};
        auto  row_of_key   = [&](int line) { return key_row(s, key0 + line); };
        auto  row_of_query = [](int line) { return (int64_t)line; };
        for (int64_t c0 = 0; c0 < D; c0 += DEPTH) {
            load_lines(kt, KEYS, all_keys - key0, k, a.d.ldk, c0, D, row_of_key);
            load_lines(vt, KEYS, all_keys - key0, v, a.d.ldv, c0, D, row_of_key);
            load_lines(qt, QUERIES, queries, q, a.d.ldq, c0, D, row_of_query);
            load_lines(ot, QUERIES, queries, d_o, a.d.ldo, c0, D, row_of_query);
            __syncthreads();
            for (int c = 0; c < DEPTH; c++)
                for (int i = 0; i < EACH; i++) {
                    score[i] += qt[warp + i * WARPS][c] * kt[lane][c];
                    dp[i] += ot[warp + i * WARPS][c] * vt[lane][c];
                }
            __syncthreads();
        }
        for (int i = 0; i < EACH; i++) {
            int  query      = warp + i * WARPS;
            bool seen       = query < queries && key0 + lane < keys_of(s, first + query);
            ds[query][lane] = seen ? a.scale * expf(a.scale * score[i] - log_sum[i]) * (dp[i] - subtract[i]) : 0;
        }
        for (int at = (int)threadIdx.x; at < KEYS * COLUMNS; at += THREADS) {
            int64_t line = at / COLUMNS, c = column0 + at % COLUMNS;
            kc[line][at % COLUMNS] = key0 + line < all_keys && c < D ? (float)k[key_row(s, key0 + line) * a.d.ldk + c]
                                                                     : 0;
        }
        __syncthreads();
        for (int j = 0; j < KEYS; j++)
            for (int i = 0; i < EACH; i++)
                for (int x = 0; x < COLUMNS / WARP; x++) sum[i][x] += ds[warp + i * WARPS][j] * kc[j][lane + x * WARP];
    } /* ds and kc are written again behind two barriers of the next tile's scores */
    for (int i = 0; i < EACH; i++)
        for (int x = 0; x < COLUMNS / WARP; x++) {
            int64_t query = warp + i * WARPS, c = column0 + lane + x * WARP;
            if (query < queries && c < D) dq[(row0 + query) * a.d.ldq + head * D + c] = sum[i][x];
        }
}

KERNEL __launch_bounds__(THREADS)
    TYPED(attention_bwd_kv_kernel)(element *dk, element *dv, const float *delta, const float *lse, attention_view a,
                                   attention_list list, int64_t kv_rows)
{
    __shared__ float kt[KEYS][DEPTH + 1], vt[KEYS][DEPTH + 1], qt[TILE][DEPTH + 1], ot[TILE][DEPTH + 1],
        p[TILE][KEYS + 1], ds[TILE][KEYS + 1];
    const int64_t D = a.d.head_dim, kv_head = blockIdx.y, group = a.d.heads / a.d.kv_heads,
                  column0 = blockIdx.z * (int64_t)COLUMNS;
    const int64_t row0 = blockIdx.x * (int64_t)KEYS, rows = kv_rows - row0 < KEYS ? kv_rows - row0 : KEYS;
    const int     lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
    /* of the sums this thread keeps */
    const int64_t  column = column0 + threadIdx.x % COLUMNS, key0 = threadIdx.x / COLUMNS * KEYS_EACH;
    const element *k = a.k + row0 * a.d.ldk + kv_head * D, *v = a.v + row0 * a.d.ldv + kv_head * D;
    float          sum_k[KEYS_EACH] = {}, sum_v[KEYS_EACH] = {};
    auto           line_itself = [](int line) { return (int64_t)line; };

    for (int part = 0; part < 2 * list.count; part++) {
        const attention_span s   = list.spans[part / 2];
        const key_run        run = run_of(s, part % 2);
        const int64_t        low = run.row0 > row0 ? run.row0 : row0,
                      high       = run.row0 + run.count < row0 + rows ? run.row0 + run.count : row0 + rows;
        if (low >= high) continue;
        /* the first query that sees any */
        const int64_t unseen = run.past < 0 ? 0 : low - run.row0 - run.past, first = unseen > 0 ? unseen : 0;
        for (int64_t at = 0; at < group; at++)
            for (int64_t query0 = first; query0 < s.q_len; query0 += TILE) {
                const int64_t head = kv_head * group + at, q_row = s.q0 + query0,
                              queries = s.q_len - query0 < TILE ? s.q_len - query0 : TILE;
                const element *q = a.q + q_row * a.d.ldq + head * D, *d_o = a.d_o + q_row * a.d.ldo + head * D;
                float          score[TILE_EACH] = {}, dp[TILE_EACH] = {};
                for (int64_t c0 = 0; c0 < D; c0 += DEPTH) {
                    load_lines(kt, KEYS, rows, k, a.d.ldk, c0, D, line_itself);
                    load_lines(vt, KEYS, rows, v, a.d.ldv, c0, D, line_itself);
                    load_lines(qt, TILE, queries, q, a.d.ldq, c0, D, line_itself);
                    load_lines(ot, TILE, queries, d_o, a.d.ldo, c0, D, line_itself);
                    __syncthreads();
                    for (int c = 0; c < DEPTH; c++)
                        for (int i = 0; i < TILE_EACH; i++) {
                            score[i] += qt[warp + i * WARPS][c] * kt[lane][c];
                            dp[i] += ot[warp + i * WARPS][c] * vt[lane][c];
                        }
                    __syncthreads();
                }
                for (int i = 0; i < TILE_EACH; i++) {
                    const int64_t query = warp + i * WARPS, row = row0 + lane, of = (q_row + query) * a.d.heads + head;
                    const bool    seen = query < queries && row >= low && row < high &&
                                      (run.past < 0 || row - run.row0 <= run.past + query0 + query);
                    const float e   = seen ? expf(a.scale * score[i] - lse[of]) : 0;
                    p[query][lane]  = e;
                    ds[query][lane] = seen ? a.scale * e * (dp[i] - delta[of]) : 0;
                }
                __syncthreads();
                for (int64_t query = 0; query < queries && column < D; query++) {
                    const float q_c = q[query * a.d.ldq + column], o_c = d_o[query * a.d.ldo + column];
                    for (int x = 0; x < KEYS_EACH; x++) {
                        sum_k[x] += ds[query][key0 + x] * q_c;
                        sum_v[x] += p[query][key0 + x] * o_c;
                    }
                }
            }
    }
    for (int x = 0; x < KEYS_EACH; x++) {
        const int64_t row = row0 + key0 + x;
        if (key0 + x >= rows || column >= D) continue;
        element *to_k = dk + row * a.d.ldk + kv_head * D + column, *to_v = dv + row * a.d.ldv + kv_head * D + column;
        *to_k = *to_k + sum_k[x];
        *to_v = *to_v + sum_v[x];
    }
}

void TYPED(attention_bwd_cuda)(real *dq, real *dk, real *dv, const real *d_o, const real *o, const param *lse,
                               const attention_args *args)
{
    const attention_span *spans   = args->spans;
    const int64_t         n_spans = args->n_spans;
    const attention_dims  d       = args->d;
    const attention_view  a       = attention_view_of(args, o, d_o);
    if (attention_mma_bwd((element *)dq, (element *)dk, (element *)dv, (const float *)lse, a, spans, n_spans)) return;
    attention_list list = attention_send(spans, n_spans, QUERIES);
    if (list.blocks == 0) return;
    const unsigned columns = blocks_of(d.head_dim, COLUMNS);
    const int64_t  kv_rows = kv_rows_of(spans, n_spans);
    float *delta = (float *)cuda_scratch(SCRATCH_DELTA, q_rows_of(spans, n_spans) * d.heads * (int64_t)sizeof(float));
    LAUNCH(TYPED(attention_bwd_q_kernel), dim3((unsigned)list.blocks, (unsigned)d.heads, columns), THREADS,
           (element *)dq, delta, (const float *)lse, a, list);
    LAUNCH(TYPED(attention_bwd_kv_kernel), dim3(blocks_of(kv_rows, KEYS), (unsigned)d.kv_heads, columns), THREADS,
           (element *)dk, (element *)dv, delta, (const float *)lse, a, list, kv_rows);
}
