/* A stage of a layer: one frozen linear and the pairs of the sites that read its input, in the one
 * call of kernels/adapted.h, by the variant that was asked for or the default. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "model/decoder_private.h"

/* --- which linear, and where each site's pair acts in its output */

typedef struct {
    const real *W, *bias;
    param      *dW, *dbias; /* NULL when the model does not train */
    int64_t     in, out;
    int         order; /* as site_order */
} stage;

/* The part of the fused qkv weights, of their gradients, from row `first`. */
static real *qkv_rows(const decoder *d, real *W, int64_t first, int64_t width)
{
    return W ? real_at(d->be, W, first * width) : NULL;
}
static param *qkv_grads(const decoder *d, param *dW, int64_t first, int64_t width)
{
    return dW ? param_at(d->be, dW, first * width) : NULL;
}

static stage stage_of(const decoder *d, int64_t layer, stage_id s)
{
    const layer_weights   *w = &d->m->layers[layer];
    const layer_gradients *g = &d->m->grads[layer]; /* NULLs where the model does not train */
    int64_t                h = d->m->cfg.hidden, q = d->q_out, kv = d->kv_out, inter = d->m->cfg.inter;
    switch (s) {
    case STAGE_QKV: return (stage) { w->qkv, w->qkv_bias, g->qkv, g->qkv_bias, h, q + 2 * kv, 0 };
    case STAGE_Q: return (stage) { w->qkv, w->qkv_bias, g->qkv, g->qkv_bias, h, q, 0 };
    case STAGE_KV:
        return (stage) { qkv_rows(d, w->qkv, q, h),
                         qkv_rows(d, w->qkv_bias, q, 1),
                         qkv_grads(d, g->qkv, q, h),
                         qkv_grads(d, g->qkv_bias, q, 1),
                         h,
                         2 * kv,
                         0 };
    case STAGE_O: return (stage) { w->o, w->o_bias, g->o, g->o_bias, q, h, 1 };
    case STAGE_GATE_UP:
        return (stage) { w->gate_up, w->gate_up_bias, g->gate_up, g->gate_up_bias, h, gate_up_width(&d->m->cfg), 2 };
    default: return (stage) { w->down, w->down_bias, g->down, g->down_bias, inter, h, 3 };
    }
}

int site_order(site_id s) { return s <= SITE_V ? 0 : s == SITE_O ? 1 : s == SITE_DOWN ? 3 : 2; }

/* Where a site's pair acts in a stage's output: from column at_q q + at_kv kv + at_gate inter
 * on (without a gate nothing stands before up); first_q: with its B from row q on. */
static const struct {
    stage_id stage;
    site_id  site;
    int      at_q, at_kv, at_gate, first_q;
} places[] = {
    { .stage = STAGE_QKV, .site = SITE_QKV },
    { .stage = STAGE_QKV, .site = SITE_Q },
    { .stage = STAGE_QKV, .site = SITE_K, .at_q = 1 },
    { .stage = STAGE_QKV, .site = SITE_V, .at_q = 1, .at_kv = 1 },
    { .stage = STAGE_Q, .site = SITE_QKV },
    { .stage = STAGE_Q, .site = SITE_Q },
    { .stage = STAGE_KV, .site = SITE_QKV, .first_q = 1 },
    { .stage = STAGE_KV, .site = SITE_K },
    { .stage = STAGE_KV, .site = SITE_V, .at_kv = 1 },
    { .stage = STAGE_O, .site = SITE_O },
    { .stage = STAGE_GATE_UP, .site = SITE_GATE },
    { .stage = STAGE_GATE_UP, .site = SITE_UP, .at_gate = 1 },
    { .stage = STAGE_GATE_UP, .site = SITE_GATE_UP },
    { .stage = STAGE_DOWN, .site = SITE_DOWN },
};
enum { PLACES = sizeof places / sizeof *places, PAIRS_MAX = 4 };

/* The pairs beside a stage, at most PAIRS_MAX; returns how many. */
static int stage_pairs(const decoder *d, int64_t layer, stage_id s, int64_t stage_out, adapted_pair *pairs)
{
    int n = 0;
    for (int i = 0; i < PLACES; i++) {
        if (places[i].stage != s) continue;
        pair_arrays p = d->pairs[layer * SITE_COUNT + places[i].site];
        if (!p.r) continue;
        int64_t first = places[i].first_q * d->q_out, rest = site_out(&d->m->cfg, places[i].site) - first;
        int64_t at = places[i].at_q * d->q_out + places[i].at_kv * d->kv_out +
                     (places[i].at_gate ? gate_up_width(&d->m->cfg) - d->m->cfg.inter : 0);
        p.B = real_at(d->be, p.B, first * p.ldb);
        if (p.dB) p.dB = param_at(d->be, p.dB, first * p.r);
        pairs[n++] = (adapted_pair) { p, at, rest < stage_out - at ? rest : stage_out - at };
    }
    return n;
}

/* The first site of a stage that has a pair. */
static site_id first_site(const decoder *d, int64_t layer, stage_id s)
{
    int i = 0;
    while (places[i].stage != s || !d->pairs[layer * SITE_COUNT + places[i].site].r) i++;
    return places[i].site;
}

/* --- the call */

