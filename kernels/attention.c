/* Attention, the definition: for each query, softmax of its scores over the keys its span
 * allows, times their values. Contract: kernels/attention.h.
 *
 * backward of one query with probabilities p_j = exp(s_j - lse), s_j = scale q k_j:
 *   dv_j += p_j do         ds_j = p_j (do v_j - do o)
 *   dq = scale sum_j ds_j k_j      dk_j += scale ds_j q */
#include <math.h>

#include "kernels/ref.h"

/* Row of the j-th key that query i of a span sees, and how many it sees. */
static int64_t key_row(const attention_span *s, int64_t j)
{
    return j < s->pre_len ? s->pre0 + j : s->kv0 + (j - s->pre_len);
}
static int64_t key_count(const attention_span *s, int64_t i) { return s->pre_len + (s->kv_len - s->q_len) + i + 1; }

/* The first of them that a window lets it see. */
static int64_t first_key(const attention_args *a, int64_t keys)
{
    return a->window && keys > a->window ? keys - a->window : 0;
}

/* The score of a product q k, and its derivative in the product. */
static double score(const attention_args *a, double qk, double *slope)
{
    double s = a->scale * qk, t = a->soft_cap > 0 ? tanh(s / a->soft_cap) : 0;
    *slope = a->scale * (1 - t * t);
    return a->soft_cap > 0 ? a->soft_cap * t : s;
}

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

void attention_fwd_ref(const backend *be, real *o_, param *lse_, const attention_args *a)
{
    const attention_dims d   = a->d;
    double              *lse = (double *)lse_;
    int64_t              D   = d.head_dim;
    for (const attention_span *s = a->spans; s < a->spans + a->n_spans; s++)
        for (int64_t i = 0; i < s->q_len; i++)
            for (int64_t h = 0; h < d.heads; h++) {
                int64_t row = s->q0 + i, keys = key_count(s, i), g = h / (d.heads / d.kv_heads),
                        first   = first_key(a, keys);
                const double *q = (const double *)a->q + row * d.ldq + h * D, *k = (const double *)a->k + g * D,
                             *v = (const double *)a->v + g * D;
                double *o = (double *)o_ + row * d.ldo + h * D, max = -INFINITY, sum = 0, slope;
                for (int64_t j = first; j < keys; j++)
                    max = fmax(max, score(a, dot(q, k + key_row(s, j) * d.ldk, D), &slope));
                for (int64_t c = 0; c < D; c++) o[c] = 0;
                for (int64_t j = first; j < keys; j++) {
                    double p = exp(score(a, dot(q, k + key_row(s, j) * d.ldk, D), &slope) - max);
                    sum += p;
                    for (int64_t c = 0; c < D; c++) o[c] += p * v[key_row(s, j) * d.ldv + c];
                }
                for (int64_t c = 0; c < D; c++) o[c] /= sum;
                if (lse) lse[row * d.heads + h] = max + log(sum);
            }
}

void attention_bwd_ref(const backend *be, real *dq_, real *dk_, real *dv_, const real *do_, const real *o_,
                       const param *lse_, const attention_args *a)
{
    const attention_dims d   = a->d;
    const double        *lse = (const double *)lse_;
    int64_t              D   = d.head_dim;
    for (const attention_span *s = a->spans; s < a->spans + a->n_spans; s++)
        for (int64_t i = 0; i < s->q_len; i++)
            for (int64_t h = 0; h < d.heads; h++) {
                int64_t       row = s->q0 + i, keys = key_count(s, i), g = h / (d.heads / d.kv_heads);
                const double *q  = (const double *)a->q + row * d.ldq + h * D,
                             *o  = (const double *)o_ + row * d.ldo + h * D;
                const double *dO = (const double *)do_ + row * d.ldo + h * D;
                double       *dq = (double *)dq_ + row * d.ldq + h * D, do_o = dot(dO, o, D);
                for (int64_t c = 0; c < D; c++) dq[c] = 0;
                for (int64_t j = first_key(a, keys); j < keys; j++) {
                    const double *k = (const double *)a->k + key_row(s, j) * d.ldk + g * D,
                                 *v = (const double *)a->v + key_row(s, j) * d.ldv + g * D;
                    double *dk      = (double *)dk_ + key_row(s, j) * d.ldk + g * D,
                           *dv      = (double *)dv_ + key_row(s, j) * d.ldv + g * D;
                    double slope, p = exp(score(a, dot(q, k, D), &slope) - lse[row * d.heads + h]);
                    double ds = slope * p * (dot(dO, v, D) - do_o);
                    for (int64_t c = 0; c < D; c++) {
                        dv[c] += p * dO[c];
                        dq[c] += ds * k[c];
                        dk[c] += ds * q[c];
                    }
                }
            }
}

void attention_decode_ref(const backend *be, real *o, int64_t kv_most, const attention_args *a)
{
    attention_fwd_ref(be, o, NULL, a);
}
