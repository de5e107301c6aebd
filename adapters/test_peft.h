/* For tests: a case of the stored PEFT vectors (peft-reference) as an adapter. */
#ifndef TIEBREAK_ADAPTERS_TEST_PEFT_H
#define TIEBREAK_ADAPTERS_TEST_PEFT_H
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/test.h"
#include "adapters/adapter.h"
#include "model/names.h"
#include "adapters/peft.h"
#include "model/safetensors.h"

typedef struct {
    const char  *base, *name;
    char         dir[512], base_dir[512];
    json        *info;    /* case.json */
    safetensors *tensors; /* tensors.safetensors */
    model_config cfg;
} peft_case;

/* Every case except NF4's, whose base is quantised. The golden files hold most of those on the two
 * tiny bases. */
static const char *const peft_cases[][2] = {
    { "tiny-random", "lora-qkv-r8" },         { "tiny-random", "lora-qv-r4" },
    { "tiny-random", "lora-all-r3" },         { "tiny-random", "rslora-qv-r5" },
    { "tiny-random", "lora-gaussian-qv-r4" }, { "tiny-random", "lora-patterns" },
    { "tiny-random", "lora-fa-qv-r4" },       { "tiny-random", "lora-qv-r4-clip-cosine" },
    { "tiny-random", "vera-qv-r16" },         { "tiny-random", "vera-qv-r16-nosave" },
    { "tiny-random", "vera-all-r6" },         { "tiny-random", "adalora-qv-r6-t3" },
    { "tiny-random", "tied-ab-r5" },          { "tiny-random", "tied-abuv-b0-r5" },
    { "tiny-random", "tied-abuv-v0-r5" },     { "tiny-random", "tied-uv-r5" },
    { "tiny-random", "tied-a-r5" },           { "tiny-random", "tied-b-r5" },
    { "tiny-random", "tied-bu-r5" },          { "tiny-random", "tied-buv-r3" },
    { "tiny-random", "sharelora-a-qv-r4" },   { "tiny-random", "sharelora-b-qv-r4" },
    { "tiny-random", "sharelora-ab-qkv-r4" }, { "tiny-bias", "lora-all-r3" },
    { "tiny-bias", "vera-qkv-r7" },           { "tiny-bias", "tied-abuv-b0-r4" },
    { "stories260K", "lora-qkv-r8" },         { "stories260K", "rslora-qv-r4" },
    { "stories260K", "lora-all-r2" },         { "stories260K", "vera-qv-r16" },
    { "stories260K", "adalora-qv-r6-t3" },    { "stories260K", "tied-ab-r8" },
    { "stories260K", "tied-abuv-v0-r8" },     { "stories260K", "sharelora-a-qv-r4" },
};
enum { PEFT_CASES = sizeof peft_cases / sizeof peft_cases[0] };

/* False where the place that is being read has no such case. */
static inline bool peft_case_open(peft_case *c, const char *root, int i)
{
    char path[640];
    *c = (peft_case) { .base = peft_cases[i][0], .name = peft_cases[i][1] };
    snprintf(c->dir, sizeof c->dir, "%s/cases/%s/%s", root, c->base, c->name);
    if (!file_is_dir(c->dir)) return false;
    snprintf(path, sizeof path, "%s/case.json", c->dir);
    assert_ok(json_read_file(&c->info, path, 8u << 20));
    snprintf(path, sizeof path, "%s/tensors.safetensors", c->dir);
    assert_ok(safetensors_open(&c->tensors, path));
    snprintf(c->base_dir, sizeof c->base_dir, "%s/%s", root, json_find(c->info, "base_folder")->valuestring);
    assert_ok(config_load(&c->cfg, c->base_dir));
    return true;
}

static inline void peft_case_close(peft_case *c)
{
    json_free(c->info);
    safetensors_close(c->tensors);
}

static inline const json *peft_case_start(const peft_case *c, const char *start)
{
    return json_find(json_find(c->info, "starts"), start);
}

/* "layers.1.q_proj.A" for a stored tensor of the adapter. */
static inline void peft_factor_name(const adapter_tensor *t, char *out, size_t size)
{
    const char *module = t->site < 0           ? ""
                         : t->site == SITE_QKV ? "qkv"
                                               : strchr(names_table[NAMES_LLAMA].module[t->site], '.') + 1;
    char        letter = factor_letter[t->factor];
    if (t->site < 0)
        snprintf(out, size, "shared.%c", letter);
    else if (t->layer < 0)
        snprintf(out, size, "tied.%s.%c", module, letter);
    else
        snprintf(out, size, "layers.%lld.%s.%c", (long long)t->layer, module, letter);
}

/* The stored array START/WHAT/FACTOR as f64, which the caller frees. */
static inline double *peft_stored(const peft_case *c, const char *start, const char *what, const adapter_tensor *t)
{
    char factor[96], name[192];
    peft_factor_name(t, factor, sizeof factor);
    snprintf(name, sizeof name, "%s/%s/%s", start, what, factor);
    const tensor_view *v = safetensors_find(c->tensors, name);
    if (!v) return NULL;
    assert_int_equal(v->count, t->rows * t->cols);
    double *x = mem_alloc((size_t)v->count + 1, sizeof *x);
    assert_ok(tensor_read_f64(x, v, 0, v->count));
    return x;
}

