/* One layer of the decoder, forward and backward, over the backend's ops. Llama's:
 *
 *   xn = norm1(x)    q, k, v = xn Wqkv^T    o = attention(rope q, rope k, v)    mid = x + o Wo^T
 *   mn = norm2(mid)  gate, up = mn Wgu^T    act = silu(gate) * up               out = mid + act
 *   Wdown^T
 *
 * What other families do in another way is the plan's (model/family.h).
 *
 * Each product is a stage (decoder_stage.c): the frozen linear and the pairs beside it. The
 * backward keeps x, q, k, v, o, mid, gate and up, and computes xn, mn and act again: they cost
 * passes, no products. */
#include <math.h>

#include "model/decoder_private.h"
#include "model/rotary.h"

/* --- norms */

static int64_t stats_width(const model_config *c) { return c->plan.norm == NORM_LAYER ? 2 : 1; }

void decoder_norm_fwd(decoder *d, real *y, buffer *stats, const real *x, const real *g, const real *b, int64_t n)
{
    const backend      *be = d->be;
    const model_config *c  = &d->m->cfg;
    param              *s  = stats ? params_need(be, stats, n * stats_width(c)) : NULL;
    if (c->plan.norm == NORM_LAYER)
        be->layernorm_fwd(be, y, s, x, g, b, (layernorm_dims) { .n = n, .d = c->hidden }, c->norm_eps);
    else
        be->rmsnorm_fwd(be, y, s, x, g, (norm_dims) { .n = n, .d = c->hidden, .offset = c->plan.norm_offset },
                        c->norm_eps);
}

void decoder_norm_bwd(decoder *d, real *dx, param *dg, param *db, const real *dy, const real *x, const buffer *stats,
                      const real *g, int64_t n)
{
    const backend      *be = d->be;
    const model_config *c  = &d->m->cfg;
    if (c->plan.norm == NORM_LAYER)
        be->layernorm_bwd(be, dx, dg, db, dy, x, stats->params, g, (layernorm_dims) { .n = n, .d = c->hidden });
    else
        be->rmsnorm_bwd(be, dx, dg, dy, x, stats->params, g,
                        (norm_dims) { .n = n, .d = c->hidden, .offset = c->plan.norm_offset });
}

static bool has_norms_before(const model_config *c) { return c->plan.norms != NORMS_AFTER; }
static bool has_norms_after(const model_config *c)
{
    return c->plan.norms == NORMS_AFTER || c->plan.norms == NORMS_AROUND;
}
bool decoder_adds_at_once(const model_config *c) { return !has_norms_after(c) && multiplier(c->residual_scale) == 1; }

/* The gain and bias of a norm, and their gradients or NULL. */
typedef struct {
    const real *g, *b;
    param      *dg, *db;
} norm_arrays;

static norm_arrays norm1_of(const decoder *d, int64_t layer)
{
    const layer_weights   *w = &d->m->layers[layer];
    const layer_gradients *g = &d->m->grads[layer];
    return (norm_arrays) { w->norm1, w->norm1_bias, g->norm1, g->norm1_bias };
}

/* The norm that the MLP reads. */
static norm_arrays norm2_of(const decoder *d, int64_t layer)
{
    const layer_weights   *w = &d->m->layers[layer];
    const layer_gradients *g = &d->m->grads[layer];
    if (d->m->cfg.plan.norms == NORMS_ONE) return norm1_of(d, layer);
    return (norm_arrays) { w->norm2, w->norm2_bias, g->norm2, g->norm2_bias };
}

static norm_arrays norm_after(const decoder *d, int64_t layer, int branch)
{
    const layer_weights   *w = &d->m->layers[layer];
    const layer_gradients *g = &d->m->grads[layer];
    return branch == ATTENTION ? (norm_arrays) { w->norm1_after, NULL, g->norm1_after, NULL }
                               : (norm_arrays) { w->norm2_after, NULL, g->norm2_after, NULL };
}

/* What attention or the MLP reads of n rows of the residual stream: their norm in `to`, or they
 * themselves. */
static const real *normed(decoder *d, buffer *to, buffer *stats, const real *x, norm_arrays a, int64_t n)
{
    if (!has_norms_before(&d->m->cfg)) return x;
    real *y = buffer_need(d->be, to, n * d->m->cfg.hidden);
    decoder_norm_fwd(d, y, stats, x, a.g, a.b, n);
    return y;
}

