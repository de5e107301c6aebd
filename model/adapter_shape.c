/* What an adapter folder tells of its base's shape. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "model/adapter_layout.h"
#include "model/adapter_peft.h"

/* The largest size that a tensor of this folder shows for (site, factor, dimension); 0 when there is none. */
static void fit(model_config *c, const tensor_view *t, factor_id f, int64_t layer, int site)
{
    if (layer + 1 > c->layers) c->layers = layer + 1;
    int64_t in  = f == FACTOR_A && t->n_dims == 2 ? t->shape[1] : 0;
    int64_t out = f == FACTOR_B && t->n_dims == 2 ? t->shape[0] : f == FACTOR_V && t->n_dims == 1 ? t->shape[0] : 0;
    switch (site) {
    case SITE_Q: c->heads = out ? out : c->heads; break;
    case SITE_K:
    case SITE_V: c->kv_heads = out ? out : c->kv_heads; break;
    case SITE_O: c->heads = in ? in : c->heads; break;
    case SITE_GATE:
    case SITE_UP: c->inter = out ? out : c->inter; break;
    case SITE_DOWN: c->inter = in ? in : c->inter; break;
    default: break;
    }
    if (in && site != SITE_O && site != SITE_DOWN) c->hidden = in;
    if (out && (site == SITE_O || site == SITE_DOWN)) c->hidden = out;
}

int adapter_shape(model_config *c, const char *dir)
{
    json *config = NULL;
    int   rc     = adapter_read_config(&config, dir);
    if (rc) return rc;
    *c                = (model_config) { .layers = 0, .hidden = 1, .inter = 1, .heads = 1, .kv_heads = 1, .head_dim = 1, .vocab = 1, .positions = 1 };
    const json *block = json_find(config, "tiebreak"), *shape = block ? json_find(block, "shape") : NULL;
    char       *weights = path_join(dir, ADAPTER_WEIGHTS);
    if (cJSON_IsObject(shape)) {
        struct {
            const char *key;
            int64_t    *value;
        } members[] = { { "layers", &c->layers }, { "hidden", &c->hidden },     { "inter", &c->inter },
                        { "heads", &c->heads },   { "kv_heads", &c->kv_heads }, { "head_dim", &c->head_dim } };
        for (size_t i = 0; !rc && i < sizeof members / sizeof *members; i++)
            rc = json_get_int(shape, dir, members[i].key, 1, 1 << 20, members[i].value);
    } else {
        const json        *type = json_find(config, "peft_type");
        const peft_layout *p    = peft_layout_find(cJSON_IsString(type) ? type->valuestring : NULL);
        safetensors       *file = NULL;
        if (!p) rc = input_error("%s: \"peft_type\" is not one of LORA, VERA, ADALORA", dir);
        if (!rc) rc = safetensors_open(&file, weights);
        for (int64_t i = 0; !rc && i < file->n; i++) {
            factor_id f;
            int64_t   layer;
            int       site;
            if (peft_parse_key(p, file->tensors[i].name, &f, &layer, &site) && site >= 0) fit(c, &file->tensors[i], f, layer, site);
        }
        const tensor_view *A = !rc ? safetensors_find(file, "base_model.vera_A") : NULL;
        if (A && A->n_dims == 2 && c->hidden == 1) c->hidden = A->shape[1];
        if (!rc && !c->layers) rc = input_error("%s: holds no tensor of a Llama linear", weights);
        safetensors_close(file);
    }
    free(weights);
    json_free(config);
    return rc;
}
