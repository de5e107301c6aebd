/* Writes adapter folders: in PEFT's format where it has one, else one tensor for each stored
 * factor. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "adapters/adapter_private.h"
#include "adapters/peft.h"
#include "model/model_weights.h"

/* PEFT's layout for these factors on these sites, or NULL for our own: where the family has no
 * module of its own at a site, as a Llama for qkv; and PEFT's VeRA has no scale, and reads one
 * B in the order of each module's rows. */
static const peft_layout *layout_of(const adapter *a)
{
    const peft_layout *p = peft_layout_find(a->spec.method.peft);
    for (int s = 0; p && s < SITE_COUNT; s++)
        if (site_set_has(a->spec.sites, s) && (!*site_module(&a->cfg, (site_id)s) ||
                                               (p->model_key[FACTOR_B] && peft_rows_by_head(&a->cfg, p, FACTOR_B, s))))
            p = NULL;
    for (int64_t j = 0; p && p->rule == SCALE_CONST && j < a->n_jobs; j++)
        if (a->jobs[j].r && a->jobs[j].s != 1) return NULL;
    return p;
}

void adapter_module_name(int64_t layer, int site, char out[ADAPTER_MODULE_MAX])
{
    snprintf(out, ADAPTER_MODULE_MAX, "layers.%lld.%s", (long long)layer, site_table[site].name);
}

int64_t adapter_kept_rows(const adapter *a, const bool *kept, int64_t job, int64_t *rows)
{
    int64_t n = 0;
    for (int64_t i = 0; i < a->jobs[job].r; i++) {
        if (kept && !kept[job * a->spec.rank + i]) continue;
        if (rows) rows[n] = i;
        n++;
    }
    return n;
}

/* The values of one tensor as F32, without the rows (A) or columns (B, u) that the allocator
 * pruned. */
static float *saved_values(const adapter *a, const peft_layout *p, const bool *kept, const adapter_tensor *t,
                           factor_shape *shape)
{
    int64_t n   = t->rows * t->cols;
    double *all = mem_alloc((size_t)n + 1, sizeof *all);
    float  *out = mem_alloc((size_t)n + 1, sizeof *out);
    a->be->params->download(a->be->params, all, adapter_values(a, t), n);
    if (peft_rows_by_head(&a->cfg, p, t->factor, t->site)) all = adapter_rows_arranged(a, t, all, true);
    *shape = (factor_shape) { t->rows, t->cols };
    if (!kept || a->spec.method.factor[t->factor].scope != SCOPE_LAYER) {
        for (int64_t i = 0; i < n; i++) out[i] = (float)all[i];
    } else {
        int64_t *keep = mem_alloc((size_t)a->spec.rank + 1, sizeof *keep), job = 0, at = 0;
        while (a->jobs[job].layer != t->layer || a->jobs[job].site != t->site) job++;
        int64_t k      = adapter_kept_rows(a, kept, job, keep);
        bool    by_row = t->factor == FACTOR_A, by_col = t->factor == FACTOR_B || t->factor == FACTOR_U;
        *shape = (factor_shape) { by_row ? k : t->rows, by_col ? k : t->cols };
        for (int64_t i = 0; i < shape->rows; i++)
            for (int64_t j = 0; j < shape->cols; j++)
                out[at++] = (float)all[(by_row ? keep[i] : i) * t->cols + (by_col ? keep[j] : j)];
        free(keep);
    }
    free(all);
    return out;
}

double *adapter_rows_arranged(const adapter *a, const adapter_tensor *t, double *values, bool to_file)
{
    const bool vector = t->factor == FACTOR_V;
    double    *to     = mem_alloc((size_t)(t->rows * t->cols) + 1, sizeof *to);
    weight_arrange(&a->cfg, BY_HEAD, to, values, vector ? t->cols : t->rows, vector ? 0 : t->cols, to_file);
    free(values);
    return to;
}

tensor_view folder_tensor(const adapter *a, const peft_layout *p, const adapter_tensor *t, factor_shape s,
                          char name[PEFT_KEY_MAX])
{
    bool vector = t->factor == FACTOR_U || t->factor == FACTOR_V, flat = vector && (!p || p->vector_1d);
    if (p)
        peft_tensor_key(&a->cfg, p, t->factor, t->layer, t->site, name);
    else
        adapter_tensor_name(t, a, name);
    return (tensor_view) { .name   = name,
                           .dtype  = DT_F32,
                           .n_dims = flat ? 1 : 2,
                           .shape  = { vector ? s.cols : s.rows, vector ? 1 : s.cols },
                           .count  = s.rows * s.cols };
}

static int write_weights(const adapter *a, const bool *kept, const peft_layout *p, const char *path)
{
    tensor_view *views         = mem_alloc((size_t)a->n_tensors + 1, sizeof *views);
    char(*names)[PEFT_KEY_MAX] = mem_alloc((size_t)a->n_tensors + 1, sizeof *names);
    int64_t n                  = 0;
    for (int64_t i = 0; i < a->n_tensors; i++) {
        factor_shape shape;
        float       *values = saved_values(a, p, kept, &a->tensors[i], &shape);
        views[n]            = folder_tensor(a, p, &a->tensors[i], shape, names[n]);
        views[n].bytes      = (const unsigned char *)values;
        if (views[n].count > 0 || (p && p->keeps_empty))
            n++;
        else
            free(values);
    }
    int rc = safetensors_write(path, views, n);
    for (int64_t i = 0; i < n; i++) free((void *)(uintptr_t)views[i].bytes);
    free(names);
    free(views);
    return rc;
}

int adapter_write(const adapter *a, const char *dir, const char *base_name, json *block, const bool *kept)
{
    const peft_layout *p       = layout_of(a);
    json              *config  = NULL;
    char              *weights = path_join(dir, ADAPTER_WEIGHTS), *path = path_join(dir, ADAPTER_CONFIG);
    int                rc = adapter_config_json(&config, a, p, base_name, block, kept);
    if (!rc) rc = file_make_dirs(dir);
    if (!rc && remove(path) && errno != ENOENT) rc = run_error("%s: cannot be replaced: %s", path, strerror(errno));
    if (!rc) rc = write_weights(a, kept, p, weights);
    if (!rc) rc = json_write_file(config, path); /* written last: a folder with a config is complete */
    json_free(config);
    free(weights);
    free(path);
    return rc;
}

int adapter_save(const adapter *a, const char *dir, const char *base_name, const json *extra, const bool *kept)
{
    return adapter_write(a, dir, base_name, adapter_block(a, extra, kept), kept);
}