/* dx += the gradient through that. */
static void normed_bwd(decoder *d, real *dx, const real *dy, const real *x, const buffer *stats, norm_arrays a,
                       int64_t n)
{
    if (has_norms_before(&d->m->cfg))
        decoder_norm_bwd(d, dx, a.dg, a.db, dy, x, stats, a.g, n);
    else
        d->be->blend(d->be, dx, dy, 1, 1, n * d->m->cfg.hidden);
}

/* --- attention */

/* How this layer is computed in this run. */
typedef struct {
    bool           trimmed, split; /* only the wanted rows are queries; q apart from k and v */
    int64_t        nq;
    attention_dims dims;
    real          *q, *k, *v;
    /* q and k as the projection makes them: those above, unless their norms write elsewhere */
    real   *raw_q, *raw_k;
    int64_t raw_ldq, raw_ldk;
    double  scale;
    int64_t window;
    int     flags; /* LAYER_ bits */
} layout;

activations *layer_activations(decoder *d, int64_t layer)
{
    return d->keep && layer >= d->low_layer ? &d->kept[layer] : &d->scratch;
}

static layout layout_of(decoder *d, int64_t layer)
{
    const model_config *c = &d->m->cfg;
    layout              v = { .trimmed = d->trim && layer == c->layers - 1, .flags = c->layer[layer] };
    activations        *a = layer_activations(d, layer);
    int64_t             q = d->q_out, kv = d->kv_out;
    v.split = v.trimmed || d->run.cache;
    v.nq    = v.trimmed ? d->run.n_rows : d->run.n;
    v.scale = c->attention_scale > 0 ? c->attention_scale : 1 / sqrt((double)c->head_dim);
    if (c->attention_by_depth) v.scale /= (double)(layer + 1);
    v.window   = v.flags & LAYER_WINDOW ? c->window : 0;
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
    v.v     = real_at(d->be, v.k, kv);
    v.raw_q = v.q, v.raw_k = v.k, v.raw_ldq = v.dims.ldq, v.raw_ldk = v.dims.ldk;
    if (c->plan.qk != QK_PLAIN && !d->run.cache) { /* the backward reads both; with a cache there is none */
        v.q        = buffer_need(d->be, &a->qk, v.nq * q + d->run.n * kv);
        v.k        = real_at(d->be, v.q, v.nq * q);
        v.dims.ldq = q, v.dims.ldk = kv;
    }
    return v;
}

/* Norms of q and k, piece by piece of a row: a head, or the whole row. */
typedef struct {
    int64_t q_width, k_width, q_pieces, k_pieces;
} qk_pieces;
static qk_pieces pieces_of(const decoder *d)
{
    const model_config *c = &d->m->cfg;
    return c->plan.qk == QK_NORM_WHOLE ? (qk_pieces) { d->q_out, d->kv_out, 1, 1 }
                                       : (qk_pieces) { c->head_dim, c->head_dim, c->heads, c->kv_heads };
}

static void norm_qk(decoder *d, int64_t layer, const layout *v)
{
    const backend       *be = d->be;
    const model_config  *c  = &d->m->cfg;
    const layer_weights *w  = &d->m->layers[layer];
    const qk_pieces      p  = pieces_of(d);
    const int64_t        n  = d->run.n;
    if (c->plan.qk == QK_PLAIN) return;
    param *stats = params_need(be, &layer_activations(d, layer)->stats_qk, v->nq * p.q_pieces + n * p.k_pieces);
    for (int64_t i = 0; i < p.q_pieces; i++, stats = param_at(be, stats, v->nq))
        be->rmsnorm_fwd(be, real_at(be, v->q, i * p.q_width), stats, real_at(be, v->raw_q, i * p.q_width), w->q_norm,
                        (norm_dims) { v->nq, p.q_width, v->raw_ldq, v->dims.ldq, c->plan.norm_offset }, c->norm_eps);
    for (int64_t i = 0; i < p.k_pieces; i++, stats = param_at(be, stats, n))
        be->rmsnorm_fwd(be, real_at(be, v->k, i * p.k_width), stats, real_at(be, v->raw_k, i * p.k_width), w->k_norm,
                        (norm_dims) { n, p.k_width, v->raw_ldk, v->dims.ldk, c->plan.norm_offset }, c->norm_eps);
}

