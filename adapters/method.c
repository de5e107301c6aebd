#include "adapters/method.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/nearest.h"

/* A row gives its factors in the language of --method (method.h), so a built-in method and a user's
 * own are the same thing. */
static const struct {
    const char *name, *spec, *about;
    bool        allocates;
} rows[] = {
    { "lora", "A=layer:train,B=layer:train:zero,s=alpha/r", "A and B per site and layer (Hu et al. 2021)" },
    { "rslora", "A=layer:train,B=layer:train:zero,s=alpha/sqrt(r)",
      "LoRA with a rank-stable scale (Kalajdzievski 2023)" },
    { "lora-fa", "A=layer:frozen,B=layer:train:zero,s=alpha/r",
      "LoRA with A frozen (Zhang et al. 2023); plain AdamW on B" },
    { "sharelora-a", "A=tied:train,B=layer:train:zero,s=alpha/r", "A shared by all layers (Song et al. 2024)" },
    { "sharelora-b", "A=layer:train,B=tied:train:zero,s=alpha/r", "B shared by all layers (Song et al. 2024)" },
    { "sharelora-ab", "A=tied:train,B=tied:train:zero,s=alpha/r", "A and B shared by all layers (Song et al. 2024)" },
    { "vera", "A=model:frozen:vera,u=layer:train:0.1,B=model:frozen:vera,v=layer:train:zero,s=1",
      "one frozen random pair for the whole model, trained vectors per layer (Kopiczko et al. 2024)" },
    { "tied-lora", "A=tied:train:xavier,u=layer:train:ones,B=tied:train:zero,v=layer:train:ones,s=1",
      "A and B tied over layers, trained, with trained vectors per layer: vBuA, TL6 (Renduchintala et al. 2024)" },
    { "tied-lora-ab", "A=tied:train:xavier,B=tied:train:zero,s=1",
      "A and B tied over layers, trained, no vectors: TL5 (Renduchintala et al. 2024)" },
    { "adalora", "A=layer:train:normal:0.02,u=layer:train:zero,B=layer:train:normal:0.02,s=alpha/(r+1e-5)",
      "P diag(lambda) Q with ranks pruned to a budget (Zhang et al. 2023)", .allocates = true },
    { "moslora", "A=layer:train,R=layer:train:kaiming,B=layer:train:zero,s=alpha/r",
      "LoRA with a trained mixer between A and B (Wu et al. 2024)" },
    { "lotr", "A=tied:train:normal,R=layer:train:zero,B=tied:train:normal,s=alpha/r",
      "tied A and B around a core per layer (Bershatsky et al. 2024)" },
    { "tied-lora-v0", "A=tied:train:normal,u=layer:train:ones,B=tied:train:normal,v=layer:train:zero,s=1",
      "tied-lora as its authors' code starts it: A, B from N(0, 1), v = 0" },
};
enum { ROWS = sizeof rows / sizeof rows[0] };

const method *method_row(int i)
{
    static method parsed[ROWS];
    if (i < 0 || i >= ROWS) return NULL;
    method *m = &parsed[i];
    if (!m->name) {
        int rc = method_parse(m, rows[i].spec);
        if (!rc) rc = method_check(m, rows[i].name);
        assert(!rc && "a built-in row must be a legal spec");
        (void)rc;
        m->name      = rows[i].name;
        m->about     = rows[i].about;
        m->peft      = method_peft_type(m);
        m->allocates = rows[i].allocates;
    }
    return m;
}

const char *method_name(int i) { return i < ROWS ? rows[i].name : NULL; }

/* Keeps the spec's text for the life of the process: records, configs and reports keep pointing at
 * it. */
static const char *interned(const char *text)
{
    static struct node {
        struct node *next;
        char        *text;
    } * list;
    for (struct node *n = list; n; n = n->next)
        if (!strcmp(n->text, text)) return n->text;
    struct node *n = mem_alloc(1, sizeof *n);
    *n             = (struct node) { list, mem_strdup(text) };
    list           = n;
    return n->text;
}

static int find_spec(method *m, const char *spec)
{
    int rc = method_parse(m, spec);
    if (!rc) rc = method_check(m, spec);
    if (rc) return rc;
    char text[METHOD_SPEC_MAX];
    method_spec(m, text, sizeof text);
    m->name  = interned(text);
    m->about = "a method of your own";
    m->peft  = method_peft_type(m);
    return OK;
}

int method_find(method *m, const char *name_or_spec)
{
    if (strchr(name_or_spec, '=')) return find_spec(m, name_or_spec);
    const char *names[ROWS + 1] = { 0 };
    for (int i = 0; i < ROWS; i++) {
        names[i] = rows[i].name;
        if (strcmp(name_or_spec, rows[i].name)) continue;
        *m = *method_row(i);
        return OK;
    }
    if (!strcmp(name_or_spec, "full"))
        return input_error(
            "method full: trains every weight of the base and has no adapter; it is known to `train` and `count` only");
    return input_error(
        "method \"%s\": no such method%s; `tiebreak count --model mini --rank 8` lists them, or spell one: A=...,B=...",
        name_or_spec, did_you_mean(name_or_spec, names).text);
}

