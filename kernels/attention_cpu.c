/* Attention on the CPU: scores of a few queries against all keys they see stay in cache, both
 * products run on gemm's register tile. Contract: kernels/attention.h.
 *
 * A query's result depends on its own keys alone: every product and sum takes them in one order
 * (prefix, cached, own). So a query gives the same bits beside any other queries, whether its past
 * is a prefix or cached. A task is one span and one kv head with all query heads that read it. */
#include <math.h>

#include "kernels/cpu.h"
#include "kernels/gemm.h"
#include "kernels/simd.h"

/* Queries whose probabilities the backward holds at once: enough to make dk and dv products of
 * some length. */
enum { BWD_QUERIES = 56 };

static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* The keys of a span as one list: first the prefix, then its own rows. */
typedef struct {
    int64_t row, first, count; /* rows row .. row+count-1 are keys first .. first+count-1 */
} key_run;

static void runs_of(key_run runs[2], const attention_span *s)
{
    runs[0] = (key_run) { s->pre0, 0, s->pre_len };
    runs[1] = (key_run) { s->kv0, s->pre_len, s->kv_len };
}
static int64_t all_keys(const attention_span *s) { return (int64_t)s->pre_len + s->kv_len; }
/* Keys that query i sees. */
static int64_t keys_of(const attention_span *s, int64_t i) { return all_keys(s) - s->q_len + i + 1; }

static int64_t padded(int64_t keys) { return (keys + gemm_best()->cols - 1) / gemm_best()->cols * gemm_best()->cols; }

/* How a product q k becomes a score. */
typedef struct {
    float   scale, cap; /* cap 0: none */
    int64_t window;     /* 0: none */
} scoring;

static scoring scoring_of(const attention_args *a)
{
    return (scoring) { (float)a->scale, (float)a->soft_cap, a->window };
}
/* The first of its keys that a query sees. */
static int64_t first_key(const scoring *c, int64_t keys) { return c->window ? most(0, keys - c->window) : 0; }

/* Rows of k (or v) as panels [panel][head_dim][cols], one column a key. */
static void transpose_keys(float *to, const float *k, int64_t ld, int64_t head_dim, const attention_span *s)
{
    const gemm_isa *isa = gemm_best();
    key_run         runs[2];
    runs_of(runs, s);
    for (const key_run *run = runs; run < runs + 2; run++)
        for (int64_t j = 0, m; j < run->count; j += m) {
            int64_t key = run->first + j, column = key % isa->cols;
            m = least(isa->cols - column, run->count - j);
            isa->transpose(to + (key - column) * head_dim + column, isa->cols, k + (run->row + j) * ld, ld, (int)m,
                           head_dim);
        }
}

/* S [m, keys] = rows of A times the transposed keys. */
static void times_keys(float *S, int64_t lds, const float *A, int64_t lda, const float *panels, int64_t head_dim, int m,
                       int64_t keys)
{
    const gemm_isa *isa = gemm_best();
    for (int64_t j = 0; j < keys; j += isa->cols)
        isa->tile(S + j, lds, NULL, 0, A, lda, 1, panels + j * head_dim, isa->cols, head_dim, m,
                  (int)least(isa->cols, keys - j));
}

/* The same straight from the rows of k, for so few rows of A that transposed keys would be used
 * once. */
static void times_keys_once(float *S, int64_t lds, const float *A, int64_t lda, const float *k, int64_t ldk,
                            int64_t head_dim, int m, int64_t keys, const attention_span *s)
{
    const gemm_isa *isa = gemm_best();
    key_run         runs[2];
    runs_of(runs, s);
    for (const key_run *run = runs; run < runs + 2; run++) {
        int64_t count = least(run->count, keys - run->first);
        for (int64_t j = 0; j < count; j += isa->few_cols)
            isa->few(S + run->first + j, lds, NULL, 0, A, lda, k + (run->row + j) * ldk, ldk, head_dim, m,
                     (int)least(isa->few_cols, count - j));
    }
}

/* C [m, head_dim] = P [m, keys] times the rows of v. */
static void times_rows(float *C, int64_t ldc, const float *P, int64_t ldp, const float *v, int64_t ldv,
                       int64_t head_dim, int m, int64_t keys, const attention_span *s)
{
    const gemm_isa *isa = gemm_best();
    key_run         runs[2];
    runs_of(runs, s);
    for (int64_t c = 0; c < head_dim; c += isa->cols) {
        const float *start = NULL;
        for (const key_run *run = runs; run < runs + 2; run++) {
            int64_t count = least(run->count, keys - run->first);
            if (count <= 0) continue;
            isa->tile(C + c, ldc, start, ldc, P + run->first, ldp, 1, v + run->row * ldv + c, ldv, count, m,
                      (int)least(isa->cols, head_dim - c));
            start = C + c;
        }
    }
}

