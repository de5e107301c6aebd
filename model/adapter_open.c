/* Reading adapter folders: our own and PEFT's. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "model/adapter_layout.h"
#include "model/adapter_peft.h"

int adapter_read_config(json **out, const char *dir)
{
    char *path = path_join(dir, ADAPTER_CONFIG);
    int   rc   = file_exists(path) ? json_read_file(out, path, 16u << 20)
                                   : input_error("%s: holds no adapter_config.json; an adapter folder has that and adapter_model.safetensors", dir);
    if (!rc && !cJSON_IsObject(*out)) rc = input_error("%s: must be a JSON object", path);
    if (rc) {
        json_free(*out);
        *out = NULL;
    }
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
    int64_t           *rank;
    double            *scale;
} reading;

/* Ranks, scales and sites of a PEFT folder, from its tensors' names and shapes. */
static int scan_modules(reading *r, const model_config *c)
{
    const json *alphas = json_find(r->config, "alpha_pattern");
    for (int64_t i = 0; i < r->file->n; i++) {
        const tensor_view *t = &r->file->tensors[i];
        factor_id          f;
        int64_t            layer;
        int                site;
        char               path[PEFT_KEY_MAX];
        if (peft_ignored_key(t->name)) continue;
        if (!peft_parse_key(r->layout, t->name, &f, &layer, &site))
            return input_error("%s: tensor \"%s\": not a %s tensor of a Llama linear (q, k, v, o, gate, up, down); what it changes is not supported",
                               r->file->path, t->name, r->layout->type);
        if (layer >= c->layers)
            return input_error("%s: tensor \"%s\": the base has %lld layers, 0..%lld", r->file->path, t->name, (long long)c->layers,
                               (long long)c->layers - 1);
        if (site < 0) continue;
        r->spec.sites |= 1u << site;
        int64_t m = layer * SITE_COUNT + site, rank = r->spec.rank;
        if (f == FACTOR_A) rank = t->n_dims == 2 ? t->shape[0] : -1;
        if (f == FACTOR_U && r->layout->vector_1d) rank = t->n_dims == 1 ? t->shape[0] : -1;
        if (f != FACTOR_A && !(f == FACTOR_U && r->layout->vector_1d)) continue;
        if (rank < 0 || rank > RANK_MAX) return input_error("%s: tensor \"%s\": its shape has no rank in 0..%d", r->file->path, t->name, RANK_MAX);
        peft_module_path(layer, site, path);
        const json *alpha = peft_pattern(alphas, path);
        if (alpha && !cJSON_IsNumber(alpha)) return input_error("%s: \"alpha_pattern\": \"%s\": must be a number", r->where, alpha->string);
        r->rank[m]  = rank;
        bool init_r = r->spec.method.rule == SCALE_ALPHA_R_EPS; /* AdaLoRA's scale keeps the initial rank */
        r->scale[m] = rank ? method_scale(&r->spec.method, alpha ? alpha->valuedouble : r->spec.alpha, init_r ? r->spec.rank : rank) : 0;
    }
    return r->spec.sites ? OK : input_error("%s: holds no adapter tensor", r->file->path);
}

static int read_method(reading *r)
{
    const json *block = json_find(r->config, "tiebreak");
    const char *text;
    if (!block) {
        bool rslora = r->layout->method_rslora && cJSON_IsTrue(json_find(r->config, "use_rslora"));
        text        = rslora ? r->layout->method_rslora : r->layout->method;
        return method_find(&r->spec.method, text);
    }
    int rc = json_get_str(block, r->where, "spec", &text);
    if (!rc) rc = method_find(&r->spec.method, text);
    const char *name;
    method      named;
    char        spec[METHOD_SPEC_MAX];
    if (!rc && cJSON_IsString(json_find(block, "method")) && (name = json_find(block, "method")->valuestring) && !method_find(&named, name)) {
        method_spec(&named, spec, sizeof spec);
        if (!strcmp(spec, text)) r->spec.method = named; /* a row keeps its name */
    }
    return rc ? error_context(rc, "%s: \"tiebreak\"", r->where) : OK;
}