bool method_takes_alpha(const method *m) { return m->rule != SCALE_CONST; }

/* What alpha is divided by to make s; 1 where s is a constant. */
static double divisor(scale_rule rule, double r)
{
    switch (rule) {
    case SCALE_ALPHA_R: return r;
    case SCALE_ALPHA_SQRT_R: return sqrt(r);
    case SCALE_ALPHA_R_EPS: return r + 1e-5;
    default: return 1;
    }
}

double method_scale(const method *m, double alpha, int64_t r_init)
{
    return m->rule == SCALE_CONST ? m->scale : alpha / divisor(m->rule, (double)r_init);
}

double method_alpha(scale_rule rule, double s, int64_t r_init) { return s * divisor(rule, (double)r_init); }

const char *method_peft_type(const method *m)
{
    const factor_spec *f       = m->factor;
    bool               pair    = f[FACTOR_R].scope == SCOPE_ONE && f[FACTOR_A].scope == f[FACTOR_B].scope;
    bool               plain   = f[FACTOR_U].scope == SCOPE_ONE && f[FACTOR_V].scope == SCOPE_ONE;
    bool               triplet = f[FACTOR_U].scope == SCOPE_LAYER && f[FACTOR_V].scope == SCOPE_ONE;
    bool               both    = f[FACTOR_U].scope == SCOPE_LAYER && f[FACTOR_V].scope == SCOPE_LAYER;
    if (pair && plain && f[FACTOR_A].scope == SCOPE_LAYER && m->rule != SCALE_ALPHA_R_EPS) return "LORA";
    if (pair && triplet && f[FACTOR_A].scope == SCOPE_LAYER && m->rule == SCALE_ALPHA_R_EPS) return "ADALORA";
    if (pair && both && f[FACTOR_A].scope == SCOPE_MODEL && m->rule == SCALE_CONST && m->scale == 1) return "VERA";
    return NULL;
}

factor_shape factor_shape_of(factor_id f, int64_t in, int64_t out, int64_t r)
{
    switch (f) {
    case FACTOR_A: return (factor_shape) { r, in };
    case FACTOR_U: return (factor_shape) { 1, r };
    case FACTOR_R: return (factor_shape) { r, r };
    case FACTOR_B: return (factor_shape) { out, r };
    default: return (factor_shape) { 1, out };
    }
}

int64_t factor_instances(const factor_spec *f, int64_t layers)
{
    switch (f->scope) {
    case SCOPE_LAYER: return layers;
    case SCOPE_GROUP: return (layers + f->group - 1) / f->group;
    case SCOPE_TIED: return 1;
    default: return 0;
    }
}

factor_shape factor_shape_widest(factor_id f, const model_config *c, site_set sites, int64_t r)
{
    int64_t in = 0, out = 0;
    for (int s = 0; s < SITE_COUNT; s++) {
        if (!site_set_has(sites, s)) continue;
        if (site_in(c, (site_id)s) > in) in = site_in(c, (site_id)s);
        if (site_out(c, (site_id)s) > out) out = site_out(c, (site_id)s);
    }
    return factor_shape_of(f, in, out, r);
}

static int64_t factor_parameters(factor_id f, const factor_spec *spec, const model_config *c, site_set sites,
                                 int64_t rank)
{
    factor_shape shape = factor_shape_widest(f, c, sites, rank);
    int64_t      total = 0;
    if (spec->scope == SCOPE_MODEL) return shape.rows * shape.cols;
    for (int s = 0; s < SITE_COUNT; s++) {
        if (!site_set_has(sites, s)) continue;
        shape = factor_shape_of(f, site_in(c, (site_id)s), site_out(c, (site_id)s), rank);
        total += factor_instances(spec, c->layers) * shape.rows * shape.cols;
    }
    return total;
}

int method_count(method_counts *out, const method *m, const model_config *c, site_set sites, int64_t rank)
{
    if (!sites) return input_error("%s: no site to adapt", m->name);
    if (rank < 1 || rank > RANK_MAX)
        return input_error("%s: rank %lld: must be 1..%d", m->name, (long long)rank, RANK_MAX);
    *out = (method_counts) { 0 };
    for (int f = 0; f < FACTOR_COUNT; f++) {
        const factor_spec *spec = &m->factor[f];
        int64_t            n    = factor_parameters((factor_id)f, spec, c, sites, rank);
        if (!spec->trained) {
            out->frozen += n;
            continue;
        }
        out->trainable += n;
        out->per_scope[spec->scope] += n;
        out->per_factor[f] += n;
    }
    out->bytes = 4 * (out->trainable + out->frozen);
    return OK;
}