/* s becomes exp(scale s - max), not yet divided by its sum, which is returned. *lse = max +
 * log(sum). */
SIMD static float softmax_row(float *s, int64_t count, float scale, float *lse)
{
    float sum = 0;
    for (int64_t j = 0; j < count; j++) s[j] *= scale;
    float max = max_f32(s, count);
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < count; j++) {
        s[j] = exp_f32(s[j] - max);
        sum += s[j];
    }
    *lse = max + logf(sum);
    return sum;
}

/* Scores that are scaled and capped. */
SIMD static void cap_row(float *s, int64_t count, float scale, float cap)
{
    const float part = scale / cap;
    for (int64_t j = 0; j < count; j++) s[j] = cap * tanh_f32(s[j] * part);
}

SIMD static void scale_row(float *o, int64_t n, float a)
{
    for (int64_t c = 0; c < n; c++) o[c] *= a;
}

/* One query block of the forward: m queries of one head (step 1 key more each), or m heads of
 * one query (step 0). */
typedef struct {
    const float *q;
    float       *o, *lse;
    int64_t      ldq, ldo, ld_lse;
    int64_t      keys, step; /* of the first row, and more for each next */
} query_rows;

static void fwd_rows(const query_rows *r, int m, float *S, const float *panels, const float *k, const float *v,
                     const attention_span *s, const attention_dims *d, const scoring *c)
{
    int64_t last = r->keys + (m - 1) * r->step, lds = padded(all_keys(s));
    if (panels)
        times_keys(S, lds, r->q, r->ldq, panels, d->head_dim, m, last);
    else
        times_keys_once(S, lds, r->q, r->ldq, k, d->ldk, d->head_dim, m, last, s);
    float sums[64];
    for (int i = 0; i < m; i++) {
        float   lse, *row = S + i * lds;
        int64_t keys = r->keys + i * r->step, first = first_key(c, keys);
        if (c->cap > 0) cap_row(row + first, keys - first, c->scale, c->cap);
        sums[i] = softmax_row(row + first, keys - first, c->cap > 0 ? 1 : c->scale, &lse);
        for (int64_t j = 0; j < first; j++) row[j] = 0;
        for (int64_t j = keys; j < last; j++) row[j] = 0;
        if (r->lse) r->lse[i * r->ld_lse] = lse;
    }
    times_rows(r->o, r->ldo, S, lds, v, d->ldv, d->head_dim, m, last, s);
    for (int i = 0; i < m; i++) scale_row(r->o + i * r->ldo, d->head_dim, 1 / sums[i]);
}

/* The query heads of one kv head over one span. */
static void fwd_task(const backend *be, float *o, float *lse, const float *q, const float *k, const float *v,
                     const attention_span *s, int64_t kv_head, const attention_dims *d, const scoring *c)
{
    int64_t D = d->head_dim, group = d->heads / d->kv_heads, first = kv_head * group, rows = gemm_best()->rows;
    float  *panels = cpu_scratch(be, padded(all_keys(s)) * (D + rows)), *S = panels + padded(all_keys(s)) * D;
    if (s->q_len * group <= gemm_best()->few_rows)
        panels = NULL;
    else
        transpose_keys(panels, k + kv_head * D, d->ldk, D, s);
    /* one query: its heads are the rows */
    int64_t along = s->q_len == 1 ? group : s->q_len, across = s->q_len == 1 ? 1 : group;
    for (int64_t g = 0; g < across; g++)
        for (int64_t i = 0; i < along; i += rows) {
            bool       one  = s->q_len == 1;
            int64_t    head = one ? first + i : first + g, query = one ? 0 : i, row = s->q0 + query;
            query_rows r = { .q      = q + row * d->ldq + head * D,
                             .o      = o + row * d->ldo + head * D,
                             .lse    = lse ? lse + row * d->heads + head : NULL,
                             .ldq    = one ? D : d->ldq,
                             .ldo    = one ? D : d->ldo,
                             .ld_lse = one ? 1 : d->heads,
                             .keys   = keys_of(s, query),
                             .step   = one ? 0 : 1 };
            fwd_rows(&r, (int)least(rows, along - i), S, panels, k + kv_head * D, v + kv_head * D, s, d, c);
        }
}

