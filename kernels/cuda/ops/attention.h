/* What the attention kernels share: spans as lists of keys, and tiles of rows in shared memory.
 * Contract: kernels/attention.h. */
#ifndef TIEBREAK_KERNELS_CUDA_OPS_ATTENTION_H
#define TIEBREAK_KERNELS_CUDA_OPS_ATTENTION_H
#include "kernels/cuda/reduce.h"
#include "kernels/cuda/working.h"

static constexpr int KEYS  = WARP; /* of a tile: a lane each */
static constexpr int DEPTH = 32;   /* of head_dim per strip of a product over it */
/* Columns of head_dim that a block accumulates. A longer head takes several blocks, each of which
 * computes the scores again. */
static constexpr int COLUMNS = 128;
static constexpr int WARPS   = THREADS / WARP;

/* Arrays and shape of one call. Rows are tokens, heads side by side in a row. */
template <class E> struct attention_arrays {
    const E       *q, *k, *v, *o, *d_o;
    attention_dims d;
    float          scale;
};
typedef attention_arrays<element> attention_view;

static inline attention_view attention_view_of(const attention_args *a, const real *o, const real *d_o)
{
    return { (const element *)a->q, (const element *)a->k, (const element *)a->v,
             (const element *)o,    (const element *)d_o,  a->d,
             (float)a->scale };
}

/* Attention in bf16 on tensor cores (kernels/cuda/ops/attention_mma.h). Each takes a call, or
 * returns false where it is not for this kernel: in f32 always. */
bool attention_mma_fwd(bf16 *o, float *lse, const attention_arrays<bf16> &a, const attention_span *spans,
                       int64_t n_spans);
bool attention_split_fwd(bf16 *o, float *lse, const attention_arrays<bf16> &a, const attention_span *spans,
                         int64_t n_spans);
bool attention_mma_bwd(bf16 *dq, bf16 *dk, bf16 *dv, const float *lse, const attention_arrays<bf16> &a,
                       const attention_span *spans, int64_t n_spans);
bool attention_split_decode(bf16 *o, const attention_arrays<bf16> &a, const attention_span *spans, int64_t n,
                            int64_t kv_most);
template <class... A> static inline bool attention_mma_fwd(float *, A &&...) { return false; }
template <class... A> static inline bool attention_split_fwd(float *, A &&...) { return false; }
template <class... A> static inline bool attention_mma_bwd(float *, A &&...) { return false; }
template <class... A> static inline bool attention_split_decode(float *, A &&...) { return false; }

/* A list of spans on the device, each cut into blocks of `queries` queries: block first_block[i]
 * is the first of span i. NULL: a block a span. */
typedef struct {
    const attention_span *spans;
    const int64_t        *first_block;
    int                   count;
    int64_t               blocks;
    /* of each block of rows of k that was asked for: the first span that names any, and one past
     * the last. */
    const int *kv_spans;
} attention_list;

attention_list attention_send(const attention_span *spans, int64_t n_spans, int queries, int64_t kv_rows = 0,
                              int kv_each = 1);

/* Keys of a span in order: the prefix, then its own rows. */
static __device__ inline int64_t key_row(const attention_span &s, int64_t key)
{
    return key < s.pre_len ? s.pre0 + key : (int64_t)s.kv0 + key - s.pre_len;
}
/* Keys that query i sees. */
static __device__ inline int64_t keys_of(const attention_span &s, int64_t i)
{
    return (int64_t)s.pre_len + s.kv_len - s.q_len + i + 1;
}

/* The rows of k and v that a block owns, as one of the two ways a span may see them: its shared
 * prefix (every query sees all of it) or its own rows (query i sees those up to `past + i`). */
typedef struct {
    int64_t row0, count; /* of the span's run */
    int64_t past;        /* own rows that query 0 sees besides itself; -1: a prefix */
} key_run;

static __device__ inline key_run run_of(const attention_span &s, int run)
{
    if (run == 0) return { s.pre0, s.pre_len, -1 };
    return { s.kv0, s.kv_len, (int64_t)s.kv_len - s.q_len };
}

/* delta [rows of q, heads] = do o: what every gradient of a score of that query subtracts. */
template <class E>
static __device__ inline float delta_of(const attention_arrays<E> &a, int64_t row, int64_t head, int lane)
{
    const E *o = a.o + row * a.d.ldo + head * a.d.head_dim, *d_o = a.d_o + row * a.d.ldo + head * a.d.head_dim;
    float    sum = 0;
    for (int64_t c = lane; c < a.d.head_dim; c += WARP) sum += d_o[c] * o[c];
    return warp_sum(sum);
}

/* One past the last row of q, or of k and v, that any span names. */
static inline int64_t q_rows_of(const attention_span *spans, int64_t n_spans)
{
    int64_t rows = 0;
    for (int64_t i = 0; i < n_spans; i++)
        if (spans[i].q_len > 0 && spans[i].q0 + spans[i].q_len > rows) rows = spans[i].q0 + spans[i].q_len;
    return rows;
}
static inline int64_t kv_rows_of(const attention_span *spans, int64_t n_spans)
{
    int64_t rows = 0;
    for (int64_t i = 0; i < n_spans; i++) {
        if (spans[i].pre_len > 0 && spans[i].pre0 + spans[i].pre_len > rows) rows = spans[i].pre0 + spans[i].pre_len;
        if (spans[i].kv_len > 0 && spans[i].kv0 + spans[i].kv_len > rows) rows = spans[i].kv0 + spans[i].kv_len;
    }
    return rows;
}

/* to [line][DEPTH + 1] = DEPTH columns from c0 of one head's rows; zero past head_dim and in
 * lines from `lines` on. row_of(line) is an array row. */
template <class ROW>
static __device__ inline void load_lines(float (*to)[DEPTH + 1], int all, int64_t lines, const element *from,
                                         int64_t ld, int64_t c0, int64_t head_dim, ROW row_of)
{
    for (int at = (int)threadIdx.x; at < all * DEPTH; at += THREADS) {
        int line = at / DEPTH, c = at % DEPTH;
        to[line][c] = line < lines && c0 + c < head_dim ? (float)from[row_of(line) * ld + c0 + c] : 0;
    }
}
#endif
