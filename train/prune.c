#include "train/prune.h"

#include <stdlib.h>

#include "core/error.h"
#include "core/memory.h"

/* dst column (or row) k of a factor becomes src's kept[k]-th. A [r, in] keeps rows, u [1, r] and B [out, r] columns. */
static void copy_kept(const adapter *src, const adapter_tensor *s, const adapter *dst, const adapter_tensor *d, const unsigned char *kept)
{
    int64_t rank = s->factor == FACTOR_A ? s->rows : s->cols, line = s->factor == FACTOR_A ? s->cols : s->rows, left = 0;
    double *from = mem_alloc((size_t)(s->rows * s->cols), sizeof *from), *to = mem_alloc((size_t)(d->rows * d->cols), sizeof *to);
    src->be->download(from, adapter_values(src, s), s->rows * s->cols);
    for (int64_t i = 0; i < rank; i++) {
        if (!kept[i]) continue;
        for (int64_t k = 0; k < line; k++) {
            if (s->factor == FACTOR_A)
                to[left * line + k] = from[i * line + k];
            else
                to[k * d->cols + left] = from[k * s->cols + i];
        }
        left++;
    }
    dst->be->upload(adapter_values(dst, d), to, d->rows * d->cols);
    free(from);
    free(to);
}

/* Modules in the allocator's order: layer by layer, site by site, those that are adapted. */
static bool has_module(const adapter *a, int64_t place) { return adapter_find(a, FACTOR_A, place / SITE_COUNT, (int)(place % SITE_COUNT)) != NULL; }

static void copy_values(const adapter *src, const adapter *dst, const adalora *allocator)
{
    static const factor_id factors[] = { FACTOR_A, FACTOR_U, FACTOR_B };
    const unsigned char   *kept      = allocator->kept;
    int64_t                module    = 0;
    for (int64_t place = 0; place < src->cfg.layers * SITE_COUNT; place++) {
        if (!has_module(src, place)) continue;
        for (size_t f = 0; f < sizeof factors / sizeof *factors; f++) {
            int64_t               layer = place / SITE_COUNT;
            int                   site  = (int)(place % SITE_COUNT);
            const adapter_tensor *s = adapter_find(src, factors[f], layer, site), *d = adapter_find(dst, factors[f], layer, site);
            copy_kept(src, s, dst, d, kept);
        }
        kept += allocator->modules[module++].rank;
    }
}

int prune_adapter(adapter **out, const adapter *a, const adalora *allocator)
{
    int64_t  places = a->cfg.layers * SITE_COUNT, module = 0;
    int64_t *rank = mem_alloc((size_t)places, sizeof *rank);
    for (int64_t i = 0; i < places; i++)
        if (has_module(a, i)) rank[i] = adalora_kept(allocator, module++);
    adapter_spec spec = a->spec;
    spec.module_rank  = rank;
    int rc            = adapter_new(out, a->be, &a->cfg, spec);
    free(rank);
    if (rc) return rc;
    copy_values(a, *out, allocator);
    adapter_expand(*out);
    return OK;
}