static int read_spec(reading *r)
{
    const char *type;
    int         rc = json_get_str(r->config, r->where, "peft_type", &type);
    if (rc) return rc;
    bool own  = !strcmp(type, "TIEBREAK");
    r->layout = peft_layout_find(type);
    if (!own && !r->layout)
        return input_error(
            "%s: \"peft_type\": \"%s\": supported are LORA, VERA, ADALORA and this program's own; PEFT can merge it into the base, and the "
            "merged model can be scored",
            r->where, type);
    const json *block = json_find(r->config, "tiebreak");
    if (own && !cJSON_IsObject(block)) return input_error("%s: \"tiebreak\" is missing; it describes the method of a folder of this type", r->where);
    if (!own) rc = peft_check_config(r->config, r->where);
    if (!rc) rc = read_method(r);
    int64_t seed = 0;
    if (!rc) rc = json_get_int(r->config, r->where, own ? "r" : r->layout->rank_key, 1, RANK_MAX, &r->spec.rank);
    if (!rc && method_takes_alpha(&r->spec.method))
        rc = json_get_num(own ? block : r->config, r->where, own ? "alpha" : "lora_alpha", -1e9, 1e9, &r->spec.alpha);
    if (!rc && json_has(r->config, "projection_prng_key")) rc = json_get_int(r->config, r->where, "projection_prng_key", 0, UINT32_MAX, &seed);
    if (!rc && block && json_has(block, "seed")) rc = json_get_int(block, r->where, "seed", 0, INT64_C(1) << 53, &seed);
    r->spec.seed = (uint64_t)seed;
    const char *sites;
    if (!rc && own) rc = json_get_str(block, r->where, "sites", &sites);
    if (!rc && own) rc = site_set_parse(&r->spec.sites, sites);
    return rc;
}

static int read_tensor(const reading *r, adapter *a, const adapter_tensor *t, int64_t *used)
{
    char name[PEFT_KEY_MAX];
    if (r->layout)
        peft_tensor_key(r->layout, t->factor, t->layer, t->site, name);
    else
        adapter_tensor_name(t, a, name);
    int64_t            n      = t->rows * t->cols;
    bool               vector = t->factor == FACTOR_U || t->factor == FACTOR_V, flat = vector && (!r->layout || r->layout->vector_1d);
    const tensor_view *view;
    bool               redraw = r->layout && r->layout->model_key[t->factor] && !safetensors_find(r->file, name) &&
                  !cJSON_IsTrue(json_find(r->config, "save_projection"));
    if (redraw) return OK;                                 /* adapter_new drew it from the key */
    if (!n && !safetensors_find(r->file, name)) return OK; /* rank 0: PEFT saves an empty tensor, others none */
    int64_t shape[2] = { flat ? t->cols : vector ? t->cols : t->rows, vector ? 1 : t->cols };
    int     rc       = safetensors_get(r->file, name, flat ? 1 : 2, shape, &view);
    if (rc) return rc;
    double *values = mem_alloc((size_t)n + 1, sizeof *values);
    rc             = tensor_read_f64(values, view, 0, n);
    if (!rc) a->be->upload(adapter_values(a, t), values, n);
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
        return input_error("%s: holds %lld tensors, but the config describes %lld; the folder's two files do not belong together", r->file->path,
                           (long long)r->file->n, (long long)used);
    adapter_expand(a);
    return OK;
}

static int open_with(reading *r, adapter **out, const backend *be, const model_config *c)
{
    int64_t modules = c->layers * SITE_COUNT;
    r->rank         = mem_alloc((size_t)modules, sizeof *r->rank);
    r->scale        = mem_alloc((size_t)modules, sizeof *r->scale);
    int rc          = read_spec(r);
    if (!rc && r->layout) rc = scan_modules(r, c);
    if (!rc && r->layout) {
        r->spec.module_rank  = r->rank;
        r->spec.module_scale = r->scale;
    }
    if (!rc) rc = adapter_new(out, be, c, r->spec);
    if (rc) rc = error_context(rc, "%s", r->where);
    if (!rc) rc = read_all(r, *out);
    if (rc) {
        adapter_free(*out);
        *out = NULL;
    }
    free(r->rank);
    free(r->scale);
    return rc;
}

int adapter_open(adapter **out, const backend *be, const model_config *c, const char *dir)
{
    json        *config = NULL;
    safetensors *file   = NULL;
    char        *where = path_join(dir, ADAPTER_CONFIG), *weights = path_join(dir, ADAPTER_WEIGHTS);
    *out   = NULL;
    int rc = adapter_read_config(&config, dir);
    if (!rc) rc = safetensors_open(&file, weights);
    if (!rc) {
        reading r = { .where = where, .config = config, .file = file };
        rc        = open_with(&r, out, be, c);
    }
    safetensors_close(file);
    json_free(config);
    free(where);
    free(weights);
    return rc;
}
