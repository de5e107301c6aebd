#include "bench/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/many_adapters.h"
#include "core/error.h"
#include "core/record.h"
#include "core/memory.h"

enum { LAYERS_MAX = 8 };
/* of the base weights that layers rotate through */
static const int64_t weight_bytes_max = INT64_C(512) << 20;
static const double  producer_eps     = 1e-5;
static const int64_t period           = 1048583; /* of random arrays: a prime */

static int64_t rotated_layers(const model_config *c, int64_t weight_bytes)
{
    int64_t n = c->layers < LAYERS_MAX ? c->layers : LAYERS_MAX;
    while (n > 1 && n * weight_bytes > weight_bytes_max) n--;
    return n;
}

int bench_shape(model_config *c, const char *name)
{
    long long  side;
    const bool square = sscanf(name, "square-%lld", &side) == 1;
    int        rc     = config_load(c, square ? "llama2-7b" : name);
    if (!rc && square) c->hidden = c->head_dim = side, c->heads = c->kv_heads = 1;
    return rc;
}

/* The sites whose columns the linear has. Those of these sets lie in one GEMM in the model. */
static site_set linear_of(site_set sites)
{
    static const site_set fused[] = { 1u << SITE_Q | 1u << SITE_K | 1u << SITE_V, 1u << SITE_GATE | 1u << SITE_UP };
    const bool            several = sites & (sites - 1);
    for (size_t i = 0; several && i < sizeof fused / sizeof *fused; i++)
        if ((sites & fused[i]) == sites) return fused[i];
    return sites;
}

static void plan_sites(bench_state *s, const model_config *c)
{
    const site_set sites = s->spec->sites, linear = linear_of(sites);
    for (site_id i = 0; i < SITE_COUNT; i++) {
        if (!site_set_has(linear, i)) continue;
        const int64_t out = site_out(c, i);
        if (site_set_has(sites, i)) s->sites[s->count++] = (bench_site) { .site = i, .at = s->dims.out, .out = out };
        s->dims.out += out;
        s->dims.in = site_in(c, i);
    }
}

/* So many that twice the cache passes, by the base, which touches least, between two visits. */
static int plan_cold(bench_state *s)
{
    const backend *be     = s->be;
    const int64_t  cache  = be->cache_bytes ? be->cache_bytes(be) : 0;
    const int      passes = s->spec->op->forward + s->spec->op->backward;
    if (cache <= 0)
        return run_error(
            "bench: %s: the device does not say how large its cache is, so nothing can be called cold; use mode=hot",
            s->spec->name);
    double touched = (double)passes * linear_bytes(s->dims, (double)be->elem);
    if (passes == 2) touched -= (double)be->elem * (double)(s->dims.in * s->dims.out);
    s->n_sets = (2 + (int64_t)(2 * (double)cache / touched)) | 1;
    return OK;
}

int bench_plan(bench_state *s, const bench_spec *spec, const backend *be)
{
    model_config c;
    int          rc = bench_shape(&c, spec->shape);
    if (rc) return rc;
    *s        = (bench_state) { .spec = spec, .be = be, .n_sets = 1 };
    s->dims.n = spec->op->tokens;
    plan_sites(s, &c);
    s->variant = spec->variant
                     ? spec->variant
                     : adapted_default(be, &(adapted_linear) { .n = s->dims.n, .in = s->dims.in, .out = s->dims.out });
    /* of several pairs, what takes narrow factors takes the pairs (kernels/variant.h) */
    s->takes            = s->count > 1 && s->variant->takes == TAKES_NARROW ? TAKES_PAIR : s->variant->takes;
    const int64_t pad   = s->variant->pad ? s->variant->pad : 1;
    const int64_t ranks = s->count * ((spec->rank + pad - 1) / pad * pad);
    s->ldx              = adapted_ld(s->variant, s->dims.in, ranks);
    s->ldy              = adapted_ld(s->variant, s->dims.out, ranks);
    if (spec->mode == MODE_LAYERS) s->n_sets = rotated_layers(&c, s->dims.in * s->dims.out * (int64_t)be->elem);
    return bench_modes[spec->mode].cold ? plan_cold(s) : OK;
}

