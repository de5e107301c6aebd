/* The layout: which tensors a method stores, and the pair that each adapted linear reads from
 * them. */
#include "adapters/adapter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "adapters/adapter_private.h"

static int64_t module_of(int64_t layer, int site) { return layer * SITE_COUNT + site; }
static bool    has_site(const adapter *a, int site) { return site_set_has(a->spec.sites, site); }
static bool    per_module(const factor_spec *f) { return f->scope == SCOPE_LAYER || f->scope == SCOPE_ONE; }

void adapter_tensor_name(const adapter_tensor *t, const adapter *a, char out[TENSOR_NAME_MAX])
{
    char        letter = factor_letter[t->factor];
    const char *site   = t->site >= 0 ? site_table[t->site].name : "";
    switch (a->spec.method.factor[t->factor].scope) {
    case SCOPE_LAYER: snprintf(out, TENSOR_NAME_MAX, "layers.%lld.%s.%c", (long long)t->layer, site, letter); break;
    case SCOPE_GROUP: snprintf(out, TENSOR_NAME_MAX, "group.%lld.%s.%c", (long long)t->layer, site, letter); break;
    case SCOPE_TIED: snprintf(out, TENSOR_NAME_MAX, "tied.%s.%c", site, letter); break;
    default: snprintf(out, TENSOR_NAME_MAX, "shared.%c", letter); break;
    }
}

static int check_module(const adapter_spec *spec, bool shared, int64_t rank, double scale)
{
    if (rank < 0 || rank > RANK_MAX) return input_error("rank %lld: must be 0..%d", (long long)rank, RANK_MAX);
    if (shared && rank && rank != spec->rank)
        return input_error("rank %lld differs from %lld: modules that share a factor need one rank", (long long)rank,
                           (long long)spec->rank);
    return isfinite(scale) ? OK : input_error("the scale is not a finite number");
}

/* Sets the rank and the scale of every module: from the spec's lists, or one r and one s for
 * all. */
static int set_modules(adapter *a)
{
    struct adapter_private *p      = a->priv;
    const adapter_spec     *spec   = &a->spec;
    bool                    shared = false;
    for (int f = 0; f < FACTOR_COUNT; f++) shared |= !per_module(&spec->method.factor[f]);
    double s = method_scale(&spec->method, spec->alpha, spec->rank);
    for (int64_t m = 0; m < p->modules; m++) {
        int site = (int)(m % SITE_COUNT);
        if (!has_site(a, site)) continue;
        p->rank[m]  = spec->module_rank ? spec->module_rank[m] : spec->rank;
        p->scale[m] = spec->module_scale ? spec->module_scale[m] : s;
        int rc      = check_module(spec, shared, p->rank[m], p->scale[m]);
        if (rc) return error_context(rc, "adapter: layer %lld %s", (long long)m / SITE_COUNT, site_table[site].name);
    }
    return OK;
}

static void add_tensor(adapter *a, factor_id f, int64_t layer, int site, factor_shape shape)
{
    adapter_tensor *t = &a->tensors[a->n_tensors++];
    int64_t        *n = a->spec.method.factor[f].trained ? &a->theta_count : &a->frozen_count;
    *t = (adapter_tensor) { f, layer, site, shape.rows, shape.cols, a->spec.method.factor[f].trained, *n };
    *n += shape.rows * shape.cols;
}

/* A factor's tensors stand site by site in the list but lie instance by instance in memory: A of q,
 * k and v of one layer then is one array, which reads their input once (kernels/adapted.h). */
static void stack(adapter *a, factor_id f)
{
    int64_t first = a->priv->first[f], instances = factor_instances(&a->spec.method.factor[f], a->cfg.layers),
            offset = a->tensors[first].offset;
    for (int64_t i = 0; i < instances; i++)
        for (int64_t k = first + i; k < a->n_tensors; k += instances) {
            a->tensors[k].offset = offset;
            offset += a->tensors[k].rows * a->tensors[k].cols;
        }
}