/* dq and dk behind the norms (strides of v->dims) -> raw_dq and raw_dk before them, added there. */
static void norm_qk_bwd(decoder *d, int64_t layer, const layout *v, real *raw_dq, real *raw_dk, const real *dq,
                        const real *dk)
{
    const backend         *be     = d->be;
    const layer_weights   *w      = &d->m->layers[layer];
    const layer_gradients *g      = &d->m->grads[layer];
    const qk_pieces        p      = pieces_of(d);
    const int64_t          n      = d->run.n;
    const double           offset = d->m->cfg.plan.norm_offset;
    const param           *stats  = d->kept[layer].stats_qk.params;
    for (int64_t i = 0; i < p.q_pieces; i++, stats = param_at(be, stats, v->nq))
        be->rmsnorm_bwd(be, real_at(be, raw_dq, i * p.q_width), g->q_norm, real_at(be, dq, i * p.q_width),
                        real_at(be, v->raw_q, i * p.q_width), stats, w->q_norm,
                        (norm_dims) { v->nq, p.q_width, v->raw_ldq, v->dims.ldq, offset });
    for (int64_t i = 0; i < p.k_pieces; i++, stats = param_at(be, stats, n))
        be->rmsnorm_bwd(be, real_at(be, raw_dk, i * p.k_width), g->k_norm, real_at(be, dk, i * p.k_width),
                        real_at(be, v->raw_k, i * p.k_width), stats, w->k_norm,
                        (norm_dims) { n, p.k_width, v->raw_ldk, v->dims.ldk, offset });
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
    return (attention_args) { .q        = v->q,
                              .k        = v->k,
                              .v        = v->v,
                              .spans    = v->trimmed ? run->row_spans : run->spans,
                              .n_spans  = v->trimmed ? run->n_row_spans : run->n_spans,
                              .d        = v->dims,
                              .scale    = v->scale,
                              .window   = v->window,
                              .soft_cap = d->m->cfg.attention_cap };
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
        stage_fwd(d, layer, STAGE_QKV, v->raw_q, xn, d->run.n);
        return;
    }
    const real *xq = xn;
    if (v->trimmed) {
        real *gathered = buffer_need(be, &d->xn_rows, v->nq * hidden);
        be->gather_rows(be, gathered, xn, d->rows, v->nq, hidden);
        xq = gathered;
    }
    stage_fwd(d, layer, STAGE_Q, v->raw_q, xq, v->nq);
    stage_fwd(d, layer, STAGE_KV, v->raw_k, xn, d->run.n);
}

static void rotate(decoder *d, const layout *v, real *q, real *k, bool inverse)
{
    const model_config *c     = &d->m->cfg;
    const param        *table = d->rope_table[v->flags & LAYER_LOCAL_ROPE ? 1 : 0].params;
    const int64_t       width = rotary_width(c), D = c->head_dim;
    if (c->plan.positions || v->flags & LAYER_UNROTATED) return;
    d->be->rope(d->be, q, v->trimmed ? d->row_pos : d->pos, table,
                (rope_dims) { .n = v->nq, .heads = c->heads, .head_dim = width, .ldx = v->dims.ldq, .ldh = D },
                inverse);
    d->be->rope(d->be, k, d->pos, table,
                (rope_dims) { .n = d->run.n, .heads = c->kv_heads, .head_dim = width, .ldx = v->dims.ldk, .ldh = D },
                inverse);
}

/* --- the residual stream */

/* The residual stream before attention is added: x itself in place when nobody needs it again. */
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

/* to [n, hidden] += what a stage makes of `in`: at once, or by way of a norm and a multiplier. */
static void add_branch(decoder *d, int64_t layer, int branch, real *to, const real *in, int64_t n)
{
    const model_config *c     = &d->m->cfg;
    const stage_id      s     = branch == ATTENTION ? STAGE_O : STAGE_DOWN;
    activations        *a     = layer_activations(d, layer);
    const norm_arrays   after = norm_after(d, layer, branch);
    if (decoder_adds_at_once(c)) {
        stage_fwd(d, layer, s, to, in, n);
        return;
    }
    real *y = buffer_need(d->be, &a->branch[branch], n * c->hidden);
    stage_fwd(d, layer, s, y, in, n);
    if (has_norms_after(c)) {
        real *t = buffer_need(d->be, &d->normed, n * c->hidden);
        decoder_norm_fwd(d, t, &a->stats_after[branch], y, after.g, NULL, n);
        y = t;
    }
    d->be->blend(d->be, to, y, 1, multiplier(c->residual_scale), n * c->hidden);
}

