/* One layer of the decoder, forward and backward, over the backend's ops.
 *
 *   xn = norm1(x)    q, k, v = xn Wqkv^T    o = attention(rope q, rope k, v)    mid = x + o Wo^T
 *   mn = norm2(mid)  gate, up = mn Wgu^T    act = silu(gate) * up               out = mid + act
 *   Wdown^T
 *
 * Each product is a stage (decoder_stage.c): the frozen linear and the pairs beside it. The
 * backward keeps x, q, k, v, o, mid, gate and up, and computes xn, mn and act again: they cost
 * passes, no products. */
#include <math.h>

#include "model/decoder_private.h"

/* How this layer is computed in this run. */
typedef struct {
    bool           trimmed, split; /* only the wanted rows are queries; q apart from k and v */
    int64_t        nq;
    attention_dims dims;
    real          *q, *k, *v;
    double         scale;
} layout;

activations *layer_activations(decoder *d, int64_t layer)
{
    return d->keep && layer >= d->low_layer ? &d->kept[layer] : &d->scratch;
}

static layout layout_of(decoder *d, int64_t layer)
{
    const model_config *c = &d->m->cfg;
    layout              v = { .trimmed = d->trim && layer == c->layers - 1 };
    activations        *a = layer_activations(d, layer);
    int64_t             q = d->q_out, kv = d->kv_out;
    v.split    = v.trimmed || d->run.cache;
    v.nq       = v.trimmed ? d->run.n_rows : d->run.n;
    v.scale    = 1 / sqrt((double)c->head_dim);
    v.dims     = (attention_dims) { .heads = c->heads, .kv_heads = c->kv_heads, .head_dim = c->head_dim, .ldo = q };
    v.dims.ldq = v.split ? q : q + 2 * kv;
    v.dims.ldk = v.dims.ldv = v.split ? 2 * kv : q + 2 * kv;
    if (v.split) {
        v.q = buffer_need(d->be, &a->q, v.nq * q);
        v.k = buffer_need(d->be, &a->kv, d->run.n * 2 * kv);
    } else {
        v.q = buffer_need(d->be, &a->qkv, d->run.n * (q + 2 * kv));
        v.k = real_at(d->be, v.q, q);
    }
    v.v = real_at(d->be, v.k, kv);
    return v;
}

/* The new tokens' keys and values into their rows of the cache; attention then reads them there. */
static void into_cache(decoder *d, int64_t layer, layout *v)
{
    real *cache = d->run.cache->layers[layer];
    d->be->scatter_rows(d->be, cache, v->k, d->cache_rows, d->run.n, 2 * d->kv_out);
    v->k = cache;
    v->v = real_at(d->be, cache, d->kv_out);
}

static attention_args attention_of(const decoder *d, const layout *v)
{
    const run_plan *run = &d->run;
    return (attention_args) { .q       = v->q,
                              .k       = v->k,
                              .v       = v->v,
                              .spans   = v->trimmed ? run->row_spans : run->spans,
                              .n_spans = v->trimmed ? run->n_row_spans : run->n_spans,
                              .d       = v->dims,
                              .scale   = v->scale };
}

static void attend(decoder *d, const layout *v, real *o, param *lse)
{
    attention_args a = attention_of(d, v);
    if (!d->run.decode) {
        d->be->attention_fwd(d->be, o, lse, &a);
        return;
    }
    a.spans = d->dev_spans, a.n_spans = d->run.n;
    d->be->attention_decode(d->be, o, d->run.kv_most, &a);
}

static void project_qkv(decoder *d, int64_t layer, const layout *v, const real *xn)
{
    const backend *be     = d->be;
    int64_t        hidden = d->m->cfg.hidden;
    if (!v->split) {
        stage_fwd(d, layer, STAGE_QKV, v->q, xn, d->run.n);
        return;
    }
    const real *xq = xn;
    if (v->trimmed) {
        real *gathered = buffer_need(be, &d->xn_rows, v->nq * hidden);
        be->gather_rows(be, gathered, xn, d->rows, v->nq, hidden);
        xq = gathered;
    }
    stage_fwd(d, layer, STAGE_Q, v->q, xq, v->nq);
    stage_fwd(d, layer, STAGE_KV, v->k, xn, d->run.n);
}