static void add_factor(adapter *a, factor_id f)
{
    const factor_spec *spec = &a->spec.method.factor[f];
    a->priv->first[f]       = a->n_tensors;
    if (spec->scope == SCOPE_ONE) return;
    for (int site = 0; site < SITE_COUNT; site++) {
        if (!has_site(a, site)) continue;
        int64_t in = site_in(&a->cfg, (site_id)site), out = site_out(&a->cfg, (site_id)site);
        for (int64_t i = 0; i < factor_instances(spec, a->cfg.layers); i++) {
            int64_t      r     = spec->scope == SCOPE_LAYER ? a->priv->rank[module_of(i, site)] : a->spec.rank;
            factor_shape shape = factor_shape_of(f, in, out, r);
            if (!r && f == FACTOR_V) shape.cols = 0; /* nothing is there to scale */
            add_tensor(a, f, spec->scope == SCOPE_TIED ? -1 : i, site, shape);
        }
    }
    if (spec->scope == SCOPE_MODEL)
        add_tensor(a, f, -1, -1, factor_shape_widest(f, &a->cfg, a->spec.sites, a->spec.rank));
    stack(a, f);
}

const adapter_tensor *adapter_find(const adapter *a, factor_id f, int64_t layer, int site)
{
    const factor_spec *spec = &a->spec.method.factor[f];
    int64_t            at   = a->priv->first[f];
    if (spec->scope == SCOPE_ONE || !has_site(a, site)) return NULL;
    if (spec->scope == SCOPE_MODEL) return &a->tensors[at];
    for (int s = 0; s < site; s++) at += has_site(a, s) ? factor_instances(spec, a->cfg.layers) : 0;
    return &a->tensors[at + (spec->scope == SCOPE_LAYER   ? layer
                             : spec->scope == SCOPE_GROUP ? layer / spec->group
                                                          : 0)];
}

static param *at(const adapter *a, const param *p, int64_t i) { return param_at(a->be, p, i); }
param        *adapter_values(const adapter *a, const adapter_tensor *t)
{
    return at(a, t->trained ? a->theta : a->frozen, t->offset);
}
param *adapter_gradient(const adapter *a, const adapter_tensor *t)
{
    return t->trained ? at(a, a->grad, t->offset) : NULL;
}

/* The values of A in the working type, where it differs. They lie as in theta or frozen, so what is
 * shared stays shared. */
static real *working_A(const adapter *a, const adapter_tensor *t)
{
    return a->priv->A ? real_at(a->be, a->priv->A, t->offset - a->priv->A_first) : reals_of(adapter_values(a, t));
}

/* Where the first job that reads A makes these values. */
static real *made_A(const adapter *a, const adapter_tensor *t)
{
    for (int64_t j = 0; j < a->n_jobs - 1; j++)
        if (a->jobs[j].A == adapter_values(a, t) && a->jobs[j].r > 0) return NULL;
    return a->priv->A ? working_A(a, t) : NULL;
}