/* The method that the case's factors describe, by way of a spec of --method. */
static inline method peft_case_method(const peft_case *c, site_set *sites, int64_t *rank)
{
    const char *kind               = json_find(c->info, "method")->valuestring;
    str         spec               = { 0 };
    bool        seen[FACTOR_COUNT] = { false };
    method      m;
    *sites                     = 0;
    *rank                      = (int64_t)json_find(c->info, "rank")->valuedouble;
    bool trained[FACTOR_COUNT] = { false };
    for (const json *f = json_find(c->info, "factors")->child; f; f = f->next)
        if (json_is_true(json_find(f, "trained")))
            trained[strchr(factor_letter, f->string[strlen(f->string) - 1]) - factor_letter] = true;
    /* any legal start will do, because the stored values replace it */
    factor_id zero = trained[FACTOR_B] ? FACTOR_B : trained[FACTOR_V] ? FACTOR_V : FACTOR_A;
    for (const json *f = json_find(c->info, "factors")->child; f; f = f->next) {
        size_t      n     = strlen(f->string);
        factor_id   id    = (factor_id)(strchr(factor_letter, f->string[n - 1]) - factor_letter);
        const char *scope = !strncmp(f->string, "layers.", 7) ? "layer"
                            : !strncmp(f->string, "tied.", 5) ? "tied"
                                                              : "model";
        if (strstr(f->string, ".qkv.")) *sites |= 1u << SITE_QKV;
        for (int s = 0; s < SITE_COUNT; s++) {
            char part[32];
            if (!names_table[NAMES_LLAMA].module[s][0]) continue;
            snprintf(part, sizeof part, ".%s.", strchr(names_table[NAMES_LLAMA].module[s], '.') + 1);
            if (strstr(f->string, part)) *sites |= 1u << s;
        }
        if (seen[id]) continue;
        seen[id] = true;
        str_printf(&spec, "%s%c=%s:%s%s%s", spec.n ? "," : "", factor_letter[id], scope,
                   trained[id] ? "train" : "frozen", !strcmp(scope, "model") ? ":vera" : "", id == zero ? ":zero" : "");
    }
    if (!strcmp(kind, "rslora"))
        str_puts(&spec, ",s=alpha/sqrt(r)");
    else if (!strcmp(kind, "lora") || !strncmp(kind, "lora-fa", 7) || !strncmp(kind, "sharelora", 9))
        str_puts(&spec, ",s=alpha/r");
    if (!strcmp(kind, "adalora"))
        assert_ok(method_find(&m, "adalora"));
    else
        assert_ok(method_parse(&m, spec.s));
    if (!m.name) { /* it was parsed, not found by name */
        m.name = kind;
        m.peft = method_peft_type(&m);
    }
    str_free(&spec);
    return m;
}

/* A new adapter with the case's wiring. start NULL: it draws its own factors with the case's seed;
 * otherwise it gets the stored factors of that start. */
static inline adapter *peft_case_adapter(const peft_case *c, const backend *be, const char *start)
{
    adapter_spec spec = { .seed = (uint64_t)json_find(c->info, "seed")->valuedouble };
    spec.method       = peft_case_method(c, &spec.sites, &spec.rank);
    int64_t *ranks    = mem_alloc((size_t)(c->cfg.layers * SITE_COUNT), sizeof *ranks);
    double  *scales   = mem_alloc((size_t)(c->cfg.layers * SITE_COUNT), sizeof *scales);
    for (const json *s = json_find(c->info, "sites")->child; s; s = s->next) {
        const char *module = json_find(s, "module")->valuestring, *A = json_find(s, "A")->valuestring;
        int64_t     layer = (int64_t)json_find(s, "layer")->valuedouble;
        int         site  = 0;
        while (site < SITE_COUNT && strcmp(names_table[NAMES_LLAMA].module[site], module)) site++;
        if (strstr(A, ".qkv.")) site = SITE_QKV;
        const json *shape                 = json_find(json_find(json_find(c->info, "factors"), A), "shape");
        ranks[layer * SITE_COUNT + site]  = (int64_t)shape->child->valuedouble;
        scales[layer * SITE_COUNT + site] = json_find(s, "s")->valuedouble;
    }
    spec.module_rank  = ranks;
    spec.module_scale = scales;
    if (method_takes_alpha(&spec.method)) spec.alpha = json_find(c->info, "alpha")->valuedouble;
    adapter *a;
    assert_ok(adapter_new(&a, be, &c->cfg, spec));
    free(ranks);
    free(scales);
    for (int64_t i = 0; start && i < a->n_tensors; i++) {
        double *x = peft_stored(c, start, "factor", &a->tensors[i]);
        assert_non_null(x);
        be->upload(be, adapter_values(a, &a->tensors[i]), x, a->tensors[i].rows * a->tensors[i].cols);
        free(x);
    }
    adapter_expand(a);
    return a;
}

/* A field of a config that PEFT wrote, against ours: what ours leaves out has PEFT's default. */
static inline bool peft_same_field(const json *ours, const json *field)
{
    const char *text = peft_layout_find(adapter_config_type(ours))->defaults;
    json       *defaults;
    if (json_find(ours, field->string)) return json_equal(json_find(ours, field->string), field);
    assert_ok(json_parse(&defaults, text, strlen(text), "defaults"));
    bool same = json_find(defaults, field->string) && json_equal(json_find(defaults, field->string), field);
    json_free(defaults);
    return same;
}
#endif
