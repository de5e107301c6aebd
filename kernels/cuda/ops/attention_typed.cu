/* Attention on the GPU, forward: a block takes QUERIES queries of one span and head through its
 * keys, KEYS at a time, with a running maximum and sum (Milakov and Gimelshein 2018; Dao et al.
 * 2022), so no row of scores is kept. A warp owns a query, a lane a key. Contract:
 * kernels/attention.h. */
#include "kernels/cuda/ops/attention.h"
#include "kernels/cuda/working.h"

static constexpr int QUERIES = 16, EACH = QUERIES / WARPS; /* of a block, of a warp */

/* What a warp keeps of a query while keys pass. */
typedef struct {
    float max, sum, o[COLUMNS / WARP];
} running;

/* A tile's scores join: p is the lane's probability against the maximum so far. */
static __device__ float join_tile(running *w, float score)
{
    float max = fmaxf(w->max, warp_max(score)), base = max == -INFINITY ? 0 : max, p = expf(score - base),
          shrink = expf(w->max - base);
    w->sum       = w->sum * shrink + warp_sum(p);
    w->max       = max;
    for (int x = 0; x < COLUMNS / WARP; x++) w->o[x] *= shrink;
    return p;
}

KERNEL __launch_bounds__(THREADS)
    TYPED(attention_fwd_kernel)(element *o, float *lse, attention_view a, attention_list list)
{
    __shared__ float kt[KEYS][DEPTH + 1], qt[QUERIES][DEPTH + 1], vt[KEYS][COLUMNS], p[QUERIES][KEYS];
    const int     index  = list.first_block ? part_of_block(list.first_block, list.count, blockIdx.x) : (int)blockIdx.x;
    const int64_t block0 = list.first_block ? list.first_block[index] : blockIdx.x;
    const attention_span s = list.spans[index];
    const int64_t        D = a.d.head_dim, head = blockIdx.y, kv_head = head / (a.d.heads / a.d.kv_heads),
                  column0 = blockIdx.z * (int64_t)COLUMNS;
    const int64_t first = (blockIdx.x - block0) * QUERIES, left = s.q_len - first,
                  queries   = left < QUERIES ? left : QUERIES;
    const int64_t  all_keys = keys_of(s, first + queries - 1);
    const int      lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
    const element *k = a.k + kv_head * D, *v = a.v + kv_head * D, *q = a.q + (s.q0 + first) * a.d.ldq + head * D;
    running        w[EACH];
    for (int i = 0; i < EACH; i++) w[i] = { -INFINITY, 0, {} };

    for (int64_t key0 = 0; key0 < all_keys; key0 += KEYS) {
        float score[EACH] = {};
        for (int64_t c0 = 0; c0 < D; c0 += DEPTH) {
            load_lines(kt, KEYS, all_keys - key0, k, a.d.ldk, c0, D, [&](int line) { return key_row(s, key0 + line); });
            load_lines(qt, QUERIES, queries, q, a.d.ldq, c0, D, [](int line) { return (int64_t)line; });
            __syncthreads();
            for (int c = 0; c < DEPTH; c++)
                for (int i = 0; i < EACH; i++) score[i] += qt[warp + i * WARPS][c] * kt[lane][c];
            __syncthreads();
        }
        for (int i = 0; i < EACH; i++) {
            bool seen                 = key0 + lane < keys_of(s, first + warp + i * WARPS);
            p[warp + i * WARPS][lane] = join_tile(&w[i], seen ? score[i] * a.scale : -INFINITY);
        }
        for (int at = (int)threadIdx.x; at < KEYS * COLUMNS; at += THREADS) {
            int64_t line = at / COLUMNS, c = column0 + at % COLUMNS;
            vt[line][at % COLUMNS] = key0 + line < all_keys && c < D ? (float)v[key_row(s, key0 + line) * a.d.ldv + c]
                                                                     : 0;
        }
        __syncthreads();
        for (int j = 0; j < KEYS; j++)
            for (int i = 0; i < EACH; i++)
                for (int x = 0; x < COLUMNS / WARP; x++) w[i].o[x] += p[warp + i * WARPS][j] * vt[j][lane + x * WARP];
    } /* p and vt are written again behind two barriers of the next tile's scores */
    for (int i = 0; i < EACH; i++) {
        int64_t query = warp + i * WARPS, row = s.q0 + first + query;
        if (query >= queries) continue;
        for (int x = 0; x < COLUMNS / WARP; x++) {
            int64_t c = column0 + lane + x * WARP;
            if (c < D) o[row * a.d.ldo + head * D + c] = w[i].o[x] / w[i].sum;
        }
        if (lse && column0 == 0 && lane == 0) lse[row * a.d.heads + head] = w[i].max + logf(w[i].sum);
    }
}

void TYPED(attention_fwd_cuda)(real *o, param *lse, const attention_args *args)
{
    const attention_view a = attention_view_of(args, NULL, NULL);
    if (attention_split_fwd((element *)o, (float *)lse, a, args->spans, args->n_spans)) return;
    if (attention_mma_fwd((element *)o, (float *)lse, a, args->spans, args->n_spans)) return;
    attention_list list = attention_send(args->spans, args->n_spans, QUERIES);
    if (list.blocks == 0) return;
    LAUNCH(TYPED(attention_fwd_kernel),
           dim3((unsigned)list.blocks, (unsigned)a.d.heads, blocks_of(a.d.head_dim, COLUMNS)), THREADS, (element *)o,
           (float *)lse, a, list);
}

void TYPED(attention_decode_cuda)(real *o, int64_t kv_most, const attention_args *args)
{
    const attention_view a = attention_view_of(args, NULL, NULL);
    const int64_t        n = args->n_spans;
    if (n == 0 || attention_split_decode((element *)o, a, args->spans, n, kv_most)) return;
    /* here a span is one block's, whatever its length */
    const attention_list list = { args->spans, NULL, (int)n, n, NULL };
    LAUNCH(TYPED(attention_fwd_kernel), dim3((unsigned)n, (unsigned)a.d.heads, blocks_of(a.d.head_dim, COLUMNS)),
           THREADS, (element *)o, (float *)NULL, a, list);
}
