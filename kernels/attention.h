/* attention: o = softmax(q k^T scale) v over the keys that each query's span lets it see.
 *
 *   attention_fwd      o overwritten; lse [rows of q, heads] gets the log-sum-exps, or is NULL
 *   attention_bwd      dq overwritten; dk, dv accumulated, since spans may share a prefix: the
 *                      caller zeroes them first. o and lse are as the forward left them. Rows
 *                      that no span names may hold anything; in dq, dk and dv they stay as they
 *                      are
 *   attention_decode   the forward for spans of one query each (q0 = its number, q_len = 1). The
 *                      spans are an array on the device, and none has a pre_len + kv_len above
 *                      kv_most. How work is cut depends on kv_most and never on what the spans
 *                      say, so a captured graph may run again on other spans. */
#ifndef TIEBREAK_KERNELS_ATTENTION_H
#define TIEBREAK_KERNELS_ATTENTION_H
#include <stdint.h>

#include "kernels/real.h"

/* One run of queries: rows q0 .. q0+q_len-1 of q and of o. Query i sees
 *   - all pre_len rows from pre0 of k and v: a shared prefix, 0 for none; and
 *   - the (kv_len - q_len) + i + 1 rows from kv0: its cached past, its causal past and itself.
 * kv_len >= q_len, as the first kv_len - q_len rows are cached. */
typedef struct {
    int32_t q0, q_len, kv0, kv_len, pre0, pre_len;
} attention_span;

typedef struct {
    /* kv_heads divides heads; query head h reads kv head h / (heads / kv_heads) */
    int64_t heads, kv_heads, head_dim;
    int64_t ldq, ldk, ldv, ldo; /* row strides of q and dq, k and dk, v and dv, o and do */
} attention_dims;

static inline attention_dims attention_strides(attention_dims d)
{
    if (!d.ldq) d.ldq = d.heads * d.head_dim;
    if (!d.ldo) d.ldo = d.heads * d.head_dim;
    if (!d.ldk) d.ldk = d.kv_heads * d.head_dim;
    if (!d.ldv) d.ldv = d.kv_heads * d.head_dim;
    return d;
}

/* What all three read. */
typedef struct {
    const real           *q, *k, *v;
    const attention_span *spans; /* [n_spans] */
    int64_t               n_spans;
    attention_dims        d;
    double                scale;
    /* Not 0: a query sees only the last `window` of the keys that its span allows, itself among
     * them; and scores become soft_cap tanh(score / soft_cap). A backend that has no such options
     * says so (backend.windows). */
    int64_t window;
    double  soft_cap;
} attention_args;

typedef void attention_fwd_op(const backend *be, real *o, param *lse, const attention_args *a);
typedef void attention_bwd_op(const backend *be, real *dq, real *dk, real *dv, const real *d_o, const real *o,
                              const param *lse, const attention_args *a);
typedef void attention_decode_op(const backend *be, real *o, int64_t kv_most, const attention_args *a);

/* Multiply-adds of the forward's two products over the keys that each query sees, counted as 2;
 * the backward does five products of the same size. */
static inline double attention_fwd_flops(const attention_span *spans, int64_t n_spans, attention_dims d)
{
    double pairs = 0;
    for (int64_t i = 0; i < n_spans; i++) {
        double q = spans[i].q_len, past = (double)spans[i].pre_len + spans[i].kv_len - spans[i].q_len;
        pairs += q * past + q * (q + 1) / 2;
    }
    return 4.0 * pairs * (double)d.heads * (double)d.head_dim;
}
static inline double attention_bwd_flops(const attention_span *spans, int64_t n_spans, attention_dims d)
{
    return 2.5 * attention_fwd_flops(spans, n_spans, d);
}
#endif