/* The gradient of what the stage made, from that of the residual stream. */
static const real *branch_bwd(decoder *d, int64_t layer, int branch, const real *dx, int64_t n)
{
    const backend      *be    = d->be;
    const model_config *c     = &d->m->cfg;
    const int64_t       count = n * c->hidden;
    const activations  *a     = &d->kept[layer];
    const norm_arrays   after = norm_after(d, layer, branch);
    if (multiplier(c->residual_scale) != 1) {
        real *scaled = buffer_need(be, &d->d_scaled, count);
        be->copy(be, scaled, dx, count);
        be->blend(be, scaled, NULL, c->residual_scale, 0, count);
        dx = scaled;
    }
    if (!has_norms_after(c)) return dx;
    real *dy = buffer_need(be, &d->d_branch, count);
    be->zero(be, dy, count);
    decoder_norm_bwd(d, dy, after.dg, NULL, dx, a->branch[branch].p, &a->stats_after[branch], after.g, n);
    return dy;
}

/* --- the MLP */

static void activate(decoder *d, real *act, const real *gate_up, int64_t n)
{
    const backend      *be = d->be;
    const model_config *c  = &d->m->cfg;
    if (c->plan.act == ACT_SILU && !c->plan.ungated)
        be->swiglu_fwd(be, act, gate_up, n, c->inter);
    else
        be->activate_fwd(be, act, gate_up, (activate_dims) { n, c->inter, c->plan.act, !c->plan.ungated });
}

/* gate and up become their gradients. */
static void activate_bwd(decoder *d, real *gate_up, const real *dact, int64_t n)
{
    const backend      *be = d->be;
    const model_config *c  = &d->m->cfg;
    if (c->plan.act == ACT_SILU && !c->plan.ungated)
        be->swiglu_bwd(be, gate_up, dact, gate_up, n, c->inter);
    else
        be->activate_bwd(be, gate_up, dact, gate_up, (activate_dims) { n, c->inter, c->plan.act, !c->plan.ungated });
}

/* --- the layer */

void layer_fwd(decoder *d, int64_t layer)
{
    const backend      *be = d->be;
    const model_config *c  = &d->m->cfg;
    activations        *a  = layer_activations(d, layer);
    layout              v  = layout_of(d, layer);
    int64_t             n = d->run.n, nq = v.nq;

    const real *xn = normed(d, &d->xn, &a->stats1, a->x.p, norm1_of(d, layer), n);
    project_qkv(d, layer, &v, xn);
    norm_qk(d, layer, &v);
    rotate(d, &v, v.q, v.k, false);
    if (d->run.cache) into_cache(d, layer, &v);
    real  *o   = buffer_need(be, &a->o, nq * d->q_out);
    param *lse = d->keep ? params_need(be, &a->lse, nq * c->heads) : NULL;
    attend(d, &v, o, lse);

    real       *mid = residual(d, a, &v), *out = mid;
    const real *mn;
    if (c->plan.parallel) { /* the MLP reads what attention reads */
        mn  = normed(d, &d->xn, &a->stats2, mid, norm2_of(d, layer), nq);
        out = output(d, layer, a, mid, nq * c->hidden);
        add_branch(d, layer, ATTENTION, out, o, nq);
    } else {
        add_branch(d, layer, ATTENTION, mid, o, nq);
        mn = normed(d, &d->xn, &a->stats2, mid, norm2_of(d, layer), nq);
    }
    real *gate_up = buffer_need(be, &a->gate_up, nq * gate_up_width(c)), *act = buffer_need(be, &d->act, nq * c->inter);
    stage_fwd(d, layer, STAGE_GATE_UP, gate_up, mn, nq);
    activate(d, act, gate_up, nq);
    if (!c->plan.parallel) out = output(d, layer, a, mid, nq * c->hidden);
    add_branch(d, layer, MLP, out, act, nq);
    d->last = out;
}

/* The MLP's part: dx [nq, hidden] gains the gradient through it. False when nothing below wants
 * dx. */
static bool mlp_bwd(decoder *d, int64_t layer, real *dx, int64_t nq)
{
    const backend      *be = d->be;
    const model_config *c  = &d->m->cfg;
    activations        *a  = &d->kept[layer];

    real *act = buffer_need(be, &d->act, nq * c->inter);
    if (stage_reads_input(d, layer, STAGE_DOWN)) activate(d, act, a->gate_up.p, nq);
    const real *dy   = branch_bwd(d, layer, MLP, dx, nq);
    real       *dact = stage_wanted_below(d, layer, STAGE_DOWN) ? buffer_need(be, &d->dact, nq * c->inter) : NULL;
    stage_bwd(d, layer, STAGE_DOWN, dact, dy, act, nq);
    if (!dact) return false;

    activate_bwd(d, a->gate_up.p, dact, nq);
    const real *mn = buffer_need(be, &d->xn, nq * c->hidden);
    if (stage_reads_input(d, layer, STAGE_GATE_UP)) mn = normed(d, &d->xn, NULL, a->mid.p, norm2_of(d, layer), nq);
    real *dmn = stage_wanted_below(d, layer, STAGE_GATE_UP) ? buffer_need(be, &d->dxn, nq * c->hidden) : NULL;
    stage_bwd(d, layer, STAGE_GATE_UP, dmn, a->gate_up.p, mn, nq);
    if (!dmn) return false;
    normed_bwd(d, dx, dmn, a->mid.p, &a->stats2, norm2_of(d, layer), nq);
    return true;
}