static void rotate(decoder *d, const layout *v, real *q, real *k, bool inverse)
{
    const model_config *c = &d->m->cfg;
    d->be->rope(d->be, q, v->trimmed ? d->row_pos : d->pos, d->rope_table.params,
                (rope_dims) { .n = v->nq, .heads = c->heads, .head_dim = c->head_dim, .ldx = v->dims.ldq }, inverse);
    d->be->rope(d->be, k, d->pos, d->rope_table.params,
                (rope_dims) { .n = d->run.n, .heads = c->kv_heads, .head_dim = c->head_dim, .ldx = v->dims.ldk },
                inverse);
}

/* The residual stream after attention: x itself in place when nobody needs it again. */
static real *residual(decoder *d, activations *a, const layout *v)
{
    int64_t count = v->nq * d->m->cfg.hidden;
    if (v->trimmed) {
        d->be->gather_rows(d->be, buffer_need(d->be, &a->mid, count), a->x.p, d->rows, v->nq, d->m->cfg.hidden);
        return a->mid.p;
    }
    if (a == &d->scratch) return a->x.p;
    d->be->copy(d->be, buffer_need(d->be, &a->mid, count), a->x.p, count);
    return a->mid.p;
}

/* Where the layer's output goes: the next layer's input. */
static real *output(decoder *d, int64_t layer, activations *a, real *mid, int64_t count)
{
    real *out = mid;
    if (layer + 1 < d->m->cfg.layers)
        out = buffer_need(d->be, &layer_activations(d, layer + 1)->x, count);
    else if (a != &d->scratch)
        out = buffer_need(d->be, &d->last_kept, count);
    if (out != mid) d->be->copy(d->be, out, mid, count);
    return out;
}

void layer_fwd(decoder *d, int64_t layer)
{
    const backend       *be = d->be;
    const model_config  *c  = &d->m->cfg;
    const layer_weights *w  = &d->m->layers[layer];
    activations         *a  = layer_activations(d, layer);
    layout               v  = layout_of(d, layer);
    int64_t              n = d->run.n, nq = v.nq, hidden = c->hidden;

    real *xn = buffer_need(be, &d->xn, n * hidden);
    be->rmsnorm_fwd(be, xn, params_need(be, &a->rstd1, n), a->x.p, w->norm1, (norm_dims) { .n = n, .d = hidden },
                    c->norm_eps);
    project_qkv(d, layer, &v, xn);
    rotate(d, &v, v.q, v.k, false);
    if (d->run.cache) into_cache(d, layer, &v);
    real  *o   = buffer_need(be, &a->o, nq * d->q_out);
    param *lse = d->keep ? params_need(be, &a->lse, nq * c->heads) : NULL;
    attend(d, &v, o, lse);
    real *mid = residual(d, a, &v);
    stage_fwd(d, layer, STAGE_O, mid, o, nq);

    real *mn = buffer_need(be, &d->xn, nq * hidden);
    be->rmsnorm_fwd(be, mn, params_need(be, &a->rstd2, nq), mid, w->norm2, (norm_dims) { .n = nq, .d = hidden },
                    c->norm_eps);
    real *gate_up = buffer_need(be, &a->gate_up, nq * 2 * c->inter), *act = buffer_need(be, &d->act, nq * c->inter);
    stage_fwd(d, layer, STAGE_GATE_UP, gate_up, mn, nq);
    be->swiglu_fwd(be, act, gate_up, nq, c->inter);
    real *out = output(d, layer, a, mid, nq * hidden);
    stage_fwd(d, layer, STAGE_DOWN, out, act, nq);
    d->last = out;
}

/* The MLP's part: dx [nq, hidden] gains the gradient through it. False when nothing below wants
 * dx. */
