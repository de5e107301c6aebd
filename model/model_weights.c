#include "model/model_weights.h"

#include <stdio.h>
#include <string.h>

#include "core/memory.h"

/* How a part's size follows from the shape. NONE ends the parts. */
typedef enum { NONE, HIDDEN, Q, KV, INTER, VOCAB } extent;
typedef enum { ALWAYS, WITH_QKV_BIAS, WITH_O_BIAS, WITH_MLP_BIAS } condition;

typedef struct {
    condition when;
    size_t    slot; /* offset in layer_weights */
    extent    cols; /* NONE makes a vector */
    struct {
        const char *name; /* after "model.layers.N." */
        extent      rows;
    } part[WEIGHT_PARTS];
} layer_row;

/* clang-format off */
static const layer_row layer_rows[] = {
    { ALWAYS, offsetof(layer_weights, norm1), NONE, { { "input_layernorm.weight", HIDDEN } } },
    { ALWAYS, offsetof(layer_weights, qkv), HIDDEN,
      { { "self_attn.q_proj.weight", Q }, { "self_attn.k_proj.weight", KV }, { "self_attn.v_proj.weight", KV } } },
    { WITH_QKV_BIAS, offsetof(layer_weights, qkv_bias), NONE,
      { { "self_attn.q_proj.bias", Q }, { "self_attn.k_proj.bias", KV }, { "self_attn.v_proj.bias", KV } } },
    { ALWAYS, offsetof(layer_weights, o), Q, { { "self_attn.o_proj.weight", HIDDEN } } },
    { WITH_O_BIAS, offsetof(layer_weights, o_bias), NONE, { { "self_attn.o_proj.bias", HIDDEN } } },
    { ALWAYS, offsetof(layer_weights, norm2), NONE, { { "post_attention_layernorm.weight", HIDDEN } } },
    { ALWAYS, offsetof(layer_weights, gate_up), HIDDEN, { { "mlp.gate_proj.weight", INTER }, { "mlp.up_proj.weight", INTER } } },
    { WITH_MLP_BIAS, offsetof(layer_weights, gate_up_bias), NONE, { { "mlp.gate_proj.bias", INTER }, { "mlp.up_proj.bias", INTER } } },
    { ALWAYS, offsetof(layer_weights, down), INTER, { { "mlp.down_proj.weight", HIDDEN } } },
    { WITH_MLP_BIAS, offsetof(layer_weights, down_bias), NONE, { { "mlp.down_proj.bias", HIDDEN } } },
};
/* clang-format on */
enum { LAYER_ROWS = sizeof layer_rows / sizeof *layer_rows };

static int64_t size_of(const model_config *c, extent e)
{
    switch (e) {
    case HIDDEN: return c->hidden;
    case Q: return c->heads * c->head_dim;
    case KV: return c->kv_heads * c->head_dim;
    case INTER: return c->inter;
    case VOCAB: return c->vocab;
    default: return 0;
    }
}

static bool is_there(const model_config *c, condition when)
{
    return when == ALWAYS || (when == WITH_QKV_BIAS && c->qkv_bias) || (when == WITH_O_BIAS && c->o_bias) ||
           (when == WITH_MLP_BIAS && c->mlp_bias);
}

/* The row-th of the arrays that a layer of this shape has; NULL past the end. */
static const layer_row *present_row(const model_config *c, int64_t row)
{
    for (int i = 0; i < LAYER_ROWS; i++)
        if (is_there(c, layer_rows[i].when) && row-- == 0) return &layer_rows[i];
    return NULL;
}

static void add_part(weight_group *g, int64_t rows)
{
    g->rows[g->n++] = rows;
    g->count += rows * (g->cols ? g->cols : 1);
}

static void group_of_layer(model *m, int64_t layer, const layer_row *row, weight_group *g)
{
    g->cols = size_of(&m->cfg, row->cols);
    for (int k = 0; k < WEIGHT_PARTS && row->part[k].name; k++) {
        snprintf(g->name[k], sizeof g->name[k], "model.layers.%lld.%s", (long long)layer, row->part[k].name);
        add_part(g, size_of(&m->cfg, row->part[k].rows));
    }
    if (m->layers) g->slot = (real **)(void *)((char *)&m->layers[layer] + row->slot);
    if (m->grads) g->grad_slot = (param **)(void *)((char *)&m->grads[layer] + row->slot);
}

bool weight_group_at(model *m, int64_t i, weight_group *g)
{
    const model_config *c   = &m->cfg;
    int64_t             per = 0;
    while (present_row(c, per)) per++;
    *g = (weight_group) { .cols = c->hidden };
    if (i > 0 && i <= c->layers * per) {
        group_of_layer(m, (i - 1) / per, present_row(c, (i - 1) % per), g);
        return true;
    }
    int64_t last = i - c->layers * per; /* 1 is the final norm, 2 an lm_head of its own */
    if (i == 0) {
        snprintf(g->name[0], sizeof g->name[0], "model.embed_tokens.weight");
        g->slot = &m->embed, g->grad_slot = &m->embed_grad;
    } else if (last == 1) {
        snprintf(g->name[0], sizeof g->name[0], "model.norm.weight");
        g->slot = &m->norm, g->grad_slot = &m->norm_grad;
        g->cols = 0;
    } else if (last == 2 && !c->tied_embeddings) {
        snprintf(g->name[0], sizeof g->name[0], "lm_head.weight");
        g->slot = &m->lm_head, g->grad_slot = &m->lm_head_grad;
    } else {
        return false;
    }
    add_part(g, last == 1 ? c->hidden : c->vocab);
    return true;
}

weight_tensor *weight_tensors(const model_config *c, int64_t *n)
{
    model          shape = { .cfg = *c };
    weight_group   g;
    size_t         cap = 0, count = 0;
    weight_tensor *t = NULL;
    for (int64_t i = 0; weight_group_at(&shape, i, &g); i++)
        for (int k = 0; k < g.n; k++) {
            if (count == cap) t = mem_grow(t, &cap, sizeof *t);
            t[count] = (weight_tensor) { .rows  = g.rows[k],
                                         .cols  = g.cols,
                                         .count = g.rows[k] * (g.cols ? g.cols : 1) };
            memcpy(t[count++].name, g.name[k], sizeof g.name[k]);
        }
    *n = (int64_t)count;
    return t;
}
