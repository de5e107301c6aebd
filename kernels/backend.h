/* A backend is one table of ops over opaque arrays. `ref` (f64, plain C) defines every op; `cpu`
 * (f32), `cuda` (f32) and `cuda-bf16` are the fast ones.
 *
 *     const backend *be = backend_find("cpu");
 *     real *y = be->alloc(n * d);
 *     be->rmsnorm_fwd(y, rstd, x, g, (norm_dims){ .n = n, .d = d }, 1e-5);
 *     be->download(host, y, n * d);
 *
 * Model, training and benchmarks are written once over this table. An empty slot means "not
 * here": callers report SKIP with the reason,
 * nothing falls back silently.
 *
 * Conventions, for every op below:
 *   - `real *` is an array of the working type, `param *` one of the parameter type
 *     (kernels/real.h), on the backend's device. The memory calls of a table count in its
 *     working type. Parameters are in the hands of the table `params`: the one on the same
 *     device whose working type is this one's parameter type; be->params->alloc(n) gives a
 *     `param *`. Where both types are one, be->params is be itself.
 *   - Integer arrays are int32, on the device too (put them there with alloc_bytes and put).
 *     Only `double` and struct arguments live on the host.
 *   - Row-major. [n, d] with a row stride ld* counts elements; a stride of 0 in a dims struct
 *     means "contiguous" (= the row's width).
 *   - Outputs first, then inputs, then dims, then scalars. No output overlaps an input or
 *     another output unless the op says so.
 *   - Any n >= 0 and any other dimension >= 1 (rank r >= 0): tails are the op's job. Ops never
 *     allocate in a timed path after their first call at a size. Sums over rows or tokens run in
 *     one fixed order: the same call gives the same bits, whatever the number of threads.
 *   - NaN and Inf pass through; nothing is clamped. */
#ifndef TIEBREAK_KERNELS_BACKEND_H
#define TIEBREAK_KERNELS_BACKEND_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/adapted.h"
#include "kernels/expand.h"
#include "kernels/linear.h"
#include "kernels/pair.h"
#include "kernels/real.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    int64_t n, d;     /* rows, width */
    int64_t ldx, ldy; /* of x and dx, of y and dy */
} norm_dims;

typedef struct {
    int64_t n, heads, head_dim; /* x [n, heads * head_dim], row stride ldx */
    int64_t ldx;
} rope_dims;

/* One run of queries: rows q0 .. q0+q_len-1 of q (and of o). Query i sees
 *   - all pre_len rows pre0 .. of k and v (a shared prefix; 0 = none), and
 *   - rows kv0 .. kv0 + (kv_len - q_len) + i of k and v: its own causal past and itself (kv_len
 *     >= q_len; the first kv_len - q_len are cached). */
typedef struct {
    int32_t q0, q_len, kv0, kv_len, pre0, pre_len;
} attention_span;

typedef struct {
    /* heads % kv_heads == 0; query head h reads kv head h / (heads / kv_heads) */
    int64_t heads, kv_heads, head_dim;
    int64_t ldq, ldk, ldv, ldo; /* row strides of q and dq, k and dk, v and dv, o and do */
} attention_dims;

/* Multiply-adds of the two products of the forward over the keys each query sees; the backward
 * does five of the same size. */
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

typedef struct {
    double  lr, beta1, beta2, eps, weight_decay;
    double  clip; /* gradients are multiplied by this before use (1 = none) */
    int64_t step; /* 1, 2, ...: for the bias correction */
} adamw_params;

/* What a device says of itself, as text: "driver", "580.65.06". */
typedef struct {
    const char *name, *value;
} device_fact;

/* The two largest of a row of logits. best and margin mean nothing where not all are finite. */
typedef struct {
    /* the largest minus the second largest: 0 for a tie, Inf where there is but one */
    double  margin;
    int32_t best; /* the first index of the largest */
    bool    finite;
} top_two;

