/* Reading adapter folders: our own and PEFT's. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "model/folder.h"
#include "adapters/adapter_private.h"
#include "adapters/peft.h"

int adapter_read_config(json **out, const char *dir)
{
    char *path = path_join(dir, ADAPTER_CONFIG);
    *out       = NULL;
    int rc     = file_exists(path)
                     ? json_read_file(out, path, 16u << 20)
                     : folder_explain(
                           dir, FOLDER_ADAPTER,
                           "holds no adapter_config.json; an adapter folder has that and adapter_model.safetensors");
    if (!rc && !json_is_object(*out)) rc = input_error("%s: must be a JSON object", path);
    free(path);
    return json_unless(rc, out);
}

int adapter_open_weights(safetensors **out, const char *dir)
{
    char *path = path_join(dir, ADAPTER_WEIGHTS);
    *out       = NULL;
    int rc     = file_exists(path)
                     ? safetensors_open(out, path)
                     : folder_explain(dir, FOLDER_ADAPTER, "holds no adapter_model.safetensors, the adapter's weights");
    free(path);
    return rc;
}

int adapter_hash(const char *dir, char out[65])
{
    char *path = path_join(dir, ADAPTER_WEIGHTS);
    int   rc   = sha256_file(path, out);
    free(path);
    return rc;
}

typedef struct {
    const char        *where; /* the config's path */
    const json        *config;
    const peft_layout *layout;
    const safetensors *file;
    adapter_spec       spec;
    double             alpha; /* the config's alpha, where its layout has one */
    peft_targets      *targets;
    peft_found         found; /* of a PEFT folder */
    int64_t           *rank;
    double            *scale;
} reading;

/* Reads a module's rank off a tensor that tells it: A, or VeRA's u. The tensor must have the shape
 * that this base's linear wants; otherwise the result is -1 with an error. */
static int module_rank(const reading *r, const model_config *c, const tensor_view *t, factor_id f, int site,
                       int64_t *rank)
{
    int64_t want[2] = { t->n_dims ? t->shape[0] : 0, site_in(c, (site_id)site) };
    int     rc      = tensor_check_shape(t, r->file->path, f == FACTOR_A ? 2 : 1, want);
    if (rc) return rc;
    if (want[0] > RANK_MAX)
        return input_error("%s: tensor \"%s\": rank %lld: must be 0..%d", r->file->path, t->name, (long long)want[0],
                           RANK_MAX);
    *rank = want[0];
    return OK;
}

/* The s of a module of a PEFT folder, which PEFT computes from the config. */
static int module_scale(const reading *r, const model_config *c, int64_t layer, int site, int64_t rank, double *s)
{
    method as    = { .rule = peft_scale_rule(r->layout, json_is_true(json_find(r->config, "use_rslora"))), .scale = 1 };
    double alpha = r->alpha;
    char   path[PEFT_KEY_MAX];
    peft_module_path(c, layer, site, path);
    int rc = peft_targets_alpha(r->targets, path, &alpha);
    if (rc) return rc;
    /* AdaLoRA's scale goes by the initial rank */
    *s              = rank ? method_scale(&as, alpha, as.rule == SCALE_ALPHA_R_EPS ? r->spec.rank : rank) : 0;
    const method *m = &r->spec.method;
    /* take the spec's own number, not what came back through alpha */
    if (m->rule == SCALE_CONST && fabs(*s - m->scale) <= 1e-15 * fabs(m->scale)) *s = m->scale;
    return OK;
}

static const tensor_view **found_slot(const peft_found *x, factor_id f, int64_t layer, int site)
{
    return &x->view[(int64_t)f * (x->modules + 1) + (site < 0 ? x->modules : layer * SITE_COUNT + site)];
}

const tensor_view *peft_found_at(const peft_found *x, factor_id f, int64_t layer, int site)
{
    return *found_slot(x, f, layer, site);
}

bool peft_found_module(const peft_found *x, int64_t module)
{
    for (int f = 0; f < FACTOR_COUNT; f++)
        if (peft_found_at(x, (factor_id)f, module / SITE_COUNT, (int)(module % SITE_COUNT))) return true;
    return false;
}

