/* Writing adapter folders: PEFT's own format where it has one, else one tensor per stored factor. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "model/adapter_layout.h"
#include "model/adapter_peft.h"

/* PEFT's layout for this method and these sites, or NULL: our own. */
static const peft_layout *layout_of(const method *m, site_set sites) { return sites >> SITE_QKV & 1 ? NULL : peft_layout_find(m->peft); }

/* Rows of a module kept by the allocator, as indices; all of them without one. Returns their number. */
static int64_t kept_rows(const adapter *a, int64_t job, int64_t *rows)
{
    int64_t r = a->jobs[job].r, n = 0;
    for (int64_t i = 0; i < r; i++)
        if (!a->kept || a->kept[job * a->spec.rank + i]) rows[n++] = i;
    return n;
}

static int64_t job_of(const adapter *a, int64_t layer, int site)
{
    int before = 0;
    for (int s = 0; s < site; s++) before += a->spec.sites >> s & 1;
    return before * a->cfg.layers + layer;
}

/* The values of one tensor as F32, with the rows (A, u) or columns (B) that the allocator pruned left out. */
static float *saved_values(const adapter *a, const adapter_tensor *t, int64_t *rows, int64_t *cols)
{
    int64_t n   = t->rows * t->cols;
    double *all = mem_alloc((size_t)n + 1, sizeof *all);
    float  *out = mem_alloc((size_t)n + 1, sizeof *out);
    a->be->download(all, adapter_values(a, t), n);
    *rows = t->rows;
    *cols = t->cols;
    if (!a->kept || a->spec.method.factor[t->factor].scope != SCOPE_LAYER) {
        for (int64_t i = 0; i < n; i++) out[i] = (float)all[i];
    } else {
        int64_t *keep = mem_alloc((size_t)a->spec.rank + 1, sizeof *keep), k = kept_rows(a, job_of(a, t->layer, t->site), keep), at = 0;
        bool     by_row = t->factor == FACTOR_A, by_col = t->factor == FACTOR_B || t->factor == FACTOR_U;
        *rows = by_row ? k : t->rows;
        *cols = by_col ? k : t->cols;
        for (int64_t i = 0; i < *rows; i++)
            for (int64_t j = 0; j < *cols; j++) out[at++] = (float)all[(by_row ? keep[i] : i) * t->cols + (by_col ? keep[j] : j)];
        free(keep);
    }
    free(all);
    return out;
}

static int write_weights(const adapter *a, const peft_layout *p, const char *dir)
{
    tensor_view *views         = mem_alloc((size_t)a->n_tensors + 1, sizeof *views);
    char(*names)[PEFT_KEY_MAX] = mem_alloc((size_t)a->n_tensors + 1, sizeof *names);
    for (int64_t i = 0; i < a->n_tensors; i++) {
        const adapter_tensor *t = &a->tensors[i];
        int64_t               rows, cols;
        float                *values = saved_values(a, t, &rows, &cols);
        if (p)
            peft_tensor_key(p, t->factor, t->layer, t->site, names[i]);
        else
            adapter_tensor_name(t, a, names[i]);
        bool    vector = t->factor == FACTOR_U || t->factor == FACTOR_V, flat = vector && (!p || p->vector_1d);
        int64_t first = vector ? cols : rows; /* a rank of 0 keeps its empty dimension */
        views[i]      = (tensor_view) { .name   = names[i],
                                        .dtype  = DT_F32,
                                        .n_dims = flat ? 1 : 2,
                                        .shape  = { first, vector ? 1 : cols },
                                        .count  = rows * cols,
                                        .bytes  = (const unsigned char *)values };
    }
    char *path = path_join(dir, ADAPTER_WEIGHTS);
    int   rc   = safetensors_write(path, views, a->n_tensors);
    for (int64_t i = 0; i < a->n_tensors; i++) free((void *)(uintptr_t)views[i].bytes);
    free(path);
    free(names);
    free(views);
    return rc;
}

static void replace(json *obj, const char *key, json *value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(obj, key);
    json_set(obj, key, value);
}

static json *module_names(site_set sites)
{
    json *list = json_array();
    for (int s = 0; s < SITE_COUNT; s++)
        if (sites >> s & 1 && site_table[s].module[0]) json_push(list, cJSON_CreateString(path_base(strchr(site_table[s].module, '.') + 1)));
    return list;
}

