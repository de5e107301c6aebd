#include "bench/state.h"

#include <math.h>
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

int bench_plan(bench_state *s, const bench_spec *spec, const backend *be)
{
    model_config c;
    int          rc = config_load(&c, spec->shape);
    if (rc) return rc;
    *s      = (bench_state) { .spec = spec, .be = be, .n_sets = 1 };
    s->dims = (linear_dims) { .n = spec->op->tokens, .in = site_in(&c, spec->site), .out = site_out(&c, spec->site) };
    s->variant = spec->variant
                     ? spec->variant
                     : adapted_default(be, &(adapted_linear) { .n = s->dims.n, .in = s->dims.in, .out = s->dims.out });
    s->ldx     = adapted_ld(s->variant, s->dims.in, spec->rank);
    s->ldy     = adapted_ld(s->variant, s->dims.out, spec->rank);
    if (spec->mode == MODE_LAYERS) s->n_sets = rotated_layers(&c, s->dims.in * s->dims.out * (int64_t)be->elem);
    if (spec->mode != MODE_COLD) return OK;
    int64_t cache = be->cache_bytes ? be->cache_bytes(be) : 0, passes = spec->op->forward + spec->op->backward;
    if (cache <= 0)
        return run_error(
            "bench: %s: the device does not say how large its cache is, so nothing can be called cold; use mode=hot",
            spec->name);
    /* by the base: the least that passes between two visits */
    double touched = (double)passes * linear_bytes(s->dims, (double)be->elem);
    if (passes == 2) touched -= (double)be->elem * (double)(s->dims.in * s->dims.out);
    s->lag    = 1 + (int64_t)(2 * (double)cache / touched);
    s->n_sets = 2 * s->lag;
    return OK;
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
    const adapter_spec spec = { .method = *b->method, .sites = 1u << b->site, .rank = b->rank, .seed = seed };
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
    const bool gated = s->spec->site == SITE_DOWN;
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

/* The set's call as far as it needs no arrays: what a refusal is asked about. */
static void describe(const bench_state *s, bench_set *t)
{
    const bench_spec *b = s->spec;
    t->pair           = (adapted_pair) { .p = { .r = b->rank, .lda = s->dims.in, .ldb = b->rank }, .out = s->dims.out };
    t->call           = (adapted_linear) { .n           = s->dims.n,
                                           .in          = s->dims.in,
                                           .out         = s->dims.out,
                                           .ldx         = s->ldx,
                                           .ld_dy       = s->ldy,
                                           .pairs       = &t->pair,
                                           .count       = 1,
                                           .same_arrays = true };
    t->factors.narrow = s->variant->takes == TAKES_NARROW;
    if (s->variant->takes != TAKES_PAIR) t->pair.factors = &t->factors;
    if (s->variant->from_source) t->call.source = &t->source;
    if (b->adapters) t->call.batch = &t->batch;
}

/* A factor as the variant takes it. */
static const void *factor_of(bench_state *s, bench_set *t, factor_id f, const param *values, int64_t count)
{
    if (!values || !t->factors.narrow) return values;
    t->narrow[f] = s->be->alloc(s->be, count);
    s->be->narrow(s->be, t->narrow[f], values, count);
    return t->narrow[f];
}

static void fill_factors(bench_state *s, bench_set *t)
{
    const expand_job *job = &t->adapter->jobs[t->layer];
    const int64_t     r = t->pair.p.r, out = s->dims.out;
    adapted_factors  *f = &t->factors;
    f->A = factor_of(s, t, FACTOR_A, job->A, r * job->lda), f->B = factor_of(s, t, FACTOR_B, job->B, out * r);
    f->u = factor_of(s, t, FACTOR_U, job->u, r), f->v = factor_of(s, t, FACTOR_V, job->v, out);
    f->dA = t->pair.p.dA, f->dB = job->dB, f->du = job->du, f->dv = job->dv;
}

static void *bytes_or_none(const backend *be, int64_t bytes) { return bytes ? be->alloc_bytes(be, bytes) : NULL; }

/* The call's arrays. first: the set that lends its own to this one, or NULL. */
static void fill_call(bench_state *s, bench_set *t, const bench_set *first)
{
    const expand_job *job = &t->adapter->jobs[t->layer];
    describe(s, t);
    t->pair.p = adapter_pairs(t->adapter)[t->layer * SITE_COUNT + s->spec->site];
    if (!t->pair.p.lda) t->pair.p.lda = s->dims.in;
    t->factors.lda = job->lda, t->factors.s = job->s;
    if (s->spec->adapters)
        bench_batch_fill(s, t);
    else if (t->pair.factors)
        fill_factors(s, t);
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
    if (!rc) rc = config_load(&c, spec->shape);
    if (rc) return rc;
    bool one = spec->mode != MODE_COLD; /* adapter and activations are of all sets */
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
        if (i > 0 && s->spec->mode != MODE_COLD) continue;
        for (int f = 0; f < FACTOR_COUNT; f++) s->be->release(s->be, t->narrow[f]);
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

/* The map of one layer. A tied A' is charged to every layer, though a model makes it once. */
static void expand_one(const backend *be, const expand_job *job, const pair_arrays *p)
{
    expand_job one = *job;
    if (p->A != reals_of(job->A)) one.Ap = (real *)(uintptr_t)p->A;
    be->expand_fwd(be, &one, 1);
}

/* A variant that was asked for is told of a new adapter wherever a step would, even where the
 * backward alone is timed. */
void bench_run_case(bench_state *s, int64_t set)
{
    const backend  *be      = s->be;
    const bench_op *op      = s->spec->op;
    bench_set      *t       = &s->sets[set];
    expand_job     *job     = &t->adapter->jobs[t->layer];
    pair_arrays     p       = adapter_pairs(t->adapter)[t->layer * SITE_COUNT + s->spec->site];
    const bool      expands = op->expands && (op->forward || s->spec->variant), pair = s->variant->takes == TAKES_PAIR;
    if (expands && pair) expand_one(be, job, &p);
    if (expands) adapted_run(be, s->variant, ADAPTED_ADAPT, &t->call);
    if (op->forward) adapted_run(be, s->variant, ADAPTED_FORWARD, &t->call);
    if (op->backward) adapted_run(be, s->variant, ADAPTED_BACKWARD, &t->call);
    if (op->backward && pair) be->expand_bwd(be, job, 1);
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
    for (int f = 0; f < FACTOR_COUNT; f++) tied |= b->method->factor[f].scope >= SCOPE_GROUP;
    json *a = json_object();
    record_put_text(a, field_bench_case_case, b->name);
    record_put_text(a, field_bench_case_op, b->op->name);
    record_put_text(a, field_bench_case_method, b->method->name);
    record_put_flag(a, field_bench_case_tied, tied);
    record_put_count(a, field_bench_case_rank, b->rank);
    record_put_text(a, field_bench_case_shape, b->shape);
    record_put_text(a, field_bench_case_site, site_table[b->site].name);
    record_put_count(a, field_bench_case_d_in, s->dims.in);
    record_put_count(a, field_bench_case_d_out, s->dims.out);
    record_put_count(a, field_bench_case_tokens, s->dims.n);
    record_put_count(a, b->mode == MODE_LAYERS ? field_bench_case_layers : field_bench_case_sets, s->n_sets);
    if (b->mode != MODE_LAYERS) record_put_text(a, field_bench_case_mode, bench_mode_name[b->mode]);
    if (b->variant) record_put_text(a, field_bench_case_variant, b->variant->name);
    if (b->adapters) {
        record_put_count(a, field_bench_case_adapters, b->adapters);
        record_put_text(a, field_bench_case_popularity, bench_popularity_name[b->popularity]);
        record_put_count(a, field_bench_case_distinct, bench_distinct(b));
    }
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