real *bench_random(const backend *be, int64_t n, double sd, rng *r)
{
    int64_t first = n < period ? n : period;
    float  *host  = mem_alloc((size_t)first, sizeof *host);
    /* uniform with this sd */
    for (int64_t i = 0; i < first; i++) host[i] = (float)(sd * 3.4641016151377544 * (rng_uniform(r) - 0.5));
    real *a = be->alloc(be, n);
    be->upload_f32(be, a, host, first);
    for (int64_t at = first, some; at < n; at += some) {
        some = n - at < at ? n - at : at;
        be->copy(be, real_at(be, a, at), a, some);
    }
    free(host);
    return a;
}

/* Non-zero everywhere: no factor hides a wrong one. */
static int fresh_adapter(adapter **out, const bench_state *s, model_config c, int64_t layers, uint64_t seed, rng *g)
{
    const bench_spec *b     = s->spec;
    c.layers                = layers;
    const adapter_spec spec = { .method = *b->method, .sites = b->sites, .rank = b->rank, .seed = seed };
    int                rc   = adapter_new(out, s->be, &c, spec);
    if (rc) return rc;
    real *theta = bench_random(s->be->params, (*out)->theta_count, 0.5, g);
    s->be->params->copy(s->be->params, (*out)->theta, theta, (*out)->theta_count);
    s->be->params->release(s->be->params, theta);
    adapter_expand(*out);
    return OK;
}

/* What the op before makes x from. */
static void fill_source(const bench_state *s, bench_set *t, rng *g)
{
    const bool gated = s->sites[0].site == SITE_DOWN;
    t->source.eps    = producer_eps;
    t->source.from   = bench_random(s->be, s->dims.n * s->dims.in * (gated ? 2 : 1), 1, g);
    if (gated) return;
    t->source.gain = bench_random(s->be, s->dims.in, 1, g);
    t->source.rstd = s->be->params->alloc(s->be->params, s->dims.n);
}

static void fill_set(const bench_state *s, bench_set *t, rng *g)
{
    if (s->variant->from_source) fill_source(s, t, g);
    const backend *be = s->be;
    int64_t        n = s->dims.n, in = s->dims.in, out = s->dims.out;
    t->x = bench_random(be, n * s->ldx, 1, g);
    t->y = be->alloc(be, n * out);
    if (!s->spec->op->backward) return;
    t->dy = bench_random(be, n * s->ldy, 1, g);
    t->dx = be->alloc(be, n * in);
}

const expand_job *bench_job(const bench_set *t, int pair)
{
    return &t->adapter->jobs[pair * t->adapter->cfg.layers + t->layer];
}

const pair_arrays *bench_pair_of(const bench_state *s, const bench_set *t, int pair)
{
    return &adapter_pairs(t->adapter)[t->layer * SITE_COUNT + s->sites[pair].site];
}

bool bench_shares_A(const bench_state *s, int pair)
{
    const bench_set *t = &s->sets[0];
    return pair > 0 && bench_pair_of(s, t, pair)->A == bench_pair_of(s, t, pair - 1)->A;
}

/* The set's call as far as it needs no arrays: what a refusal is asked about. */
static void describe(const bench_state *s, bench_set *t)
{
    const bench_spec *b = s->spec;
    for (int i = 0; i < s->count; i++) {
        t->pairs[i]          = (adapted_pair) { .p   = { .r = b->rank, .lda = s->dims.in, .ldb = b->rank },
                                                .at  = s->sites[i].at,
                                                .out = s->sites[i].out };
        t->factors[i].narrow = s->takes == TAKES_NARROW;
        if (s->takes != TAKES_PAIR) t->pairs[i].factors = &t->factors[i];
    }
    t->call = (adapted_linear) { .n           = s->dims.n,
                                 .in          = s->dims.in,
                                 .out         = s->dims.out,
                                 .ldx         = s->ldx,
                                 .ld_dy       = s->ldy,
                                 .pairs       = t->pairs,
                                 .count       = s->count,
                                 .same_arrays = true };
    if (s->variant->from_source) t->call.source = &t->source;
    if (b->adapters) t->call.batch = &t->batch;
}