static bool mlp_bwd(decoder *d, int64_t layer, real *dx, int64_t nq)
{
    const backend       *be     = d->be;
    const layer_weights *w      = &d->m->layers[layer];
    activations         *a      = &d->kept[layer];
    int64_t              hidden = d->m->cfg.hidden, inter = d->m->cfg.inter;
    norm_dims            nd = { .n = nq, .d = hidden };

    real *act = buffer_need(be, &d->act, nq * inter);
    if (stage_reads_input(d, layer, STAGE_DOWN)) be->swiglu_fwd(be, act, a->gate_up.p, nq, inter);
    real *dact = stage_wanted_below(d, layer, STAGE_DOWN) ? buffer_need(be, &d->dact, nq * inter) : NULL;
    stage_bwd(d, layer, STAGE_DOWN, dact, dx, act, nq);
    if (!dact) return false;

    be->swiglu_bwd(be, a->gate_up.p, dact, a->gate_up.p, nq, inter);
    real *mn = buffer_need(be, &d->xn, nq * hidden);
    if (stage_reads_input(d, layer, STAGE_GATE_UP))
        be->rmsnorm_fwd(be, mn, NULL, a->mid.p, w->norm2, nd, d->m->cfg.norm_eps);
    real *dmn = stage_wanted_below(d, layer, STAGE_GATE_UP) ? buffer_need(be, &d->dxn, nq * hidden) : NULL;
    stage_bwd(d, layer, STAGE_GATE_UP, dmn, a->gate_up.p, mn, nq);
    if (!dmn) return false;
    be->rmsnorm_bwd(be, dx, d->m->grads[layer].norm2, dmn, a->mid.p, a->rstd2.params, w->norm2, nd);
    return true;
}

/* Through the q, k and v projections: dxn [n, hidden], or NULL when it is not wanted. */
static real *qkv_bwd(decoder *d, int64_t layer, const layout *v, const real *dq, const real *dkv)
{
    const backend *be = d->be;
    int64_t        n = d->run.n, hidden = d->m->cfg.hidden;
    bool           want = stage_wanted_below(d, layer, STAGE_QKV);
    real          *xn = buffer_need(be, &d->xn, n * hidden), *dxn = want ? buffer_need(be, &d->dxn, n * hidden) : NULL;
    if (stage_reads_input(d, layer, STAGE_QKV))
        be->rmsnorm_fwd(be, xn, NULL, d->kept[layer].x.p, d->m->layers[layer].norm1,
                        (norm_dims) { .n = n, .d = hidden }, d->m->cfg.norm_eps);
    if (!v->split) {
        stage_bwd(d, layer, STAGE_QKV, dxn, dq, xn, n);
        return dxn;
    }
    real *xq  = buffer_need(be, &d->xn_rows, v->nq * hidden),
         *dxq = want ? buffer_need(be, &d->dxn_rows, v->nq * hidden) : NULL;
    be->gather_rows(be, xq, xn, d->rows, v->nq, hidden);
    stage_bwd(d, layer, STAGE_KV, dxn, dkv, xn, n);
    stage_bwd(d, layer, STAGE_Q, dxq, dq, xq, v->nq);
    if (want) be->scatter_add_rows(be, dxn, dxq, d->rows, v->nq, hidden);
    return dxn;
}

real *layer_bwd(decoder *d, int64_t layer, real *dx)
{
    const backend *be = d->be;
    activations   *a  = &d->kept[layer];
    layout         v  = layout_of(d, layer);
    int64_t        n = d->run.n, nq = v.nq, hidden = d->m->cfg.hidden, q = d->q_out, kv = d->kv_out;
    if (!mlp_bwd(d, layer, dx, nq)) return NULL;

    real *d_o = stage_wanted_below(d, layer, STAGE_O) ? buffer_need(be, &d->d_o, nq * q) : NULL;
    stage_bwd(d, layer, STAGE_O, d_o, dx, a->o.p, nq);
    if (!d_o) return NULL;

    real *dq = buffer_need(be, &d->dqkv, nq * q + n * 2 * kv), *dkv = real_at(be, dq, v.split ? nq * q : q);
    be->zero(be, dq, nq * q + n * 2 * kv);
    const attention_args args = attention_of(d, &v);
    be->attention_bwd(be, dq, dkv, real_at(be, dkv, kv), d_o, a->o.p, a->lse.params, &args);
    rotate(d, &v, dq, dkv, true);
    real *dxn = qkv_bwd(d, layer, &v, dq, dkv);
    if (!dxn) return NULL;

    if (v.trimmed) { /* the rows' gradients among those of all tokens */
        real *all = buffer_need(be, &d->dx, n * hidden);
        be->zero(be, all, n * hidden);
        be->scatter_add_rows(be, all, dx, d->rows, nq, hidden);
        dx = all;
    }
    be->rmsnorm_bwd(be, dx, d->m->grads[layer].norm1, dxn, a->x.p, a->rstd1.params, d->m->layers[layer].norm1,
                    (norm_dims) { .n = n, .d = hidden });
    return dx;
}
