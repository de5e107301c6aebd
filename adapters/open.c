/* Reading adapter folders: our own and PEFT's. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "adapters/adapter_private.h"
#include "adapters/peft.h"

int adapter_read_config(json **out, const char *dir)
{
    char *path = path_join(dir, ADAPTER_CONFIG);
    *out       = NULL;
    int rc     = file_exists(path)
                     ? json_read_file(out, path, 16u << 20)
                     : input_error(
                           "%s: holds no adapter_config.json; an adapter folder has that and adapter_model.safetensors",
                           dir);
    if (!rc && !json_is_object(*out)) rc = input_error("%s: must be a JSON object", path);
    free(path);
    return json_unless(rc, out);
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
    const json *own = NULL;
    char        path[PEFT_KEY_MAX];
    peft_module_path(c, layer, site, path);
    int rc = peft_pattern(&own, json_find(r->config, "alpha_pattern"), path, r->where);
    if (rc) return rc;
    if (own && !json_is_number(own))
        return input_error("%s: \"alpha_pattern\": \"%s\": must be a number", r->where, own->string);
    if (own) alpha = own->valuedouble;
    /* AdaLoRA's scale goes by the initial rank */
    *s              = rank ? method_scale(&as, alpha, as.rule == SCALE_ALPHA_R_EPS ? r->spec.rank : rank) : 0;
    const method *m = &r->spec.method;
    /* take the spec's own number, not what came back through alpha */
    if (m->rule == SCALE_CONST && fabs(*s - m->scale) <= 1e-15 * fabs(m->scale)) *s = m->scale;
    return OK;
}

/* Reads the ranks, scales and sites of a PEFT folder off its tensors' names and shapes. */
static int scan_modules(reading *r, const model_config *c)
{
    for (int64_t i = 0; i < r->file->n; i++) {
        const tensor_view *t = &r->file->tensors[i];
        factor_id          f;
        int64_t            layer;
        int                site;
        if (peft_ignored_key(t->name)) continue;
        if (!peft_parse_key(c, r->layout, t->name, &f, &layer, &site))
            return input_error(
                "%s: tensor \"%s\": not a %s tensor of a Llama linear (q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj); "
                "what it changes is not supported",
                r->file->path, t->name, r->layout->type);
        if (layer >= c->layers)
            return input_error("%s: tensor \"%s\": the base has %lld layers, 0..%lld", r->file->path, t->name,
                               (long long)c->layers, (long long)c->layers - 1);
        if (site < 0) continue;
        if (r->layout->model_key[FACTOR_B] && peft_rows_by_head(c, r->layout, FACTOR_B, site))
            return input_error(
                "%s: tensor \"%s\": one B for all modules is not supported where this family's rows of q, k "
                "and v lie by head; merge the adapter with PEFT and score the merged model",
                r->file->path, t->name);
        r->spec.sites |= 1u << site;
        if (f != (r->layout->module_suffix[FACTOR_A] ? FACTOR_A : FACTOR_U)) continue;
        int64_t m  = layer * SITE_COUNT + site;
        int     rc = module_rank(r, c, t, f, site, &r->rank[m]);
        if (!rc) rc = module_scale(r, c, layer, site, r->rank[m], &r->scale[m]);
        if (rc) return rc;
    }
    bool any = r->layout->keeps_empty && r->spec.sites;
    for (int64_t m = 0; m < c->layers * SITE_COUNT; m++) any |= r->rank[m] > 0;
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

static int read_spec(reading *r)
{
    const char *type, *sites;
    int64_t     seed  = 0;
    const json *block = json_find(r->config, "tiebreak");
    int         rc    = json_get_str(r->config, r->where, "peft_type", &type);
    if (rc) return rc;
    bool own  = !strcmp(type, "TIEBREAK");
    r->layout = peft_layout_find(type);
    if (!own && !r->layout)
        return input_error(
            "%s: \"peft_type\": \"%s\": supported are LORA, VERA, ADALORA and this program's own; PEFT can merge it into the base, and "
            "the merged model can be scored",
            r->where, type);
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
    if (!rc && own) rc = json_get_str(block, r->where, "sites", &sites);
    if (!rc && own) rc = site_set_parse(&r->spec.sites, sites);
    return rc;
}

/* Whether the folder may leave this tensor out: adapter_new has drawn VeRA's projections from the
 * key. */
static bool drawn_again(const reading *r, factor_id f, const char *name)
{
    return r->layout && r->layout->model_key[f] && !safetensors_find(r->file, name) &&
           !json_is_true(json_find(r->config, "save_projection"));
}

static int read_tensor(const reading *r, adapter *a, const adapter_tensor *t, int64_t *used)
{
    char               name[PEFT_KEY_MAX];
    const tensor_view  want = folder_tensor(a, r->layout, t, (factor_shape) { t->rows, t->cols }, name);
    const int64_t      n    = want.count;
    const tensor_view *view;
    if (drawn_again(r, t->factor, name)) return OK;
    /* at rank 0 PEFT's AdaLoRA saves an empty tensor, and others save none */
    if (!n && !safetensors_find(r->file, name)) return OK;
    int rc = safetensors_get(r->file, name, want.n_dims, want.shape, &view);
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
        if (key && drawn_again(r, (factor_id)f, key)) numbers += shape.rows * shape.cols;
    }
    return numbers;
}

static int open_with(reading *r, adapter **out, const backend *be, const model_config *c)
{
    int64_t modules      = c->layers * SITE_COUNT;
    r->rank              = mem_alloc((size_t)modules, sizeof *r->rank);
    r->scale             = mem_alloc((size_t)modules, sizeof *r->scale);
    r->spec.module_rank  = r->rank;
    r->spec.module_scale = r->scale;
    int rc               = read_spec(r);
    if (!rc) rc = r->layout ? scan_modules(r, c) : own_modules(r, c, json_find(r->config, "tiebreak"));
    if (!rc && (rc = adapter_new_within(out, be, c, r->spec, numbers_of(r, c)))) rc = error_context(rc, "%s", r->where);
    if (!rc) rc = read_all(r, *out);
    if (rc) {
        adapter_free(*out);
        *out = NULL;
    }
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
    char        *where = path_join(dir, ADAPTER_CONFIG), *weights = path_join(dir, ADAPTER_WEIGHTS);
    *out   = NULL;
    int rc = adapter_read_config(&config, dir);
    if (!rc) rc = safetensors_open(&file, weights);
    if (!rc) rc = adapter_read(out, be, c, config, file, where);
    safetensors_close(file);
    json_free(config);
    free(where);
    free(weights);
    return rc;
}