/* A factor as the variant takes it. */
static const void *factor_of(bench_state *s, bench_set *t, int pair, factor_id f, const param *values, int64_t count)
{
    if (!values || !t->factors[pair].narrow) return values;
    t->narrow[pair][f] = s->be->alloc(s->be, count);
    s->be->narrow(s->be, t->narrow[pair][f], values, count);
    return t->narrow[pair][f];
}

static void fill_factors(bench_state *s, bench_set *t, int i)
{
    const expand_job *job = bench_job(t, i);
    const int64_t     r = t->pairs[i].p.r, out = s->sites[i].out;
    adapted_factors  *f = &t->factors[i];
    f->A = factor_of(s, t, i, FACTOR_A, job->A, r * job->lda), f->B = factor_of(s, t, i, FACTOR_B, job->B, out * r);
    f->u = factor_of(s, t, i, FACTOR_U, job->u, r), f->v = factor_of(s, t, i, FACTOR_V, job->v, out);
    f->dA = t->pairs[i].p.dA, f->dB = job->dB, f->du = job->du, f->dv = job->dv;
}

/* The addresses of a pair and of its factors. */
static void fill_pair(bench_state *s, bench_set *t, int i)
{
    const expand_job *job = bench_job(t, i);
    t->pairs[i].p         = *bench_pair_of(s, t, i);
    if (!t->pairs[i].p.lda) t->pairs[i].p.lda = s->dims.in;
    t->factors[i].lda = job->lda, t->factors[i].s = job->s;
    if (s->spec->adapters)
        bench_batch_fill(s, t);
    else if (t->pairs[i].factors)
        fill_factors(s, t, i);
}

static void *bytes_or_none(const backend *be, int64_t bytes) { return bytes ? be->alloc_bytes(be, bytes) : NULL; }

/* The call's arrays. first: the set that lends its own to this one, or NULL. */
static void fill_call(bench_state *s, bench_set *t, const bench_set *first)
{
    describe(s, t);
    for (int i = 0; i < s->count; i++) fill_pair(s, t, i);
    t->call.W = t->W, t->call.x = t->x, t->call.y = t->y, t->call.dx = t->dx, t->call.dy = t->dy;
    const adapted_room room = adapted_room_of(s->be, s->variant, &t->call);
    t->call.kept            = first ? first->call.kept : bytes_or_none(s->be, room.kept);
    t->call.scratch         = first ? first->call.scratch : bytes_or_none(s->be, room.scratch);
    t->call.copies          = bytes_or_none(s->be, room.copies);
    adapted_run(s->be, s->variant, ADAPTED_PREPARE, &t->call);
}

int bench_state_init(bench_state *s, const bench_spec *spec, const backend *be, uint64_t seed)
{
    model_config c;
    int          rc = bench_plan(s, spec, be);
    if (!rc) rc = bench_shape(&c, spec->shape);
    if (rc) return rc;
    bool one = !bench_modes[spec->mode].cold; /* adapter and activations are of all sets */
    rng  g   = rng_stream(seed, spec->name);
    s->sets  = mem_alloc((size_t)s->n_sets, sizeof *s->sets);
    for (int64_t i = 0; i < s->n_sets; i++) {
        bench_set *t = &s->sets[i];
        if (i > 0 && one) {
            *t             = s->sets[0];
            t->W           = NULL;
            t->call.copies = NULL;
        } else {
            rc = fresh_adapter(&t->adapter, s, c, spec->adapters ? spec->adapters : one ? s->n_sets : 1, seed, &g);
            if (rc) return rc;
            fill_set(s, t, &g);
        }
        t->layer = one ? i : 0;
        t->W     = bench_random(be, s->dims.in * s->dims.out, 1 / sqrt((double)s->dims.in), &g);
        fill_call(s, t, i > 0 && one ? &s->sets[0] : NULL);
        if (!spec->op->forward) bench_run_forward(s, i);
    }
    return OK;
}