/* Sets the addresses of one job. Bp_count counts the elements given out so far. */
static void wire_job(adapter *a, int64_t layer, int site)
{
    struct adapter_private *p = a->priv;
    int64_t                 m = module_of(layer, site);
    expand_job             *j = &a->jobs[a->n_jobs++];
    const adapter_tensor   *t[FACTOR_COUNT];
    param                  *value[FACTOR_COUNT], *grad[FACTOR_COUNT];
    bool                    needs_dB = false;
    for (int f = 0; f < FACTOR_COUNT; f++) {
        t[f]     = adapter_find(a, (factor_id)f, layer, site);
        value[f] = t[f] ? adapter_values(a, t[f]) : NULL;
        grad[f]  = t[f] ? adapter_gradient(a, t[f]) : NULL;
        needs_dB |= f != FACTOR_A && grad[f];
    }
    int64_t in = site_in(&a->cfg, (site_id)site), out = site_out(&a->cfg, (site_id)site), r = p->rank[m];
    /* A' is A of this module alone, so its gradient goes straight to A's */
    bool   own_dA = a->spec.method.factor[FACTOR_A].scope == SCOPE_LAYER;
    real  *Bp     = real_at(a->be, p->Bp, p->Bp_count);
    param *dBp = needs_dB ? at(a, p->dBp, p->Bp_count) : NULL, *dAp = NULL;
    p->Bp_count += out * r;
    if (grad[FACTOR_A] && !own_dA) dAp = at(a, p->dAp, p->dAp_first[m]);
    *j          = (expand_job) { .layer = layer,
                                 .site  = site,
                                 .in    = in,
                                 .out   = out,
                                 .r     = r,
                                 .lda   = t[FACTOR_A]->cols,
                                 .s     = p->scale[m],
                                 .A     = value[FACTOR_A],
                                 .u     = value[FACTOR_U],
                                 .R     = value[FACTOR_R],
                                 .B     = value[FACTOR_B],
                                 .v     = value[FACTOR_V],
                                 .Ap    = made_A(a, t[FACTOR_A]),
                                 .Bp    = Bp,
                                 .dAp   = dAp,
                                 .dBp   = dBp,
                                 .dA    = own_dA ? NULL : grad[FACTOR_A],
                                 .du    = grad[FACTOR_U],
                                 .dR    = grad[FACTOR_R],
                                 .dB    = grad[FACTOR_B],
                                 .dv    = grad[FACTOR_V] };
    p->pairs[m] = (pair_arrays) { .A   = working_A(a, t[FACTOR_A]),
                                  .B   = Bp,
                                  .r   = r,
                                  .lda = j->lda,
                                  .ldb = r,
                                  .dA  = own_dA ? grad[FACTOR_A] : dAp,
                                  .dB  = dBp };
}

/* All tensors of A lie one after another. */
static void lay_out_working_A(adapter *a)
{
    struct adapter_private *p = a->priv;
    if (a->be->params == a->be) return;
    p->A_first = a->tensors[p->first[FACTOR_A]].offset;
    for (int64_t i = 0; i < a->n_tensors; i++)
        if (a->tensors[i].factor == FACTOR_A) p->A_count += a->tensors[i].rows * a->tensors[i].cols;
    p->A = a->be->alloc(a->be, p->A_count);
}

static void wire(adapter *a)
{
    struct adapter_private *p  = a->priv;
    int64_t                 Bp = 0, dAp = 0;
    for (int64_t m = 0; m < p->modules; m++) {
        /* layer by layer, then site by site: dA' of one input's sites is stacked as their A' is */
        int site        = (int)(m % SITE_COUNT);
        p->dAp_first[m] = dAp;
        Bp += p->rank[m] * (has_site(a, site) ? site_out(&a->cfg, (site_id)site) : 0);
        dAp += p->rank[m] * (has_site(a, site) ? site_in(&a->cfg, (site_id)site) : 0);
    }
    const factor_spec *A = &a->spec.method.factor[FACTOR_A];
    p->Bp                = a->be->alloc(a->be, Bp);
    p->dBp               = a->be->params->alloc(a->be->params, Bp);
    p->dAp_count         = A->trained && A->scope != SCOPE_LAYER ? dAp : 0;
    p->dAp               = a->be->params->alloc(a->be->params, p->dAp_count);
    a->jobs              = arena_alloc(&a->priv->memory, (size_t)p->modules, sizeof *a->jobs);
    for (int site = 0; site < SITE_COUNT; site++)
        for (int64_t l = 0; has_site(a, site) && l < a->cfg.layers; l++) wire_job(a, l, site);
}

int adapter_new(adapter **out, const backend *be, const model_config *c, adapter_spec spec)
{
    return adapter_new_within(out, be, c, spec, INT64_MAX);
}