/* rank_pattern and alpha_pattern: whole module paths, so that keys never overlap. */
static void set_patterns(json *config, const adapter *a)
{
    json *ranks = json_object(), *alphas = json_object();
    for (int64_t j = 0; j < a->n_jobs; j++) {
        char    path[PEFT_KEY_MAX];
        int     site  = -1;
        int64_t layer = j % a->cfg.layers, nth = j / a->cfg.layers;
        for (int s = 0; s < SITE_COUNT && nth >= 0; s++)
            if (a->spec.sites >> s & 1 && nth-- == 0) site = s;
        peft_module_path(layer, site, path);
        int64_t r = a->jobs[j].r;
        if (a->spec.method.allocates) {
            int64_t *rows = mem_alloc((size_t)a->spec.rank + 1, sizeof *rows), k = kept_rows(a, j, rows), at = 0;
            json    *mask = json_array();
            for (int64_t i = 0; i < a->spec.rank; i++) {
                bool keep = at < k && rows[at] == i;
                at += keep;
                json_push(mask, cJSON_CreateBool(keep));
            }
            str key = { 0 };
            str_printf(&key, "%s.lora_E", path);
            if (a->kept || r != a->spec.rank)
                json_set(ranks, key.s, mask);
            else
                json_free(mask);
            str_free(&key);
            free(rows);
            continue;
        }
        if (!r) continue;
        if (r != a->spec.rank) json_set_int(ranks, path, r);
        double want = method_scale(&a->spec.method, a->spec.alpha, r);
        if (fabs(a->jobs[j].s - want) > 1e-15 * fabs(want)) json_set_num(alphas, path, a->spec.alpha * a->jobs[j].s / want);
    }
    replace(config, "rank_pattern", ranks->child || !a->spec.method.allocates ? ranks : cJSON_CreateNull());
    if (!ranks->child && a->spec.method.allocates) json_free(ranks);
    replace(config, "alpha_pattern", alphas);
}

static json *shape_block(const model_config *c)
{
    json *s = json_object();
    json_set_int(s, "layers", c->layers);
    json_set_int(s, "hidden", c->hidden);
    json_set_int(s, "inter", c->inter);
    json_set_int(s, "heads", c->heads);
    json_set_int(s, "kv_heads", c->kv_heads);
    json_set_int(s, "head_dim", c->head_dim);
    return s;
}

static json *tiebreak_block(const adapter *a, const json *extra)
{
    json *b = extra ? cJSON_Duplicate(extra, true) : json_object();
    char  spec[METHOD_SPEC_MAX], sites[64];
    method_spec(&a->spec.method, spec, sizeof spec);
    site_set_print(a->spec.sites, sites, sizeof sites);
    replace(b, "method", cJSON_CreateString(a->spec.method.name));
    replace(b, "spec", cJSON_CreateString(spec));
    replace(b, "sites", cJSON_CreateString(sites));
    replace(b, "rank", cJSON_CreateNumber((double)a->spec.rank));
    replace(b, "alpha", method_takes_alpha(&a->spec.method) ? cJSON_CreateNumber(a->spec.alpha) : cJSON_CreateNull());
    replace(b, "seed", cJSON_CreateNumber((double)a->spec.seed));
    replace(b, "trainable", cJSON_CreateNumber((double)a->theta_count));
    replace(b, "shape", shape_block(&a->cfg));
    return b;
}

static int make_config(json **out, const adapter *a, const peft_layout *p, const char *base_name, const json *extra)
{
    static const char own[] =
        "{\"peft_type\":\"TIEBREAK\",\"r\":8,\"rank_pattern\":{},\"alpha_pattern\":{},\"target_modules\":[],\"task_type\":\"CAUSAL_LM\"}";
    const char *text = p ? p->defaults : own;
    int         rc   = json_parse(out, text, strlen(text), "adapter_config defaults");
    if (rc) return rc;
    json *c = *out;
    replace(c, "base_model_name_or_path", base_name ? cJSON_CreateString(base_name) : cJSON_CreateNull());
    replace(c, p ? p->rank_key : "r", cJSON_CreateNumber((double)a->spec.rank));
    replace(c, "target_modules", module_names(a->spec.sites));
    if (json_find(c, "lora_alpha")) replace(c, "lora_alpha", cJSON_CreateNumber(a->spec.alpha));
    if (json_find(c, "use_rslora")) replace(c, "use_rslora", cJSON_CreateBool(a->spec.method.rule == SCALE_ALPHA_SQRT_R));
    if (json_find(c, "projection_prng_key")) replace(c, "projection_prng_key", cJSON_CreateNumber((double)a->spec.seed));
    if (json_find(c, "rank_pattern") && p) set_patterns(c, a);
    const json *allocator = extra ? json_find(extra, "allocator") : NULL; /* AdaLoRA's own fields, under PEFT's names */
    for (const json *f = allocator ? allocator->child : NULL; f; f = f->next)
        if (json_find(c, f->string)) replace(c, f->string, cJSON_Duplicate(f, true));
    json_set(c, "tiebreak", tiebreak_block(a, extra));
    return OK;
}

int adapter_save(const adapter *a, const char *dir, const char *base_name, const json *extra)
{
    const peft_layout *p      = layout_of(&a->spec.method, a->spec.sites);
    json              *config = NULL;
    int                rc     = file_make_dirs(dir);
    if (!rc) rc = make_config(&config, a, p, base_name, extra);
    if (!rc) rc = write_weights(a, p, dir);
    if (!rc) { /* last: a folder with a config is whole */
        str   text = { 0 };
        char *path = path_join(dir, ADAPTER_CONFIG);
        json_print(config, &text, true);
        rc = file_write_atomic(path, text.s, text.n);
        free(path);
        str_free(&text);
    }
    json_free(config);
    return rc;
}