void bench_state_free(bench_state *s)
{
    for (int64_t i = 0; s->sets && i < s->n_sets; i++) {
        bench_set *t = &s->sets[i];
        adapted_run(s->be, s->variant, ADAPTED_RELEASE, &t->call);
        s->be->release(s->be, t->W);
        s->be->release(s->be, t->call.copies);
        if (i > 0 && !bench_modes[s->spec->mode].cold) continue;
        for (int f = 0; f < BENCH_PAIRS * FACTOR_COUNT; f++)
            s->be->release(s->be, t->narrow[f / FACTOR_COUNT][f % FACTOR_COUNT]);
        void *arrays[] = { t->x,
                           t->dy,
                           t->y,
                           t->dx,
                           t->call.kept,
                           t->call.scratch,
                           (void *)(uintptr_t)t->source.from,
                           (void *)(uintptr_t)t->source.gain,
                           (void *)(uintptr_t)t->batch.which };
        for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++) s->be->release(s->be, arrays[k]);
        s->be->params->release(s->be->params, t->source.rstd);
        adapter_free(t->adapter);
    }
    free(s->sets);
    s->sets = NULL;
}

static bool begins_before(const bench_state *s) { return s->variant->from_source && s->spec->op->forward; }

/* The op before, as a model without an adapter calls it. SwiGLU writes no strided rows. */
static void produce(const bench_state *s, const bench_set *t, linear_dims *d)
{
    if (t->source.gain) {
        s->be->rmsnorm_fwd(s->be, t->x, t->source.rstd, t->source.from, t->source.gain,
                           (norm_dims) { .n = d->n, .d = d->in, .ldy = d->ldx }, producer_eps);
        return;
    }
    d->ldx = d->in;
    s->be->swiglu_fwd(s->be, t->x, t->source.from, d->n, d->in);
}

void bench_run_base(bench_state *s, int64_t set)
{
    const backend   *be  = s->be;
    const bench_set *t   = &s->sets[set];
    linear_dims      fwd = s->dims, bwd = s->dims;
    fwd.ldx = s->ldx;
    bwd.ldy = s->ldy;
    if (begins_before(s)) produce(s, t, &fwd);
    if (s->spec->op->forward) be->linear_fwd(be, t->y, t->x, t->W, NULL, fwd, false);
    if (s->spec->op->backward) be->linear_bwd_x(be, t->dx, t->dy, t->W, bwd, false);
}

/* The maps of one layer. A tied A' is charged to every layer, though a model makes it once; pairs
 * of the layer that share one make it once. */
static void expand_layer(const bench_state *s, const bench_set *t)
{
    expand_job jobs[BENCH_PAIRS];
    for (int i = 0; i < s->count; i++) {
        const real *A = bench_pair_of(s, t, i)->A;
        jobs[i]       = *bench_job(t, i);
        jobs[i].Ap    = A == reals_of(jobs[i].A) || bench_shares_A(s, i) ? NULL : (real *)(uintptr_t)A;
    }
    s->be->expand_fwd(s->be, jobs, s->count);
}

static void transpose_layer(const bench_state *s, const bench_set *t)
{
    expand_job jobs[BENCH_PAIRS];
    for (int i = 0; i < s->count; i++) jobs[i] = *bench_job(t, i);
    s->be->expand_bwd(s->be, jobs, s->count);
}

/* A variant that was asked for is told of a new adapter wherever a step would, even where the
 * backward alone is timed. */
