/* Merges an adapter into the base: W + s diag(v) B R diag(u) A in f64, rounded once to the
 * backend's element type. */
#include <stdlib.h>

#include "core/error.h"
#include "core/memory.h"
#include "adapters/adapter_private.h"
#include "adapters/merge.h"

/* The first row of a linear's weight in the base's arrays, where q, k and v are one array, and gate
 * and up another. */
static real *weight_of(const model *m, int64_t layer, int site)
{
    const layer_weights *w = &m->layers[layer];
    int64_t              q = site_out(&m->cfg, SITE_Q), kv = site_out(&m->cfg, SITE_K);
    real *const          array[SITE_COUNT] = {
                 w->qkv, w->qkv, w->qkv, w->qkv, w->o, w->gate_up, w->gate_up, w->down, w->gate_up
    };
    const int64_t first[SITE_COUNT] = { 0, 0, q, q + kv, 0, 0, m->cfg.plan.ungated ? 0 : m->cfg.inter, 0, 0 };
    return real_at(m->be, array[site], first[site] * site_in(&m->cfg, (site_id)site));
}

static void merge_module(const adapter *a, model *m, int64_t layer, int site)
{
    const pair_arrays *p  = &adapter_pairs(a)[layer * SITE_COUNT + site];
    int64_t            in = site_in(&m->cfg, (site_id)site), out = site_out(&m->cfg, (site_id)site), r = p->r;
    double *A = mem_alloc((size_t)(r * p->lda), sizeof *A), *B = mem_alloc((size_t)(out * p->ldb), sizeof *B);
    double *row = mem_alloc((size_t)in, sizeof *row);
    real   *W   = weight_of(m, layer, site);
    a->be->download(a->be, A, p->A, r * p->lda);
    a->be->download(a->be, B, p->B, out * p->ldb);
    for (int64_t n = 0; n < out; n++) {
        real *w = real_at(m->be, W, n * in);
        m->be->download(m->be, row, w, in);
        for (int64_t k = 0; k < r; k++)
            for (int64_t i = 0; i < in; i++) row[i] += B[n * p->ldb + k] * A[k * p->lda + i];
        m->be->upload(m->be, w, row, in);
    }
    free(A);
    free(B);
    free(row);
}

int adapter_merge(const adapter *a, model *m)
{
    if (!m->flat) return run_error("merge: the base was not opened with its own copies of the weights");
    for (int64_t l = 0; l < a->cfg.layers; l++)
        for (int site = 0; site < SITE_COUNT; site++)
            if (adapter_pairs(a)[l * SITE_COUNT + site].r) merge_module(a, m, l, site);
    return OK;
}