int adapter_new_within(adapter **out, const backend *be, const model_config *c, adapter_spec spec, int64_t numbers)
{
    *out = NULL;
    if (!spec.sites) return input_error("adapter: no site to adapt");
    if (c->counting_only) return input_error("adapter: %s is a shape for counting only", c->name);
    for (int s = 0; s < SITE_COUNT; s++)
        if (site_set_has(spec.sites, s) && !(site_in(c, (site_id)s) && site_out(c, (site_id)s)))
            return input_error("adapter: a %s has no linear `%s`", families[c->family].model_type, site_table[s].name);
    if (!spec.module_rank && (spec.rank < 1 || spec.rank > RANK_MAX))
        return input_error("adapter: rank %lld: must be 1..%d", (long long)spec.rank, RANK_MAX);
    if (spec.alpha != 0 && !method_takes_alpha(&spec.method)) {
        return input_error("adapter: alpha %g: method %s fixes s = %g and takes no alpha; leave it out", spec.alpha,
                           spec.method.name, spec.method.scale);
    }
    if (spec.alpha == 0 && method_takes_alpha(&spec.method)) spec.alpha = (double)spec.rank;
    adapter *a                = mem_alloc(1, sizeof *a);
    *a                        = (adapter) { .spec = spec, .cfg = *c, .be = be, .priv = mem_alloc(1, sizeof *a->priv) };
    struct adapter_private *p = a->priv;
    p->modules                = c->layers * SITE_COUNT;
    p->rank                   = arena_alloc(&a->priv->memory, (size_t)p->modules, sizeof *p->rank);
    p->scale                  = arena_alloc(&a->priv->memory, (size_t)p->modules, sizeof *p->scale);
    p->pairs                  = arena_alloc(&a->priv->memory, (size_t)p->modules, sizeof *p->pairs);
    p->dAp_first              = arena_alloc(&a->priv->memory, (size_t)p->modules, sizeof *p->dAp_first);
    a->tensors                = arena_alloc(&a->priv->memory, (size_t)(FACTOR_COUNT * p->modules), sizeof *a->tensors);
    int rc                    = set_modules(a);
    a->spec.module_rank       = p->rank; /* the caller's lists are not kept */
    a->spec.module_scale      = p->scale;
    for (int f = 0; !rc && f < FACTOR_COUNT; f++) add_factor(a, (factor_id)f);
    if (!rc && a->theta_count + a->frozen_count > numbers)
        rc = input_error("adapter: %s at these ranks has %lld numbers, and there are %lld", spec.method.name,
                         (long long)(a->theta_count + a->frozen_count), (long long)numbers);
    if (rc) {
        adapter_free(a);
        return rc;
    }
    a->theta  = be->params->alloc(be->params, a->theta_count);
    a->grad   = be->params->alloc(be->params, a->theta_count);
    a->frozen = be->params->alloc(be->params, a->frozen_count);
    lay_out_working_A(a);
    wire(a);
    adapter_init_values(a);
    adapter_expand(a);
    *out = a;
    return OK;
}

void adapter_free(adapter *a)
{
    if (!a) return;
    struct adapter_private *p        = a->priv;
    void                   *arrays[] = { a->theta, a->grad, a->frozen, p->A, p->Bp, p->dBp, p->dAp };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) a->be->release(a->be, arrays[i]);
    arena_free(&p->memory);
    free(p);
    free(a);
}

void adapter_expand(adapter *a) { a->be->expand_fwd(a->be, a->jobs, a->n_jobs); }

const pair_arrays *adapter_pairs(const adapter *a) { return a->priv->pairs; }

void adapter_zero_grad(adapter *a)
{
    const backend *be = a->be->params;
    be->zero(be, a->grad, a->theta_count);
    be->zero(be, a->priv->dBp, a->priv->Bp_count);
    be->zero(be, a->priv->dAp, a->priv->dAp_count);
}

void adapter_backward(adapter *a) { a->be->expand_bwd(a->be, a->jobs, a->n_jobs); }
