#include "model/model_weights.h"

#include <stdio.h>
#include <string.h>

#include "core/memory.h"

static int64_t size_of(const model_config *c, extent e)
{
    const int64_t q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    switch (e) {
    case W_HIDDEN: return c->hidden;
    case W_Q: return q;
    case W_KV: return kv;
    case W_QKV: return q + 2 * kv;
    case W_INTER: return c->inter;
    case W_GATE_UP: return 2 * c->inter;
    case W_HEAD: return c->head_dim;
    default: return 0;
    }
}

static bool is_there(const model_config *c, condition when)
{
    const layer_plan *p = &c->plan;
    const bool before = p->norms != NORMS_AFTER, second = before && p->norms != NORMS_ONE, bias = p->norm == NORM_LAYER;
    switch (when) {
    case WITH_NORM1: return before;
    case WITH_NORM2: return second;
    case WITH_LAYERNORM1: return before && bias;
    case WITH_LAYERNORM2: return second && bias;
    case WITH_QK_HEADS: return p->qk == QK_NORM_HEADS;
    case WITH_QK_WHOLE: return p->qk == QK_NORM_WHOLE;
    case WITH_QKV_BIAS: return c->qkv_bias;
    case WITH_O_BIAS: return c->o_bias;
    case WITH_MLP_BIAS: return c->mlp_bias;
    default: return true;
    }
}

/* The row-th of the arrays that a layer of this shape has; NULL past the end. */
static const layer_row *present_row(const model_config *c, int64_t row)
{
    for (const layer_row *r = names_of(c)->rows; r->part[0].name; r++)
        if (is_there(c, r->when) && row-- == 0) return r;
    return NULL;
}

static void add_part(weight_group *g, int64_t rows)
{
    g->rows[g->n++] = rows;
    g->count += rows * (g->cols ? g->cols : 1);
}

static bool is_gain(size_t slot)
{
    return slot == offsetof(layer_weights, norm1) || slot == offsetof(layer_weights, norm2) ||
           slot == offsetof(layer_weights, norm1_after) || slot == offsetof(layer_weights, norm2_after) ||
           slot == offsetof(layer_weights, q_norm) || slot == offsetof(layer_weights, k_norm);
}

static void group_of_layer(model *m, int64_t layer, const layer_row *row, weight_group *g)
{
    const file_names *names = names_of(&m->cfg);
    g->cols                 = size_of(&m->cfg, row->cols);
    g->layout               = row->layout;
    g->gain                 = is_gain(row->slot);
    g->out                  = row->slot == offsetof(layer_weights, o) || row->slot == offsetof(layer_weights, down);
    for (int k = 0; k < WEIGHT_PARTS && row->part[k].name; k++) {
        snprintf(g->name[k], sizeof g->name[k], "%.24s%.8s%lld.%.40s", names->prefix[0], names->layers,
                 (long long)layer, row->part[k].name);
        add_part(g, size_of(&m->cfg, row->part[k].rows));
    }
    if (m->layers) g->slot = (real **)(void *)((char *)&m->layers[layer] + row->slot);
    if (m->grads) g->grad_slot = (param **)(void *)((char *)&m->grads[layer] + row->slot);
}

/* The arrays outside the layers: the embeddings before them, the rest behind. */
static bool outer_group(model *m, int64_t i, int64_t layer_arrays, weight_group *g)
{
    const model_config *c     = &m->cfg;
    const file_names   *names = names_of(c);
    const struct {
        bool        there, behind, gain;
        const char *prefix, *name;
        int64_t     rows, cols;
        real      **slot;
        param     **grad;
    } outer[] = {
        { true, false, false, names->prefix[0], names->embed, c->vocab, c->hidden, &m->embed, &m->embed_grad },
        { c->plan.positions, false, false, names->prefix[0], names->positions, c->positions, c->hidden, &m->positions,
          &m->positions_grad },
        { true, true, true, names->prefix[0], names->norm, c->hidden, 0, &m->norm, &m->norm_grad },
        { c->plan.norm == NORM_LAYER, true, false, names->prefix[0], names->norm_bias, c->hidden, 0, &m->norm_bias,
          &m->norm_bias_grad },
        { !c->tied_embeddings, true, false, "", names->head, c->vocab, c->hidden, &m->lm_head, &m->lm_head_grad },
    };
    for (size_t k = 0; k < sizeof outer / sizeof *outer; k++) {
        if (!outer[k].there) continue;
        if (i-- != (outer[k].behind ? layer_arrays : 0)) continue;
        snprintf(g->name[0], sizeof g->name[0], "%.24s%.40s", outer[k].prefix, outer[k].name);
        g->cols = outer[k].cols, g->gain = outer[k].gain;
        g->slot = outer[k].slot, g->grad_slot = outer[k].grad;
        add_part(g, outer[k].rows);
        return true;
    }
    return false;
}

bool weight_group_at(model *m, int64_t i, weight_group *g)
{
    const model_config *c   = &m->cfg;
    const int64_t       pre = c->plan.positions ? 2 : 1;
    int64_t             per = 0;
    while (present_row(c, per)) per++;
    *g = (weight_group) { 0 };
    if (i < pre || i >= pre + c->layers * per) return outer_group(m, i, c->layers * per, g);
    group_of_layer(m, (i - pre) / per, present_row(c, (i - pre) % per), g);
    return true;
}

int64_t weight_count(const model_config *c)
{
    model        shape = { .cfg = *c };
    weight_group g;
    int64_t      count = 0;
    for (int64_t i = 0; weight_group_at(&shape, i, &g); i++) count += g.count;
    return count;
}

weight_tensor *weight_tensors(const model_config *c, int64_t *n)
{
    model          shape = { .cfg = *c };
    weight_group   g;
    size_t         cap = 0, count = 0;
    weight_tensor *t = NULL;
    for (int64_t i = 0; weight_group_at(&shape, i, &g); i++)
        for (int k = 0; k < g.n; k++) {
            const bool turned = g.layout == TRANSPOSED;
            if (count == cap) t = mem_grow(t, &cap, sizeof *t);
            t[count] = (weight_tensor) { .rows  = turned ? g.cols : g.rows[k],
                                         .cols  = turned ? g.rows[k] : g.cols,
                                         .count = g.rows[k] * (g.cols ? g.cols : 1),
                                         .gain  = g.gain,
                                         .out   = g.out };
            memcpy(t[count++].name, g.name[k], sizeof g.name[k]);
        }
    *n = (int64_t)count;
    return t;
}

/* Where a row of q, k, v one below the other lies in a file that has them by head. */
static int64_t row_by_head(const model_config *c, int64_t row)
{
    const int64_t width = c->heads * c->head_dim, of = row / width, head = row % width / c->head_dim;
    return (head * 3 + of) * c->head_dim + row % c->head_dim;
}

void weight_arrange(const model_config *c, weight_layout layout, double *to, const double *from, int64_t rows,
                    int64_t cols, bool to_file)
{
    const int64_t width = cols ? cols : 1;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < width; i++) {
            int64_t ours = r * width + i, its = ours;
            if (layout == TRANSPOSED) its = i * rows + r;
            if (layout == BY_HEAD) its = row_by_head(c, r) * width + i;
            to[to_file ? its : ours] = from[to_file ? ours : its];
        }
}
