/* adapter_config.json of a folder that we write: PEFT's fields where they are not PEFT's defaults,
 * and the block that describes the row. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "adapters/adapter_private.h"
#include "adapters/peft.h"
#include "model/names.h"

/* Puts the member at the end, which is where folders written so far have it. */
static void replace(json *obj, const char *key, json *value)
{
    json_free(json_take(obj, key));
    json_set(obj, key, value);
}

/* An adapted module as the folder will hold it: its rank after pruning, and its scale. */
typedef struct {
    const adapter *a;
    const bool    *kept; /* adapter_save's */
    int64_t        job, layer, rank;
    int            site;
    double         s;
} module_info;

/* Steps to the next adapted module in job order; false at the end. Start with first_module. */
static bool next_module(module_info *m)
{
    if (++m->job == m->a->n_jobs) return false;
    const expand_job *job = &m->a->jobs[m->job];
    m->layer              = job->layer;
    m->site               = (int)job->site;
    m->s                  = job->s;
    m->rank               = adapter_kept_rows(m->a, m->kept, m->job, NULL);
    return true;
}
static module_info first_module(const adapter *a, const bool *kept)
{
    return (module_info) { .a = a, .kept = kept, .job = -1 };
}

/* The last part of a module's path, or all of it inside its layer where another ends alike. */
static const char *short_name(const model_config *c, int site)
{
    const char *module = site_module(c, (site_id)site), *last = strrchr(module, '.') + 1;
    for (int s = 0; s < SITE_COUNT; s++) {
        const char *other = site_module(c, (site_id)s);
        if (s != site && *other && !strcmp(strrchr(other, '.') + 1, last)) return module;
    }
    return last;
}

/* The linears' names in PEFT's form. Where some layers have nothing at a site, these are whole
 * paths, so that PEFT adapts no other layer. */
static json *target_modules(const adapter *a, const bool *kept, const peft_layout *p)
{
    json *names = json_array(), *paths = json_array();
    bool  gaps = false;
    for (module_info m = first_module(a, kept); next_module(&m);) {
        char path[PEFT_KEY_MAX];
        if (!*site_module(&a->cfg, (site_id)m.site)) continue;
        peft_module_path(&a->cfg, m.layer, m.site, path);
        if (m.layer == 0) json_push(names, json_of_text(short_name(&a->cfg, m.site)));
        if (m.rank || (p && p->keeps_empty))
            json_push(paths, json_of_text(path));
        else
            gaps = true;
    }
    json_free(gaps ? names : paths);
    return gaps ? paths : names;
}

static json *mask_of(const module_info *m)
{
    const adapter *a = m->a;
    int64_t *rows = mem_alloc((size_t)a->spec.rank + 1, sizeof *rows), n = adapter_kept_rows(a, m->kept, m->job, rows),
            at = 0;
    json *mask = json_array();
    for (int64_t i = 0; i < a->spec.rank; i++) {
        bool keep = at < n && rows[at] == i;
        at += keep;
        json_push(mask, json_of_bool(keep));
    }
    free(rows);
    return mask;
}

/* AdaLoRA's rank_pattern says for each module which of the initial ranks are kept. It is null when
 * nothing was pruned. */
static void set_masks(json *config, const adapter *a, const bool *kept)
{
    json *masks  = json_object();
    bool  pruned = kept != NULL;
    for (module_info m = first_module(a, kept); next_module(&m);) {
        char path[PEFT_KEY_MAX], key[PEFT_KEY_MAX + 8];
        peft_module_path(&a->cfg, m.layer, m.site, path);
        snprintf(key, sizeof key, "%s.lora_E", path);
        json_set(masks, key, mask_of(&m));
        pruned |= m.rank != a->spec.rank;
    }
    if (!pruned) json_free(masks);
    replace(config, "rank_pattern", pruned ? masks : json_null());
}

/* Sets rank_pattern and alpha_pattern for the modules that differ from r and lora_alpha. The keys
 * are whole module paths, so that no two overlap. */
static void set_patterns(json *config, const adapter *a, const bool *kept, const peft_layout *p)
{
    json      *ranks = json_object(), *alphas = json_object();
    scale_rule rule  = peft_scale_rule(p, a->spec.method.rule == SCALE_ALPHA_SQRT_R);
    method     as    = { .rule = rule };
    double     alpha = method_takes_alpha(&a->spec.method) ? a->spec.alpha
                                                           : method_alpha(rule, a->spec.method.scale, a->spec.rank);
    replace(config, "lora_alpha", json_of_number(alpha));
    for (module_info m = first_module(a, kept); next_module(&m);) {
        char path[PEFT_KEY_MAX];
        peft_module_path(&a->cfg, m.layer, m.site, path);
        if (!m.rank) continue;
        /* AdaLoRA's scale keeps the initial rank */
        int64_t r = rule == SCALE_ALPHA_R_EPS ? a->spec.rank : m.rank;
        if (m.rank != a->spec.rank && !p->keeps_empty) json_set_int(ranks, path, m.rank);
        if (fabs(m.s - method_scale(&as, alpha, r)) > 1e-15 * fabs(m.s))
            json_set_num(alphas, path, method_alpha(rule, m.s, r));
    }
    replace(config, "alpha_pattern", alphas);
    replace(config, "rank_pattern", ranks);
}