void attention_fwd_cpu(const backend *be, real *o, param *lse, const attention_args *a)
{
    const bool    alone = attention_fwd_flops(a->spans, a->n_spans, a->d) < 1e6;
    const scoring c     = scoring_of(a);
#pragma omp parallel for num_threads(cpu_threads(be)) collapse(2) schedule(dynamic) if (!alone)
    for (int64_t i = 0; i < a->n_spans; i++)
        for (int64_t g = 0; g < a->d.kv_heads; g++)
            if (a->spans[i].q_len > 0)
                fwd_task(be, (float *)o, (float *)lse, (const float *)a->q, (const float *)a->k, (const float *)a->v,
                         &a->spans[i], g, &a->d, &c);
}

/* Arrays of the backward, at the rows of one span's first query and the columns of one head (q,
 * o, dq, do, lse) or kv head (k, v, dk, dv). */
typedef struct {
    float       *dq, *dk, *dv;
    const float *dO, *q, *k, *v, *o, *lse;
} bwd_arrays;

/* Scratch of one task: transposed k and v, probabilities and their gradients for a block of
 * queries. */
typedef struct {
    float  *kt, *vt, *P, *dS;
    int64_t ld;
} bwd_scratch;

static bwd_scratch bwd_scratch_of(const backend *be, const attention_span *s, int64_t head_dim)
{
    int64_t ld = padded(all_keys(s));
    float  *p  = cpu_scratch(be, 2 * ld * (head_dim + BWD_QUERIES));
    return (bwd_scratch) { p, p + ld * head_dim, p + 2 * ld * head_dim, p + ld * (2 * head_dim + BWD_QUERIES), ld };
}

/* P: scores -> probabilities; dS: do v -> gradient of the scores times scale. */
SIMD static void bwd_row(float *P, float *dS, int64_t keys, float scale, float lse, float do_o)
{
    for (int64_t j = 0; j < keys; j++) {
        float p = exp_f32(scale * P[j] - lse);
        P[j]    = p;
        dS[j]   = scale * p * (dS[j] - do_o);
    }
}

/* The same of capped scores, whose derivative in the product is scale (1 - tanh^2). */
SIMD static void bwd_row_capped(float *P, float *dS, int64_t keys, float scale, float cap, float lse, float do_o)
{
    const float part = scale / cap;
    for (int64_t j = 0; j < keys; j++) {
        float t = tanh_f32(P[j] * part), p = exp_f32(cap * t - lse);
        P[j]  = p;
        dS[j] = scale * (1 - t) * (1 + t) * p * (dS[j] - do_o);
    }
}

SIMD static float dot(const float *a, const float *b, int64_t n)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* P and dS of queries i0 .. i0+n-1 (rows 0 .. n-1 of the scratch, zero past what a query sees),
 * and their dq. */
static void bwd_queries(const bwd_arrays *a, const bwd_scratch *w, const attention_span *s, int64_t i0, int64_t n,
                        const attention_dims *d, const scoring *c)
{
    int64_t D = d->head_dim, rows = gemm_best()->rows, last = keys_of(s, i0 + n - 1);
    for (int64_t i = 0; i < n; i += rows) {
        int     m    = (int)least(rows, n - i);
        int64_t seen = keys_of(s, i0 + i + m - 1), at = i0 + i;
        times_keys(w->P + i * w->ld, w->ld, a->q + at * d->ldq, d->ldq, w->kt, D, m, seen);
        times_keys(w->dS + i * w->ld, w->ld, a->dO + at * d->ldo, d->ldo, w->vt, D, m, seen);
        for (int64_t t = i; t < i + m; t++) {
            float        *P = w->P + t * w->ld, *dS = w->dS + t * w->ld;
            const int64_t keys = keys_of(s, i0 + t), row = i0 + t, first = first_key(c, keys);
            const float   lse = a->lse[row * d->heads], do_o = dot(a->dO + row * d->ldo, a->o + row * d->ldo, D);
            if (c->cap > 0)
                bwd_row_capped(P + first, dS + first, keys - first, c->scale, c->cap, lse, do_o);
            else
                bwd_row(P + first, dS + first, keys - first, c->scale, lse, do_o);
            for (int64_t j = 0; j < first; j++) P[j] = dS[j] = 0;
            for (int64_t j = keys; j < last; j++) P[j] = dS[j] = 0;
        }
        times_rows(a->dq + at * d->ldq, d->ldq, w->dS + i * w->ld, w->ld, a->k, d->ldk, D, m, seen, s);
    }
}