/* The call of n rows without its arrays. pairs has room for PAIRS_MAX. */
static adapted_linear call_of(const decoder *d, int64_t layer, stage_id s, int64_t n, adapted_pair *pairs)
{
    stage st = stage_of(d, layer, s);
    return (adapted_linear) { .n          = n,
                              .in         = st.in,
                              .out        = st.out,
                              .W          = st.W,
                              .bias       = st.bias,
                              .pairs      = pairs,
                              .count      = stage_pairs(d, layer, s, st.out, pairs),
                              .accumulate = (s == STAGE_O || s == STAGE_DOWN) && decoder_adds_at_once(&d->m->cfg) };
}

static const adapted_variant *variant_of(const decoder *d, const adapted_linear *l)
{
    return d->m->variant ? d->m->variant : adapted_default(d->be, l);
}

static void *bytes_need(const backend *be, buffer *b, int64_t bytes)
{
    return buffer_need(be, b, (bytes + (int64_t)be->elem - 1) / (int64_t)be->elem);
}

/* What the variant makes of W and the pairs, made again where either may have changed. */
static void need_copies(decoder *d, const adapted_variant *v, int64_t layer, stage_id s, adapted_linear *l,
                        int64_t bytes)
{
    stage_copies *c = &d->copies[layer * STAGE_COUNT + s];
    if (!bytes) return;
    bool fresh = c->variant != v || c->room.count * (int64_t)d->be->elem < bytes || d->m->flat;
    l->copies  = bytes_need(d->be, &c->room, bytes);
    if (!fresh && c->adapter == d->adapter) return;
    adapted_run(d->be, v, fresh ? ADAPTED_PREPARE : ADAPTED_ADAPT, l);
    c->variant = v;
    c->adapter = d->adapter;
}

void stage_fwd(decoder *d, int64_t layer, stage_id s, real *y, const real *x, int64_t n)
{
    adapted_pair           pairs[PAIRS_MAX];
    adapted_linear         l    = call_of(d, layer, s, n, pairs);
    const adapted_variant *v    = variant_of(d, &l);
    const adapted_room     room = adapted_room_of(d->be, v, &l);
    l.x = x, l.y = y;
    l.kept    = bytes_need(d->be, &layer_activations(d, layer)->pairs_kept[s], room.kept);
    l.scratch = bytes_need(d->be, &d->pairs_scratch, room.scratch);
    need_copies(d, v, layer, s, &l, room.copies);
    adapted_run(d->be, v, ADAPTED_FORWARD, &l);
}

bool stage_wanted_below(const decoder *d, int64_t layer, stage_id s)
{
    return layer > d->low_layer || (layer == d->low_layer && stage_of(d, layer, s).order > d->low_order);
}

bool stage_reads_input(const decoder *d, int64_t layer, stage_id s)
{
    adapted_pair         pairs[PAIRS_MAX];
    bool                 reads = d->m->flat != NULL;
    const adapted_linear l     = call_of(d, layer, s, d->run.n, pairs);
    for (int64_t i = 0; i < l.count; i++)
        reads = reads || pairs[i].p.dA || (pairs[i].p.dB && variant_of(d, &l)->makes_h_again);
    return reads;
}

void stage_bwd(decoder *d, int64_t layer, stage_id s, real *dx, const real *dy, const real *x, int64_t n)
{
    const stage            st = stage_of(d, layer, s);
    adapted_pair           pairs[PAIRS_MAX];
    adapted_linear         l = call_of(d, layer, s, n, pairs);
    const adapted_variant *v = variant_of(d, &l);
    l.x = x, l.dy = dy, l.dx = dx;
    l.kept    = d->kept[layer].pairs_kept[s].p;
    l.copies  = d->copies[layer * STAGE_COUNT + s].room.p;
    l.scratch = bytes_need(d->be, &d->pairs_scratch, adapted_room_of(d->be, v, &l).scratch);
    adapted_run(d->be, v, ADAPTED_BACKWARD, &l);
    if (st.dW) d->be->linear_bwd_w(d->be, st.dW, st.dbias, dy, x, adapted_bwd_dims(&l));
}

/* --- variants by name */

/* Each stage is asked: a model may need all of them. */
int stage_check(const decoder *d, int64_t rows, bool backward)
{
    static const char there[1];
    for (int64_t layer = 0; d->m->variant && layer < d->m->cfg.layers; layer++)
        for (stage_id s = 0; s < STAGE_COUNT; s++) {
            adapted_pair   pairs[PAIRS_MAX];
            adapted_linear l = call_of(d, layer, s, rows, pairs);
            if (backward) l.dy = (const real *)there;
            const char *why = adapted_refusal(d->be, d->m->variant, &l);
            if (why)
                return input_error(
                    "--variant %s: at the site %s of layer %lld it %s; leave --variant out, or choose another",
                    d->m->variant->name, site_table[first_site(d, layer, s)].name, (long long)layer, why);
        }
    return OK;
}

int model_use_variant(model *m, const char *name, const pair_arrays *pairs, bool backward, int64_t rows)
{
    const int64_t count = m->cfg.layers * SITE_COUNT;
    int64_t       ranks = 0;
    int           rc    = adapted_asked(m->be, name, &m->variant);
    if (rc || !name) return rc;
    for (int64_t i = 0; pairs && i < count; i++) ranks += pairs[i].r;
    if (!ranks) {
        rc = input_error("--variant %s: there is no adapter, and it is a way of adapted linears alone", name);
    } else {
        decoder *d = decoder_new(m);
        memcpy(d->pairs, pairs, (size_t)count * sizeof *pairs);
        rc = stage_check(d, rows, backward);
        decoder_free(d);
    }
    if (rc) m->variant = NULL;
    return rc;
}