/* Enters each tensor under the factor whose name it has. */
static int find_factors(reading *r, const model_config *c)
{
    for (int64_t i = 0; i < r->file->n; i++) {
        const tensor_view *t = &r->file->tensors[i];
        factor_id          f;
        int64_t            layer;
        int                site;
        if (peft_ignored_key(t->name)) continue;
        if (!peft_parse_key(c, r->layout, t->name, &f, &layer, &site))
            return peft_refuse_tensor(c, r->layout, t->name, r->file->path, r->where);
        if (layer >= c->layers)
            return input_error("%s: tensor \"%s\": the base has %lld layers, 0..%lld", r->file->path, t->name,
                               (long long)c->layers, (long long)c->layers - 1);
        if (site >= 0 && r->layout->model_key[FACTOR_B] && peft_rows_by_head(c, r->layout, FACTOR_B, site))
            return input_error(
                "%s: tensor \"%s\": one B for all modules is not supported where this family's rows of q, k "
                "and v lie by head; merge the adapter with PEFT and score the merged model",
                r->file->path, t->name);
        const tensor_view **slot = found_slot(&r->found, f, layer, site);
        if (*slot)
            return input_error("%s: tensors \"%s\" and \"%s\" are the same factor; keep one", r->file->path,
                               (*slot)->name, t->name);
        *slot = t;
        if (site >= 0) r->spec.sites |= 1u << site;
    }
    return OK;
}

/* Reads the ranks, scales and sites of a PEFT folder off its tensors. */
static int scan_modules(reading *r, const model_config *c)
{
    const factor_id tells = r->layout->module_suffix[FACTOR_A] ? FACTOR_A : FACTOR_U;
    int64_t         n     = c->layers * SITE_COUNT;
    bool            any   = false;
    int             rc    = find_factors(r, c);
    for (int64_t m = 0; m < n && !rc; m++) {
        const tensor_view *t = peft_found_at(&r->found, tells, m / SITE_COUNT, (int)(m % SITE_COUNT));
        if (t) rc = module_rank(r, c, t, tells, (int)(m % SITE_COUNT), &r->rank[m]);
    }
    if (!rc) rc = peft_check_modules(&r->found, r->targets, c, r->rank);
    for (int64_t m = 0; m < n && !rc; m++) {
        if (!peft_found_module(&r->found, m)) continue;
        rc = module_scale(r, c, m / SITE_COUNT, (int)(m % SITE_COUNT), r->rank[m], &r->scale[m]);
        any |= r->rank[m] > 0 || r->layout->keeps_empty;
    }
    if (rc) return rc;
    return any ? OK : input_error("%s: holds no adapter", r->file->path);
}

/* A folder of our own has one rank and one scale, and lists the modules that differ. */
static int own_modules(reading *r, const model_config *c, const json *block)
{
    double      s     = method_scale(&r->spec.method, r->spec.alpha, r->spec.rank);
    const json *ranks = json_find(block, "ranks"), *scales = json_find(block, "scales");
    int         listed = json_size(ranks) + json_size(scales);
    for (int64_t m = 0; m < c->layers * SITE_COUNT; m++) {
        int  site = (int)(m % SITE_COUNT), rc = OK;
        char key[ADAPTER_MODULE_MAX];
        if (!site_set_has(r->spec.sites, site)) continue;
        adapter_module_name(m / SITE_COUNT, site, key);
        r->rank[m]  = r->spec.rank;
        r->scale[m] = s;
        if (json_has(ranks, key)) listed--, rc = json_get_int(ranks, r->where, key, 0, RANK_MAX, &r->rank[m]);
        if (!rc && json_has(scales, key)) listed--, rc = json_get_num(scales, r->where, key, -1e9, 1e9, &r->scale[m]);
        if (rc) return rc;
    }
    return listed
               ? input_error(
                     "%s: \"tiebreak\": \"ranks\" or \"scales\" names a module that the base or \"sites\" does not have",
                     r->where)
               : OK;
}