/* to (dk or dv) += S^T from (q or do) for the n queries from i0: rows of `to` are keys. */
static void add_to_keys(float *to, int64_t ldt, const float *S, int64_t lds, const float *from, int64_t ldf,
                        const attention_span *s, int64_t i0, int64_t n, int64_t head_dim)
{
    const gemm_isa *isa  = gemm_best();
    int64_t         last = keys_of(s, i0 + n - 1);
    key_run         runs[2];
    runs_of(runs, s);
    for (const key_run *run = runs; run < runs + 2; run++) {
        int64_t count = least(run->count, last - run->first);
        for (int64_t j = 0; j < count; j += isa->rows) {
            /* queries before that one do not see the key */
            int64_t key = run->first + j, unseen = most(0, key - keys_of(s, i0) + 1);
            float  *rows = to + (run->row + j) * ldt;
            for (int64_t c = 0; c < head_dim; c += isa->cols)
                isa->tile(rows + c, ldt, rows + c, ldt, S + unseen * lds + key, 1, lds, from + unseen * ldf + c, ldf,
                          n - unseen, (int)least(isa->rows, count - j), (int)least(isa->cols, head_dim - c));
        }
    }
}

/* One span, one kv head and the query heads that read it, one after the other. */
static void bwd_task(const backend *be, const bwd_arrays *all, const attention_span *s, int64_t kv_head,
                     const attention_dims *d, const scoring *c)
{
    int64_t     D = d->head_dim, group = d->heads / d->kv_heads, at_k = kv_head * D;
    bwd_scratch w = bwd_scratch_of(be, s, D);
    transpose_keys(w.kt, all->k + at_k, d->ldk, D, s);
    transpose_keys(w.vt, all->v + at_k, d->ldv, D, s);
    for (int64_t h = kv_head * group; h < (kv_head + 1) * group; h++) {
        int64_t    at_q = s->q0 * d->ldq + h * D, at_o = s->q0 * d->ldo + h * D;
        bwd_arrays a = { all->dq + at_q, all->dk + at_k, all->dv + at_k,
                         all->dO + at_o, all->q + at_q,  all->k + at_k,
                         all->v + at_k,  all->o + at_o,  all->lse + s->q0 * d->heads + h };
        for (int64_t i = 0; i < s->q_len; i += BWD_QUERIES) {
            int64_t n = least(BWD_QUERIES, s->q_len - i);
            bwd_queries(&a, &w, s, i, n, d, c);
            add_to_keys(a.dv, d->ldv, w.P, w.ld, a.dO + i * d->ldo, d->ldo, s, i, n, D);
            add_to_keys(a.dk, d->ldk, w.dS, w.ld, a.q + i * d->ldq, d->ldq, s, i, n, D);
        }
    }
}

/* Spans without a prefix write rows of dk and dv of their own and run side by side. Spans with
 * one may share it: those run in order, side by side only over kv heads. */
void attention_bwd_cpu(const backend *be, real *dq, real *dk, real *dv, const real *d_o, const real *o,
                       const param *lse, const attention_args *a)
{
    bool          alone = attention_bwd_flops(a->spans, a->n_spans, a->d) < 1e6;
    bwd_arrays    all   = { .dq  = (float *)dq,
                            .dk  = (float *)dk,
                            .dv  = (float *)dv,
                            .dO  = (const float *)d_o,
                            .q   = (const float *)a->q,
                            .k   = (const float *)a->k,
                            .v   = (const float *)a->v,
                            .o   = (const float *)o,
                            .lse = (const float *)lse };
    const scoring c     = scoring_of(a);
#pragma omp parallel num_threads(cpu_threads(be)) if (!alone)
    {
#pragma omp for collapse(2) schedule(dynamic)
        for (int64_t i = 0; i < a->n_spans; i++)
            for (int64_t g = 0; g < a->d.kv_heads; g++)
                if (a->spans[i].pre_len == 0) bwd_task(be, &all, &a->spans[i], g, &a->d, &c);
#pragma omp for schedule(dynamic)
        for (int64_t g = 0; g < a->d.kv_heads; g++)
            for (int64_t i = 0; i < a->n_spans; i++)
                if (a->spans[i].pre_len > 0) bwd_task(be, &all, &a->spans[i], g, &a->d, &c);
    }
}

void attention_decode_cpu(const backend *be, real *o, int64_t kv_most, const attention_args *a)
{
    attention_fwd_cpu(be, o, NULL, a);
}
