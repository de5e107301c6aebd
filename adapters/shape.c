/* The base's shape as an adapter folder tells it. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "adapters/adapter_private.h"
#include "adapters/peft.h"

/* No published model comes near these; a folder that claims more is broken. */
enum { SHAPE_LAYERS_MAX = 1024, SHAPE_WIDTH_MAX = 1 << 20 };

/* Takes what one tensor shows of the linear at `site`. In c, 0 means unknown. head_dim is 1 here,
 * so `heads` holds q's width. */
static void fit(model_config *c, const tensor_view *t, factor_id f, int site)
{
    int64_t  in  = f == FACTOR_A && t->n_dims == 2 ? t->shape[1] : 0;
    int64_t  out = f == FACTOR_B && t->n_dims == 2 ? t->shape[0] : f == FACTOR_V && t->n_dims == 1 ? t->shape[0] : 0;
    int64_t *to_in[SITE_COUNT] = {
        [SITE_Q] = &c->hidden,    [SITE_K] = &c->hidden,  [SITE_V] = &c->hidden,  [SITE_O] = &c->heads,
        [SITE_GATE] = &c->hidden, [SITE_UP] = &c->hidden, [SITE_DOWN] = &c->inter
    };
    int64_t *to_out[SITE_COUNT] = {
        [SITE_Q] = &c->heads,    [SITE_K] = &c->kv_heads, [SITE_V] = &c->kv_heads, [SITE_O] = &c->hidden,
        [SITE_GATE] = &c->inter, [SITE_UP] = &c->inter,   [SITE_DOWN] = &c->hidden
    };
    if (in && to_in[site]) *to_in[site] = in;
    if (out && to_out[site]) *to_out[site] = out;
}

/* VeRA keeps one A for all linears, as wide as the widest: the width that no vector has shown. */
static void fit_shared(model_config *c, const safetensors *file, const peft_layout *p, site_set sites)
{
    const tensor_view *A = p->model_key[FACTOR_A] ? safetensors_find(file, p->model_key[FACTOR_A]) : NULL;
    if (!A || A->n_dims != 2) return;
    bool down = site_set_has(sites, SITE_DOWN);
    if (!c->hidden && !down) c->hidden = A->shape[1];
    if (!c->inter && down && A->shape[1] > c->hidden) c->inter = A->shape[1];
}

/* The first family under whose names a tensor is one of an adapter's. */
static void find_names(model_config *c, const safetensors *file, const peft_layout *p)
{
    factor_id f;
    int64_t   layer;
    int       site;
    for (int i = 0; families[i].model_type; i++) {
        c->family = i, c->plan = families[i].plan;
        for (int64_t t = 0; t < file->n; t++)
            if (peft_parse_key(c, p, file->tensors[t].name, &f, &layer, &site) && site >= 0) return;
    }
    c->family = FAMILY_LLAMA, c->plan = families[FAMILY_LLAMA].plan;
}

static int shape_of_tensors(model_config *c, const safetensors *file, const peft_layout *p)
{
    site_set sites = 0;
    find_names(c, file, p);
    for (int64_t i = 0; i < file->n; i++) {
        factor_id f;
        int64_t   layer;
        int       site;
        if (!peft_parse_key(c, p, file->tensors[i].name, &f, &layer, &site) || site < 0) continue;
        if (layer >= SHAPE_LAYERS_MAX)
            return input_error("%s: tensor \"%s\": more than %d layers", file->path, file->tensors[i].name,
                               SHAPE_LAYERS_MAX);
        if (layer >= c->layers) c->layers = layer + 1;
        sites |= 1u << site;
        fit(c, &file->tensors[i], f, site);
    }
    if (!sites)
        return input_error(
            "%s: holds no %s tensor of a Llama linear (q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj)",
            file->path, p->type);
    fit_shared(c, file, p, sites);
    for (int s = 0; s < SITE_COUNT; s++) {
        if (!site_set_has(sites, s)) continue;
        int64_t in = site_in(c, (site_id)s), out = site_out(c, (site_id)s);
        if (in < 1 || out < 1)
            return input_error("%s: does not show the widths of %s; name the base with --model", file->path,
                               site_module(c, (site_id)s));
        if (in > SHAPE_WIDTH_MAX || out > SHAPE_WIDTH_MAX)
            return input_error("%s: %s would be [%lld, %lld]; at most %d is handled", file->path,
                               site_module(c, (site_id)s), (long long)out, (long long)in, SHAPE_WIDTH_MAX);
    }
    return OK;
}

static int shape_of_weights(model_config *c, const json *config, const char *dir)
{
    const char        *type = json_text(json_find(config, "peft_type"));
    const peft_layout *p    = peft_layout_find(type);
    if (!p) {
        char *where = path_join(dir, ADAPTER_CONFIG);
        int   rc    = type ? peft_refuse_type(type, where) : json_refuse(NULL, where, "peft_type", "a text");
        free(where);
        return rc;
    }
    safetensors *file = NULL;
    int          rc   = adapter_open_weights(&file, dir);
    if (!rc) rc = shape_of_tensors(c, file, p);
    int64_t *unseen[] = { &c->hidden, &c->inter, &c->heads, &c->kv_heads };
    for (size_t i = 0; i < sizeof unseen / sizeof *unseen; i++)
        if (!*unseen[i]) *unseen[i] = 1;
    safetensors_close(file);
    return rc;
}

static int shape_of_block(model_config *c, const json *shape, const char *dir)
{
    const char *name = json_text(json_find(shape, "family"));
    c->family        = name ? family_find(name) : FAMILY_LLAMA;
    if (c->family < 0) return input_error("%s/" ADAPTER_CONFIG ": \"family\": \"%.40s\" is not known", dir, name);
    c->plan = families[c->family].plan;
    int rc  = json_get_int(shape, dir, "layers", 1, SHAPE_LAYERS_MAX, &c->layers);
    if (!rc) rc = json_get_int(shape, dir, "hidden", 1, SHAPE_WIDTH_MAX, &c->hidden);
    if (!rc) rc = json_get_int(shape, dir, "inter", 1, SHAPE_WIDTH_MAX, &c->inter);
    if (!rc) rc = json_get_int(shape, dir, "head_dim", 1, SHAPE_WIDTH_MAX, &c->head_dim);
    if (!rc) rc = json_get_int(shape, dir, "heads", 1, SHAPE_WIDTH_MAX / c->head_dim, &c->heads);
    if (!rc) rc = json_get_int(shape, dir, "kv_heads", 1, SHAPE_WIDTH_MAX / c->head_dim, &c->kv_heads);
    return rc ? error_context(rc, ADAPTER_CONFIG ": \"tiebreak\": \"shape\"") : OK;
}

int adapter_shape(model_config *c, const char *dir)
{
    json *config = NULL;
    int   rc     = adapter_read_config(&config, dir);
    if (rc) return rc;
    *c                = (model_config) { .head_dim = 1, .vocab = 1, .positions = 1 };
    const json *block = json_find(config, "tiebreak"),
               *shape = json_is_object(block) ? json_find(block, "shape") : NULL;
    rc                = json_is_object(shape) ? shape_of_block(c, shape, dir) : shape_of_weights(c, config, dir);
    json_free(config);
    return rc;
}