struct site_variant;
typedef struct backend_graph backend_graph; /* a backend's own */
typedef struct backend {
    const char *name, *about;
    const char *dtype; /* of one real: "f64", "f32" or "bf16" */
    size_t      elem;  /* its bytes */
    /* whose reals are this backend's params; its name is the device's */
    const struct backend *params;
    int                   threads; /* worker threads now in use (cpu); set through set_threads */
    /* arrays are the host's memory: values of the same type, in a mapped file say, can be used
     * where they lie */
    bool host;

    /* --- memory; alloc returns zeroed arrays and never NULL (see core/memory.h) */
    real *(*alloc)(int64_t count);
    void *(*alloc_bytes)(int64_t bytes);
    void (*release)(void *p); /* NULL is fine */
    void (*put)(void *dst, const void *host, int64_t bytes);
    void (*get)(void *host, const void *src, int64_t bytes);
    void (*upload)(real *dst, const double *host, int64_t count);
    void (*upload_f32)(real *dst, const float *host, int64_t count);
    void (*download)(double *host, const real *src, int64_t count);
    void (*copy)(real *dst, const real *src, int64_t count);
    void (*zero)(real *dst, int64_t count);
    /* rounded; a copy where both types are one */
    void (*narrow)(real *dst, const param *src, int64_t count);
    void (*set_threads)(int threads);
    int (*sync)(void); /* OK, or the first error since the last sync with its text recorded */
    /* Seconds that the device spends on the ops between begin and end, by its own clock, the
     * host's part of a launch left out; end waits for them. NULL where ops are done when they
     * return: the host's clock is right there. */
    void (*time_begin)(void);
    double (*time_end)(void);
    /* Of what time_end ended, each NULL where time_begin is: cycles per second of the device's
     * clock, NaN where the device could not tell, 0 where the host was so slow that the device
     * may have waited for it, which is no time to keep: the next will be better; kernels
     * launched, a call of a library counted as one. */
    double (*time_clock_hz)(void);
    int64_t (*time_launches)(void);
    /* Bytes of the device that this program's arrays and scratch took at most at one time, since
     * it opened the device. NULL where host is true. */
    int64_t (*peak_bytes)(void);
    /* of a device that is not the host: a list that a row without a name ends, or NULL;
     * kernels/facts.h */
    const device_fact *facts;
    /* of the cache that all of the device shares (a GPU's L2); NULL where nobody measures cold */
    int64_t (*cache_bytes)(void);

    /* What ops would do between begin and end is kept instead of done, and every run does it, at
     * the price of one launch on the host; on what the arrays hold then. Each NULL where ops are
     * done when they return. Between begin and end only ops on device arrays are possible, those
     * that take no list from the host (spans, jobs), put and get nothing and allocate nothing,
     * so each has to have run at its size before. end: NULL after an error, which sync tells.
     * run: false, and nothing is done, where an array or scratch memory was released since
     * begin, whose address the graph may hold: free it, and make it anew. */
    void (*graph_begin)(void);
    backend_graph *(*graph_end)(void);
    bool (*graph_run)(backend_graph *g);
    void (*graph_free)(backend_graph *g); /* NULL is fine */

    /* --- linear: y = x W^T (+ bias). accumulate: y += instead of y =. bias [out] or NULL.
     * flops 2 n in out */
    void (*linear_fwd)(real *y, const real *x, const real *W, const real *bias, linear_dims d, bool accumulate);
    /* the same with y in the parameter type, no bias: for logits, whose differences decide and
     * would drown in bf16's steps */
    void (*linear_fwd_wide)(param *y, const real *x, const real *W, linear_dims d);
    /* dx = dy W (accumulate: +=) */
    void (*linear_bwd_x)(real *dx, const real *dy, const real *W, linear_dims d, bool accumulate);
    /* dW [out, in] += dy^T x,  dbias [out] += column sums of dy; either may be NULL */
    void (*linear_bwd_w)(param *dW, param *dbias, const real *dy, const real *x, linear_dims d);

    /* --- pair and expand: see kernels/pair.h and kernels/expand.h */
    void (*pair_fwd)(real *y, real *h, const real *x, const pair_arrays *p, pair_dims d);
    void (*pair_bwd)(real *dx, param *dA, param *dB, real *dh, const real *dy, const real *x, const real *h,
                     const pair_arrays *p, pair_dims d);
    /* a linear and the pairs that read its input: kernels/adapted.h */
    void (*adapted_fwd)(real *y, real *h, const real *x, const real *W, const real *bias, const adapted_pair *pairs,
                        int64_t count, linear_dims d, bool accumulate);
    void (*adapted_bwd)(real *dx, real *dh, const real *dy, const real *x, const real *h, const real *W,
                        const adapted_pair *pairs, int64_t count, linear_dims d);
    void (*expand_fwd)(const expand_job *jobs, int64_t count);
    void (*expand_bwd)(const expand_job *jobs, int64_t count);

    /* --- RMSNorm: rstd = 1/sqrt(mean(x^2) + eps), y = x * rstd * g.  rstd [n] may be NULL in fwd */
    void (*rmsnorm_fwd)(real *y, param *rstd, const real *x, const real *g, norm_dims d, double eps);
    /* dx += ...; dg [d] += ... or NULL */
    void (*rmsnorm_bwd)(real *dx, param *dg, const real *dy, const real *x, const param *rstd, const real *g,
                        norm_dims d);

    /* --- rotary position embedding, rotate-half layout, in place: for i < head_dim/2,
     * (x_i, x_{i+h}) -> (x_i c_i - x_{i+h} s_i, x_{i+h} c_i + x_i s_i), h = head_dim/2. table
     * [positions, head_dim]: cos in the first half of a row, sin in the second. inverse: the
     * transpose (used by the backward). pos [n] int32. */
    void (*rope)(real *x, const int32_t *pos, const param *table, rope_dims d, bool inverse);

    /* --- attention: o = softmax(q k^T scale) v over what each span allows. lse [n_rows_of_q,
     * heads] receives log-sum-exp (NULL: not kept) */
    void (*attention_fwd)(real *o, param *lse, const real *q, const real *k, const real *v, const attention_span *spans,
                          int64_t n_spans, attention_dims d, double scale);
    /* dq = ...; dk, dv += (spans may share a prefix: the caller zeroes dk and dv first). o, lse
     * as the forward left them. Rows that no span names may hold anything, and those of dq, dk
     * and dv stay as they are. */
    void (*attention_bwd)(real *dq, real *dk, real *dv, const real *d_o, const real *q, const real *k, const real *v,
                          const real *o, const param *lse, const attention_span *spans, int64_t n_spans,
                          attention_dims d, double scale);

    /* The forward for decoding: n spans of one query each (q0 = its number, q_len = 1), which
     * are an array on the device; none has a pre_len + kv_len above kv_most. How work is cut
     * depends on kv_most and not on what the spans say, so a graph may run again on others. */
    void (*attention_decode)(real *o, const real *q, const real *k, const real *v, const attention_span *spans,
                             int64_t n, int64_t kv_most, attention_dims d, double scale);

    /* --- SwiGLU: gu [n, 2 d] = gate | up;  y [n, d] = silu(gate) * up.  bwd writes dgu [n, 2
     * d]; dgu may be gu itself */
    void (*swiglu_fwd)(real *y, const real *gu, int64_t n, int64_t d);
    void (*swiglu_bwd)(real *dgu, const real *dy, const real *gu, int64_t n, int64_t d);

    /* --- cross-entropy over rows of logits [n, vocab]: nll[i] = logsumexp(row) - row[target_i];
     * best[i] = argmax (first wins; NULL: not wanted). target -1: nll 0. nll is host-sized f64
     * on the device: [n] double. */
    void (*xent_fwd)(double *nll, int32_t *best, const param *logits, const int32_t *targets, int64_t n, int64_t vocab);
    /* In place: logits -> (softmax(logits) - onehot(target)) * scale; rows with target -1 become
     * 0. The gradient is of the working type, as the products take it: where that is smaller its
     * row begins where the logits' did, a row of wide_ld reals, and what is behind it means
     * nothing. nll as in xent_fwd, to the bit, or NULL: training wants both, and the rows of
     * logits are long. */
    void (*xent_bwd)(param *logits, double *nll, const int32_t *targets, int64_t n, int64_t vocab, double scale);

    /* For greedy decoding: top[i] of row i, on the device, from logits [n, vocab], vocab >= 1.
     * The same bits wherever the logits are the same. */
    void (*best_two)(top_two *top, const param *logits, int64_t n, int64_t vocab);

    /* --- rows: dst [n, d] = src[rows[i]];  dst[rows[i]] = src, no row named twice;
     * dst[rows[i]] += src (rows may repeat: added in order i = 0, 1, ..., each sum rounded) */
    void (*gather_rows)(real *dst, const real *src, const int32_t *rows, int64_t n, int64_t d);
    void (*scatter_rows)(real *dst, const real *src, const int32_t *rows, int64_t n, int64_t d);
    void (*scatter_add_rows)(real *dst, const real *src, const int32_t *rows, int64_t n, int64_t d);

    /* --- arrays of parameters */
    void (*add)(param *dst, const param *src, int64_t count); /* dst += src */
    void (*scale)(param *x, double a, int64_t count);         /* x *= a */
    double (*sum_squares)(const param *x, int64_t count);     /* f64 accumulation */
    /* AdamW with decoupled decay (Loshchilov & Hutter 2019), in PyTorch's order: p -= lr wd p;
     * m, v; p -= lr mhat / (sqrt(vhat) + eps) */
    void (*adamw)(param *p, param *m, param *v, const param *g, int64_t count, adamw_params h);

    /* --- linear and pair in one, in several ways, for comparison (kernels/variant.h): a list
     * that a row without a name ends, or NULL */
    const struct site_variant *site_variants;
} backend;

/* "ref", "cpu", "cuda" or "cuda-bf16" (NULL with a recorded reason when it cannot be had here).
 * Tables are static. */
const backend *backend_find(const char *name);
/* What --device and --dtype ask for, each NULL where it was not given: cpu, and what the device
 * computes in unless told otherwise (ref f64, cpu f32, cuda f32, or bf16). NULL with a message
 * that names the options. */
const backend *backend_for(const char *device, const char *dtype);

/* Address of element i of an array of the backend's reals; of its params: with be->params. */
static inline real *real_at(const backend *be, const real *p, int64_t i)
{
    return (real *)((uintptr_t)p + (size_t)i * be->elem);
}

/* Row stride in reals of rows of `width` params. */
static inline int64_t wide_ld(const backend *be, int64_t width)
{
    return width * (int64_t)(be->params->elem / be->elem);
}

#ifdef __cplusplus
}
#endif
#endif