/* The method that describes the factors: the block's own, else the one that PEFT's type means. */
static int read_method(reading *r, const json *block)
{
    const char *text, *name;
    method      named;
    char        spec[METHOD_SPEC_MAX];
    if (!block) {
        bool rslora = r->layout->method_rslora && json_is_true(json_find(r->config, "use_rslora"));
        return method_find(&r->spec.method, rslora ? r->layout->method_rslora : r->layout->method);
    }
    int rc = json_get_str(block, r->where, "spec", &text);
    if (!rc) rc = method_find(&r->spec.method, text);
    if (rc) return error_context(rc, "%s: \"tiebreak\"", r->where);
    if (r->layout && (!r->spec.method.peft || strcmp(r->spec.method.peft, r->layout->type)))
        return input_error("%s: \"tiebreak\": \"spec\": \"%s\" is not what \"peft_type\": \"%s\" stores", r->where,
                           text, r->layout->type);
    if (!json_text(json_find(block, "method"))) return OK;
    name = json_find(block, "method")->valuestring;
    if (method_find(&named, name)) return OK;
    method_spec(&named, spec, sizeof spec);
    if (!strcmp(spec, text)) r->spec.method = named; /* a built-in row keeps its name */
    return OK;
}

/* The shape of the base that the adapter was trained on, where the folder says it: tied factors fit
 * any number of layers, and would be scored on a base that they never saw. */
static int check_shape(const reading *r, const model_config *c)
{
    const struct {
        const char *key;
        int64_t     base;
    } sizes[]         = { { "layers", c->layers }, { "hidden", c->hidden },     { "inter", c->inter },
                          { "heads", c->heads },   { "kv_heads", c->kv_heads }, { "head_dim", c->head_dim } };
    const json *block = json_find(r->config, "tiebreak"), *shape = json_find(block, "shape");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        double own = json_number(json_find(shape, sizes[i].key));
        if (json_has(shape, sizes[i].key) && own != (double)sizes[i].base)
            return input_error("%s: trained on a base with %s %.17g, and this one has %lld; name that base", r->where,
                               sizes[i].key, own, (long long)sizes[i].base);
    }
    return OK;
}

static int read_spec(reading *r)
{
    const char *type, *sites;
    int64_t     seed  = 0;
    const json *block = json_find(r->config, "tiebreak");
    int         rc    = json_get_str(r->config, r->where, "peft_type", &type);
    if (rc) return rc;
    bool own  = !strcmp(type, "TIEBREAK");
    r->layout = peft_layout_find(type);
    if (!own && !r->layout) return peft_refuse_type(type, r->where);
    if (own && !json_is_object(block))
        return input_error("%s: \"tiebreak\" is missing; it describes the method of a folder of this type", r->where);
    if (!json_is_object(block)) block = NULL; /* not ours */
    if (!own) rc = peft_check_config(r->config, r->where);
    if (!rc) rc = read_method(r, block);
    if (!rc) rc = json_get_int(r->config, r->where, own ? "r" : r->layout->rank_key, 1, RANK_MAX, &r->spec.rank);
    bool alpha = !rc && (own ? method_takes_alpha(&r->spec.method) : r->layout->rule != SCALE_CONST);
    if (alpha) rc = json_get_num(own ? block : r->config, r->where, own ? "alpha" : "lora_alpha", -1e9, 1e9, &r->alpha);
    if (!rc && method_takes_alpha(&r->spec.method)) r->spec.alpha = r->alpha;
    if (!rc && json_has(r->config, "projection_prng_key"))
        rc = json_get_int(r->config, r->where, "projection_prng_key", 0, INT64_C(1) << 53, &seed);
    if (!rc && block && json_has(block, "seed")) rc = json_get_int(block, r->where, "seed", 0, INT64_C(1) << 53, &seed);
    r->spec.seed = (uint64_t)seed;
    if (!rc && !own) rc = peft_targets_open(&r->targets, r->config, r->layout, r->where);
    if (!rc && own) rc = json_get_str(block, r->where, "sites", &sites);
    if (!rc && own) rc = site_set_parse(&r->spec.sites, sites);
    return rc;
}

/* Whether the folder may leave this tensor out: adapter_new has drawn VeRA's projections from the
 * key. */
static bool drawn_again(const reading *r, factor_id f)
{
    return r->layout && r->layout->model_key[f] && !peft_found_at(&r->found, f, -1, -1) &&
           !json_is_true(json_find(r->config, "save_projection"));
}

