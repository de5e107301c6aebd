/* Any adapter as a plain PEFT LoRA: the map of kernels/expand.h in f64, without s, rounded once
 * when it is written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "adapters/adapter_private.h"

/* The rows of a site's B and v that one separate linear reads: all of them, or its part of the
 * fused projection. */
typedef struct {
    site_id site;
    int64_t first;
} part;

static int parts_of(const model_config *c, int site, part out[3])
{
    int64_t q = site_out(c, SITE_Q), kv = site_out(c, SITE_K);
    if (*site_module(c, (site_id)site) || (site != SITE_QKV && site != SITE_GATE_UP)) {
        out[0] = (part) { (site_id)site, 0 };
        return 1;
    }
    if (site == SITE_GATE_UP) {
        out[0] = (part) { SITE_GATE, 0 };
        out[1] = (part) { SITE_UP, c->inter };
        return 2;
    }
    out[0] = (part) { SITE_Q, 0 };
    out[1] = (part) { SITE_K, q };
    out[2] = (part) { SITE_V, q + kv };
    return 3;
}

/* The module whose rank and scale become the folder's r and lora_alpha: the first one of the
 * adapter's own rank, else the first that has any; -1: none. */
static int64_t usual_module(const adapter *a)
{
    int64_t found = -1;
    for (int64_t m = a->priv->modules - 1; m >= 0; m--)
        if (a->priv->rank[m] && (found < 0 || a->priv->rank[m] == a->spec.rank || a->priv->rank[found] != a->spec.rank))
            found = m;
    return found;
}

/* Makes a `lora` adapter on separate sites with each module's rank and scale. Its factors are still
 * to be filled. */
static int plain_twin(adapter **out, const adapter *a)
{
    int64_t      usual = usual_module(a), modules = a->priv->modules;
    adapter_spec spec = { .sites = 0 };
    if (usual < 0) return input_error("export: every module has rank 0: there is nothing to export");
    for (int site = 0; site < SITE_COUNT; site++) {
        part parts[3];
        if (site_set_has(a->spec.sites, site) && parts_of(&a->cfg, site, parts) &&
            !*site_module(&a->cfg, parts[0].site))
            return input_error(
                "export: the site %s is part of a fused module of a %s; a plain LoRA has a pair of its own "
                "only for the whole: train it on qkv or gate_up, or merge",
                site_table[site].name, families[a->cfg.family].model_type);
    }
    int rc = method_find(&spec.method, "lora");
    if (rc) return rc;
    int64_t *ranks = mem_alloc((size_t)modules, sizeof *ranks);
    double  *s     = mem_alloc((size_t)modules, sizeof *s);
    for (int64_t m = 0; m < modules; m++) {
        part parts[3];
        int  site = (int)(m % SITE_COUNT), n = site_set_has(a->spec.sites, site) ? parts_of(&a->cfg, site, parts) : 0;
        for (int i = 0; i < n; i++) {
            ranks[m - site + parts[i].site] = a->priv->rank[m];
            s[m - site + parts[i].site]     = a->priv->scale[m];
            spec.sites |= 1u << parts[i].site;
        }
    }
    spec.rank         = a->priv->rank[usual];
    spec.alpha        = a->priv->scale[usual] * (double)spec.rank;
    spec.module_rank  = ranks;
    spec.module_scale = s;
    rc                = adapter_new(out, backend_find("ref"), &a->cfg, spec);
    free(ranks);
    free(s);
    return rc;
}

/* The values of the tensor that a module reads as f64, which the caller frees; NULL when the factor
 * is one. */
static double *factor_values(const adapter *a, factor_id f, int64_t layer, int site, const adapter_tensor **t)
{
    *t = adapter_find(a, f, layer, site);
    if (!*t) return NULL;
    double *x = mem_alloc((size_t)((*t)->rows * (*t)->cols) + 1, sizeof *x);
    a->be->params->download(a->be->params, x, adapter_values(a, *t), (*t)->rows * (*t)->cols);
    return x;
}

