/* Attention on the CPU: scores of one query at a time, heads side by side. Contract: kernels/backend.h. */
#include <math.h>

#include "kernels/cpu.h"

static int64_t key_row(const attention_span *s, int64_t j) { return j < s->pre_len ? s->pre0 + j : s->kv0 + (j - s->pre_len); }
static int64_t key_count(const attention_span *s, int64_t i) { return s->pre_len + (s->kv_len - s->q_len) + i + 1; }

static float dot(const float *a, const float *b, int64_t n)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static attention_dims widths(attention_dims d)
{
    if (!d.ldq) d.ldq = d.heads * d.head_dim;
    if (!d.ldo) d.ldo = d.heads * d.head_dim;
    if (!d.ldk) d.ldk = d.kv_heads * d.head_dim;
    if (!d.ldv) d.ldv = d.kv_heads * d.head_dim;
    return d;
}

/* One query of one head: o [head_dim]; returns its log-sum-exp. */
static float query_fwd(float *o, const float *q, const float *k, const float *v, const attention_span *s, int64_t keys, const attention_dims *d,
                       float scale)
{
    int64_t D = d->head_dim;
    float  *p = cpu_scratch(keys), max = -INFINITY, sum = 0;
    for (int64_t j = 0; j < keys; j++) {
        p[j] = scale * dot(q, k + key_row(s, j) * d->ldk, D);
        max  = p[j] > max ? p[j] : max;
    }
    for (int64_t c = 0; c < D; c++) o[c] = 0;
    for (int64_t j = 0; j < keys; j++) {
        p[j] = expf(p[j] - max);
        sum += p[j];
    }
    for (int64_t j = 0; j < keys; j++) {
        const float *vj = v + key_row(s, j) * d->ldv;
        for (int64_t c = 0; c < D; c++) o[c] += p[j] * vj[c];
    }
    for (int64_t c = 0; c < D; c++) o[c] /= sum;
    return max + logf(sum);
}

void attention_fwd_cpu(real *o, real *lse, const real *q, const real *k, const real *v, const attention_span *spans, int64_t n_spans,
                       attention_dims d, double scale)
{
    d         = widths(d);
    int64_t D = d.head_dim;
#pragma omp parallel for collapse(2) schedule(dynamic)
    for (int64_t i = 0; i < n_spans; i++)
        for (int64_t h = 0; h < d.heads; h++) {
            const attention_span *s = &spans[i];
            int64_t               g = h / (d.heads / d.kv_heads);
            for (int64_t t = 0; t < s->q_len; t++) {
                int64_t row = s->q0 + t;
                float   l   = query_fwd((float *)o + row * d.ldo + h * D, (const float *)q + row * d.ldq + h * D, (const float *)k + g * D,
                                        (const float *)v + g * D, s, key_count(s, t), &d, (float)scale);
                if (lse) ((float *)lse)[row * d.heads + h] = l;
            }
        }
}

typedef struct {
    float       *dq, *dk, *dv;
    const float *dO, *q, *k, *v, *o, *lse;
} bwd_arrays;

/* One query of one head: a points at that query's rows and at that head's columns of k and v. */
static void query_bwd(const bwd_arrays *a, const attention_span *s, int64_t keys, const attention_dims *d, float scale)
{
    int64_t D    = d->head_dim;
    float   do_o = dot(a->dO, a->o, D);
    for (int64_t c = 0; c < D; c++) a->dq[c] = 0;
    for (int64_t j = 0; j < keys; j++) {
        int64_t      row = key_row(s, j);
        const float *k = a->k + row * d->ldk, *v = a->v + row * d->ldv;
        float       *dk = a->dk + row * d->ldk, *dv = a->dv + row * d->ldv;
        float        p  = expf(scale * dot(a->q, k, D) - *a->lse);
        float        ds = scale * p * (dot(a->dO, v, D) - do_o);
        for (int64_t c = 0; c < D; c++) {
            dv[c] += p * a->dO[c];
            a->dq[c] += ds * k[c];
            dk[c] += ds * a->q[c];
        }
    }
}

/* Each thread owns whole kv heads: what several query heads and spans add to one key is added in one order. */
void attention_bwd_cpu(real *dq, real *dk, real *dv, const real *d_o, const real *q, const real *k, const real *v, const real *o, const real *lse,
                       const attention_span *spans, int64_t n_spans, attention_dims d, double scale)
{
    d         = widths(d);
    int64_t D = d.head_dim, group = d.heads / d.kv_heads;
#pragma omp parallel for schedule(dynamic)
    for (int64_t g = 0; g < d.kv_heads; g++)
        for (int64_t i = 0; i < n_spans; i++)
            for (int64_t h = g * group; h < (g + 1) * group; h++)
                for (int64_t t = 0; t < spans[i].q_len; t++) {
                    int64_t    row = spans[i].q0 + t, atq = row * d.ldq + h * D, ato = row * d.ldo + h * D;
                    bwd_arrays a = { (float *)dq + atq,        (float *)dk + g * D,    (float *)dv + g * D,
                                     (const float *)d_o + ato, (const float *)q + atq, (const float *)k + g * D,
                                     (const float *)v + g * D, (const float *)o + ato, (const float *)lse + row * d.heads + h };
                    query_bwd(&a, &spans[i], key_count(&spans[i], t), &d, (float)scale);
                }
}