static int read_tensor(const reading *r, adapter *a, const adapter_tensor *t, int64_t *used)
{
    char               name[PEFT_KEY_MAX];
    const tensor_view  want = folder_tensor(a, r->layout, t, (factor_shape) { t->rows, t->cols }, name);
    const int64_t      n    = want.count;
    const tensor_view *view = r->layout ? peft_found_at(&r->found, t->factor, t->layer, t->site)
                                        : safetensors_find(r->file, name);
    if (drawn_again(r, t->factor)) return OK;
    /* at rank 0 PEFT's AdaLoRA saves an empty tensor, and others save none */
    if (!n && !view) return OK;
    int rc = safetensors_get(r->file, view ? view->name : name, want.n_dims, want.shape, &view);
    if (rc) return rc;
    double *values = mem_alloc((size_t)n + 1, sizeof *values);
    rc             = tensor_read_f64(values, view, 0, n);
    if (peft_rows_by_head(&a->cfg, r->layout, t->factor, t->site)) values = adapter_rows_arranged(a, t, values, false);
    if (!rc) a->be->params->upload(a->be->params, adapter_values(a, t), values, n);
    free(values);
    ++*used;
    return rc;
}

static int read_all(const reading *r, adapter *a)
{
    int64_t used = 0, ignored = 0;
    for (int64_t i = 0; i < a->n_tensors; i++) {
        int rc = read_tensor(r, a, &a->tensors[i], &used);
        if (rc) return rc;
    }
    for (int64_t i = 0; i < r->file->n; i++) ignored += peft_ignored_key(r->file->tensors[i].name);
    if (used + ignored != r->file->n)
        return input_error(
            "%s: holds %lld tensors, but the config describes %lld; the folder's two files do not belong together",
            r->file->path, (long long)r->file->n, (long long)used);
    adapter_expand(a);
    return OK;
}

/* The most numbers that the adapter may have: those in the file, and the projections that are drawn
 * again. */
static int64_t numbers_of(const reading *r, const model_config *c)
{
    int64_t numbers = 0;
    for (int64_t i = 0; i < r->file->n; i++) numbers += r->file->tensors[i].count;
    for (int f = 0; r->layout && f < FACTOR_COUNT; f++) {
        factor_shape shape = factor_shape_widest((factor_id)f, c, r->spec.sites, r->spec.rank);
        const char  *key   = r->layout->model_key[f];
        if (key && drawn_again(r, (factor_id)f)) numbers += shape.rows * shape.cols;
    }
    return numbers;
}

static int open_with(reading *r, adapter **out, const backend *be, const model_config *c)
{
    int64_t modules      = c->layers * SITE_COUNT;
    r->rank              = mem_alloc((size_t)modules, sizeof *r->rank);
    r->scale             = mem_alloc((size_t)modules, sizeof *r->scale);
    r->found.view        = mem_alloc((size_t)(FACTOR_COUNT * (modules + 1)), sizeof *r->found.view);
    r->spec.module_rank  = r->rank;
    r->spec.module_scale = r->scale;
    int rc               = read_spec(r);
    if (!rc) rc = check_shape(r, c);
    r->found.layout = r->layout, r->found.file = r->file, r->found.where = r->where, r->found.modules = modules;
    if (!rc) rc = r->layout ? scan_modules(r, c) : own_modules(r, c, json_find(r->config, "tiebreak"));
    if (!rc && (rc = adapter_new_within(out, be, c, r->spec, numbers_of(r, c)))) rc = error_context(rc, "%s", r->where);
    if (!rc) rc = read_all(r, *out);
    if (rc) {
        adapter_free(*out);
        *out = NULL;
    }
    peft_targets_close(r->targets);
    free((void *)(uintptr_t)r->found.view);
    free(r->rank);
    free(r->scale);
    return rc;
}

int adapter_read(adapter **out, const backend *be, const model_config *c, const json *config, const safetensors *file,
                 const char *where)
{
    reading r = { .where = where, .config = config, .file = file };
    *out      = NULL;
    return open_with(&r, out, be, c);
}

int adapter_open(adapter **out, const backend *be, const model_config *c, const char *dir)
{
    json        *config = NULL;
    safetensors *file   = NULL;
    char        *where  = path_join(dir, ADAPTER_CONFIG);
    *out                = NULL;
    int rc              = adapter_read_config(&config, dir);
    if (!rc) rc = adapter_open_weights(&file, dir);
    if (!rc) rc = adapter_read(out, be, c, config, file, where);
    safetensors_close(file);
    json_free(config);
    free(where);
    return rc;
}