void bench_run_part(bench_state *s, int64_t set, bench_part part)
{
    const bench_op  *op      = s->spec->op;
    const bench_set *t       = &s->sets[set];
    const bool       expands = op->expands && (op->forward || s->spec->variant), pair = s->takes == TAKES_PAIR;
    const bool       runs[PART_COUNT] = { [PART_MAP]       = expands && pair,
                                          [PART_ADAPT]     = expands,
                                          [PART_FORWARD]   = op->forward,
                                          [PART_BACKWARD]  = op->backward,
                                          [PART_TRANSPOSE] = op->backward && pair };
    if (!runs[part]) return;
    switch (part) {
    case PART_MAP: expand_layer(s, t); break;
    case PART_ADAPT: adapted_run(s->be, s->variant, ADAPTED_ADAPT, &t->call); break;
    case PART_FORWARD: adapted_run(s->be, s->variant, ADAPTED_FORWARD, &t->call); break;
    case PART_BACKWARD: adapted_run(s->be, s->variant, ADAPTED_BACKWARD, &t->call); break;
    default: transpose_layer(s, t);
    }
}

void bench_run_case(bench_state *s, int64_t set)
{
    for (bench_part part = 0; part < PART_COUNT; part++) bench_run_part(s, set, part);
}

const char *bench_refusal(const bench_spec *spec, const backend *be)
{
    static const char there[1];
    bench_state       s;
    bench_set         t = { 0 };
    /* measuring it will say what is wrong */
    if (!spec->variant || bench_plan(&s, spec, be)) return NULL;
    describe(&s, &t);
    if (spec->op->backward) t.call.dy = (const real *)there;
    return adapted_refusal(be, s.variant, &t.call);
}

void bench_run_forward(bench_state *s, int64_t set)
{
    adapted_run(s->be, s->variant, ADAPTED_FORWARD, &s->sets[set].call);
}

json *bench_asked_of(const bench_state *s)
{
    const bench_spec *b    = s->spec;
    bool              tied = false;
    char              sites[64];
    site_set_print(b->sites, sites, sizeof sites);
    for (int f = 0; f < FACTOR_COUNT; f++) tied |= b->method->factor[f].scope >= SCOPE_GROUP;
    json *a = json_object();
    record_put_text(a, field_bench_case_case, b->name);
    record_put_text(a, field_bench_case_op, b->op->name);
    record_put_text(a, field_bench_case_method, b->method->name);
    record_put_flag(a, field_bench_case_tied, tied);
    record_put_count(a, field_bench_case_rank, b->rank);
    record_put_text(a, field_bench_case_shape, b->shape);
    record_put_text(a, field_bench_case_site, sites);
    record_put_count(a, field_bench_case_d_in, s->dims.in);
    record_put_count(a, field_bench_case_d_out, s->dims.out);
    record_put_count(a, field_bench_case_tokens, s->dims.n);
    record_put_count(a, b->mode == MODE_LAYERS ? field_bench_case_layers : field_bench_case_sets, s->n_sets);
    if (b->mode != MODE_LAYERS) record_put_text(a, field_bench_case_mode, bench_modes[b->mode].name);
    if (b->variant) record_put_text(a, field_bench_case_variant, b->variant->name);
    if (b->adapters) {
        record_put_count(a, field_bench_case_adapters, b->adapters);
        record_put_text(a, field_bench_case_popularity, bench_popularity_name[b->popularity]);
        record_put_count(a, field_bench_case_distinct, bench_distinct(b));
    }
    if (b->published) record_put_text(a, field_bench_case_published, b->published);
    record_put_text(a, field_bench_case_device, s->be->params->name);
    record_put_text(a, field_bench_case_dtype, s->be->dtype);
    record_put_count(a, field_bench_case_threads, s->be->threads(s->be));
    return a;
}

int bench_asked(const bench_spec *spec, const backend *be, json **asked)
{
    bench_state s;
    int         rc = bench_plan(&s, spec, be);
    *asked         = rc ? NULL : bench_asked_of(&s);
    return rc;
}