/* Writes rows first .. first + rows - 1 of diag(v) B R diag(u) into out [rows, r]. */
static void fold(double *out, double *const x[FACTOR_COUNT], int64_t first, int64_t rows, int64_t r)
{
    const double *B = x[FACTOR_B], *R = x[FACTOR_R], *u = x[FACTOR_U], *v = x[FACTOR_V];
    for (int64_t n = 0; n < rows; n++) {
        const double *b = B + (first + n) * r;
        for (int64_t j = 0; j < r; j++) {
            double sum = R ? 0 : b[j];
            for (int64_t k = 0; R && k < r; k++) sum += b[k] * R[k * r + j];
            out[n * r + j] = (v ? v[first + n] : 1) * sum * (u ? u[j] : 1);
        }
    }
}

static void export_module(adapter *e, const adapter *a, int64_t layer, int site)
{
    int64_t r = a->priv->rank[layer * SITE_COUNT + site], in = site_in(&a->cfg, (site_id)site);
    part    parts[3];
    int     n = parts_of(&a->cfg, site, parts);
    if (!r) return;
    const adapter_tensor *t[FACTOR_COUNT];
    double               *x[FACTOR_COUNT];
    for (int f = 0; f < FACTOR_COUNT; f++) x[f] = factor_values(a, (factor_id)f, layer, site, &t[f]);
    for (int64_t k = 0; k < r; k++)
        memmove(x[FACTOR_A] + k * in, x[FACTOR_A] + k * t[FACTOR_A]->cols, (size_t)in * sizeof *x[FACTOR_A]);
    for (int i = 0; i < n; i++) {
        int64_t rows = site_out(&a->cfg, parts[i].site);
        double *B    = mem_alloc((size_t)(rows * r), sizeof *B);
        fold(B, x, parts[i].first, rows, r);
        e->be->params->upload(e->be->params, adapter_values(e, adapter_find(e, FACTOR_A, layer, parts[i].site)),
                              x[FACTOR_A], r * in);
        e->be->params->upload(e->be->params, adapter_values(e, adapter_find(e, FACTOR_B, layer, parts[i].site)), B,
                              rows * r);
        free(B);
    }
    for (int f = 0; f < FACTOR_COUNT; f++) free(x[f]);
}

/* Whether the folder already holds exactly this. Both adapters are on `ref`. */
static bool same_as_folder(const adapter *e, const char *dir)
{
    adapter *old = NULL;
    if (adapter_open(&old, e->be, &e->cfg, dir)) return false;
    bool same = old->theta_count == e->theta_count && old->n_jobs == e->n_jobs && old->spec.sites == e->spec.sites;
    const double *x = host_values(old->be, old->theta), *y = host_values(e->be, e->theta);
    for (int64_t i = 0; same && i < e->theta_count; i++) same = x[i] == (double)(float)y[i];
    for (int64_t m = 0; same && m < e->priv->modules; m++) {
        double d = old->priv->scale[m] - e->priv->scale[m];
        same     = old->priv->rank[m] == e->priv->rank[m] &&
               (!e->priv->rank[m] || d * d <= 1e-30 * e->priv->scale[m] * e->priv->scale[m]);
    }
    adapter_free(old);
    return same;
}

int adapter_export_lora(const adapter *a, const char *dir, const char *base_name)
{
    adapter *e  = NULL;
    int      rc = plain_twin(&e, a);
    for (int64_t j = 0; !rc && j < a->n_jobs; j++) export_module(e, a, a->jobs[j].layer, (int)a->jobs[j].site);
    char *config = path_join(dir, ADAPTER_CONFIG);
    bool  there  = file_exists(config);
    if (!rc && there && !same_as_folder(e, dir))
        rc = input_error("%s: holds another adapter; name a folder that does not", dir);
    if (!rc && !there) rc = adapter_write(e, dir, base_name, NULL, NULL);
    free(config);
    adapter_free(e);
    return rc;
}