/* Through the q, k and v projections: dxn [n, hidden], or NULL when it is not wanted. */
static real *qkv_bwd(decoder *d, int64_t layer, const layout *v, const real *dq, const real *dkv)
{
    const backend *be = d->be;
    int64_t        n = d->run.n, hidden = d->m->cfg.hidden;
    bool           want = stage_wanted_below(d, layer, STAGE_QKV);
    const real    *xn   = buffer_need(be, &d->xn, n * hidden);
    real          *dxn  = want ? buffer_need(be, &d->dxn, n * hidden) : NULL;
    if (stage_reads_input(d, layer, STAGE_QKV)) xn = normed(d, &d->xn, NULL, d->kept[layer].x.p, norm1_of(d, layer), n);
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

/* Through attention: d_o [nq, q] -> dxn of qkv_bwd. */
static real *attention_part_bwd(decoder *d, int64_t layer, const layout *v, const real *d_o)
{
    const backend       *be   = d->be;
    const activations   *a    = &d->kept[layer];
    const attention_args args = attention_of(d, v);
    const int64_t        n = d->run.n, nq = v->nq, q = d->q_out, kv = d->kv_out;
    const bool           apart = v->q != v->raw_q;

    real *raw_dq = buffer_need(be, &d->dqkv, nq * q + n * 2 * kv), *raw_dk = real_at(be, raw_dq, v->split ? nq * q : q);
    real *dq = raw_dq, *dk = raw_dk;
    be->zero(be, raw_dq, nq * q + n * 2 * kv);
    if (apart) {
        dq = buffer_need(be, &d->dqk, nq * q + n * kv), dk = real_at(be, dq, nq * q);
        be->zero(be, dq, nq * q + n * kv);
    }
    be->attention_bwd(be, dq, dk, real_at(be, raw_dk, kv), d_o, a->o.p, a->lse.params, &args);
    rotate(d, v, dq, dk, true);
    if (apart) norm_qk_bwd(d, layer, v, raw_dq, raw_dk, dq, dk);
    return qkv_bwd(d, layer, v, raw_dq, raw_dk);
}

/* Through the output projection of attention: d_o [nq, q], or NULL when nothing below wants it. */
static real *o_bwd(decoder *d, int64_t layer, const real *dx, int64_t nq)
{
    real *d_o = stage_wanted_below(d, layer, STAGE_O) ? buffer_need(d->be, &d->d_o, nq * d->q_out) : NULL;
    stage_bwd(d, layer, STAGE_O, d_o, branch_bwd(d, layer, ATTENTION, dx, nq), d->kept[layer].o.p, nq);
    return d_o;
}

real *layer_bwd(decoder *d, int64_t layer, real *dx)
{
    const backend *be       = d->be;
    activations   *a        = &d->kept[layer];
    layout         v        = layout_of(d, layer);
    const bool     parallel = d->m->cfg.plan.parallel;
    int64_t        n = d->run.n, nq = v.nq, hidden = d->m->cfg.hidden;
    real          *d_o = NULL;
    if (parallel && stage_wanted_below(d, layer, STAGE_GATE_UP)) d_o = o_bwd(d, layer, dx, nq);
    if (!mlp_bwd(d, layer, dx, nq)) return NULL;
    if (!parallel) d_o = o_bwd(d, layer, dx, nq);
    if (!d_o) return NULL;
    real *dxn = attention_part_bwd(d, layer, &v, d_o);
    if (!dxn) return NULL;

    if (v.trimmed) { /* the rows' gradients among those of all tokens */
        real *all = buffer_need(be, &d->dx, n * hidden);
        be->zero(be, all, n * hidden);
        be->scatter_add_rows(be, all, dx, d->rows, nq, hidden);
        dx = all;
    }
    normed_bwd(d, dx, dxn, a->x.p, &a->stats1, norm1_of(d, layer), n);
    return dx;
}