static json *shape_block(const model_config *c)
{
    json *j = json_format("{'layers':%lld,'hidden':%lld,'inter':%lld,'heads':%lld,'kv_heads':%lld,'head_dim':%lld}",
                          (long long)c->layers, (long long)c->hidden, (long long)c->inter, (long long)c->heads,
                          (long long)c->kv_heads, (long long)c->head_dim);
    if (c->family != FAMILY_LLAMA) json_set_str(j, "family", families[c->family].model_type);
    return j;
}

json *adapter_block(const adapter *a, const json *extra, const bool *kept)
{
    json *b = extra ? json_copy(extra) : json_object(), *ranks = json_object(), *scales = json_object();
    char  spec[METHOD_SPEC_MAX], sites[64];
    method_spec(&a->spec.method, spec, sizeof spec);
    site_set_print(a->spec.sites, sites, sizeof sites);
    replace(b, "method", json_of_text(a->spec.method.name));
    replace(b, "spec", json_of_text(spec));
    replace(b, "sites", json_of_text(sites));
    replace(b, "rank", json_of_number((double)a->spec.rank));
    replace(b, "alpha", json_of_number(method_takes_alpha(&a->spec.method) ? a->spec.alpha : NAN));
    replace(b, "seed", json_of_number((double)a->spec.seed));
    replace(b, "trainable", json_of_number((double)a->theta_count));
    replace(b, "shape", shape_block(&a->cfg));
    double s = method_scale(&a->spec.method, a->spec.alpha, a->spec.rank);
    for (module_info m = first_module(a, kept); next_module(&m);) {
        char key[ADAPTER_MODULE_MAX];
        adapter_module_name(m.layer, m.site, key);
        if (m.rank != a->spec.rank) json_set_int(ranks, key, m.rank);
        if (m.s != s) json_set_num(scales, key, m.s);
    }
    replace(b, "ranks", ranks);
    replace(b, "scales", scales);
    return b;
}

/* Takes out what has PEFT's default: an older PEFT refuses fields that it does not know. What says
 * which adapter this is, and what other readers look for, stays. */
static void drop_defaults(json *config, const json *defaults)
{
    static const char *const always[] = {
        "peft_type",       "task_type",          "inference_mode", "base_model_name_or_path", "r",
        "init_r",          "target_r",           "lora_alpha",     "target_modules",          "total_step",
        "save_projection", "projection_prng_key"
    };
    for (const json *d = json_members(defaults); d; d = d->next) {
        bool keep = !json_equal(json_find(config, d->string), d);
        for (size_t i = 0; i < sizeof always / sizeof *always; i++) keep |= !strcmp(always[i], d->string);
        if (!keep) json_free(json_take(config, d->string));
    }
}

int adapter_config_json(json **out, const adapter *a, const peft_layout *p, const char *base_name, json *block,
                        const bool *kept)
{
    static const char own[] =
        "{\"peft_type\":\"TIEBREAK\",\"r\":8,\"rank_pattern\":{},\"alpha_pattern\":{},\"target_modules\":[],\"task_type\":\"CAUSAL_LM\"}";
    const char *text = p ? p->defaults : own;
    int         rc   = json_parse(out, text, strlen(text), "adapter_config defaults");
    if (rc) {
        json_free(block);
        return rc;
    }
    json *c = *out, *defaults = json_copy(c);
    replace(c, "base_model_name_or_path", json_of_text(base_name));
    replace(c, p ? p->rank_key : "r", json_of_number((double)a->spec.rank));
    replace(c, "target_modules", target_modules(a, kept, p));
    if (json_find(c, "use_rslora")) replace(c, "use_rslora", json_of_bool(a->spec.method.rule == SCALE_ALPHA_SQRT_R));
    if (json_find(c, "fan_in_fan_out")) replace(c, "fan_in_fan_out", json_of_bool(names_transposed(&a->cfg)));
    if (json_find(c, "projection_prng_key")) replace(c, "projection_prng_key", json_of_number((double)a->spec.seed));
    if (json_find(c, "lora_alpha")) set_patterns(c, a, kept, p);
    if (p && p->keeps_empty) set_masks(c, a, kept);
    /* AdaLoRA's own fields, which have PEFT's names */
    const json *allocator = block ? json_find(block, "allocator") : NULL;
    for (const json *f = allocator ? allocator->child : NULL; f; f = f->next)
        if (json_find(c, f->string)) replace(c, f->string, json_copy(f));
    if (p) drop_defaults(c, defaults);
    json_free(defaults);
    if (block) json_set(c, "tiebreak", block);
    return OK;
}

const char *adapter_config_type(const json *config) { return json_text(json_find(config, "peft_type")); }

const char *adapter_config_base(const json *config) { return json_text(json_find(config, "base_model_name_or_path")); }

json *adapter_config_training(const json *config)
{
    /* what adapter_block writes */
    static const char *const row[] = { "method", "spec",      "sites", "rank",  "alpha",
                                       "seed",   "trainable", "shape", "ranks", "scales" };
    const json              *block = json_find(config, "tiebreak");
    json                    *rest  = json_copy(json_is_object(block) ? block : NULL);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) json_free(json_take(rest, row[i]));
    return rest;
}
