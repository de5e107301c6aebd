#include "model/config.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "model/config_json.h"
#include "model/model_weights.h"

/* --- counts */

/* RoBERTa: LayerNorms and every linear with a bias, learned positions, one token type, a pooler;
 * no head. */
static int64_t encoder_parameters(const model_config *c)
{
    int64_t d = c->hidden, layer = 4 * (d * d + d) + (d * c->inter + c->inter) + (c->inter * d + d) + 2 * 2 * d;
    return (c->vocab + c->positions + 1) * d + 2 * d + c->layers * layer + d * d + d;
}

int64_t config_parameters(const model_config *c) { return c->counting_only ? encoder_parameters(c) : weight_count(c); }

/* --- presets. The published configurations of the models they are named after; gpt-2b-001
 * (NVIDIA, facts of its NeMo configuration) is here for its shapes: it normalises and rotates in
 * another way than a Llama. */

#define LLAMA3_EOS .bos = 128000, .n_eos = 1, .eos = { 128001 }
#define LLAMA3_2                                                                                                       \
    .norm_eps = 1e-5, LLAMA3_EOS,                                                                                      \
    .rope     = { { ROPE_LLAMA3, .theta = 500000, .factor = 32, .low_freq = 1, .high_freq = 4, .original = 8192 } }
#define LLAMA2 .norm_eps = 1e-5, .rope = { { .theta = 10000 } }, .bos = 1, .n_eos = 1, .eos = { 2 }

/* clang-format off */
static const model_config presets[] = {
    { .name = "mini", .layers = 6, .hidden = 128, .inter = 256, .heads = 4, .kv_heads = 4, .head_dim = 32, .vocab = 1024, .positions = 256,
      .tied_embeddings = true, .norm_eps = 1e-5, .rope = { { .theta = 10000 } }, .bos = 0, .n_eos = 1, .eos = { 1 } },
    { .name = "llama2-7b", .layers = 32, .hidden = 4096, .inter = 11008, .heads = 32, .kv_heads = 32, .head_dim = 128, .vocab = 32000,
      .positions = 4096, LLAMA2 },
    { .name = "llama3-8b", .layers = 32, .hidden = 4096, .inter = 14336, .heads = 32, .kv_heads = 8, .head_dim = 128, .vocab = 128256,
      .positions = 8192, .norm_eps = 1e-5, .rope = { { .theta = 500000 } }, LLAMA3_EOS },
    { .name = "llama3.2-3b", .layers = 28, .hidden = 3072, .inter = 8192, .heads = 24, .kv_heads = 8, .head_dim = 128, .vocab = 128256,
      .positions = 131072, .tied_embeddings = true, LLAMA3_2 },
    { .name = "llama3.2-1b", .layers = 16, .hidden = 2048, .inter = 8192, .heads = 32, .kv_heads = 8, .head_dim = 64, .vocab = 128256,
      .positions = 131072, .tied_embeddings = true, LLAMA3_2 },
    { .name = "tinyllama-1.1b", .layers = 22, .hidden = 2048, .inter = 5632, .heads = 32, .kv_heads = 4, .head_dim = 64, .vocab = 32000,
      .positions = 2048, LLAMA2 },
    { .name = "gpt-2b-001", .layers = 24, .hidden = 2048, .inter = 5440, .heads = 16, .kv_heads = 16, .head_dim = 128, .vocab = 256000,
      .positions = 4096, .norm_eps = 1e-5, .rope = { { .theta = 10000 } }, .bos = -1 },
    { .name = "roberta-base", .layers = 12, .hidden = 768, .inter = 3072, .heads = 12, .kv_heads = 12, .head_dim = 64, .vocab = 50265,
      .positions = 514, .counting_only = true, .bos = 0, .n_eos = 1, .eos = { 2 } },
    { .name = "roberta-large", .layers = 24, .hidden = 1024, .inter = 4096, .heads = 16, .kv_heads = 16, .head_dim = 64, .vocab = 50265,
      .positions = 514, .counting_only = true, .bos = 0, .n_eos = 1, .eos = { 2 } },
};
/* clang-format on */
enum { N_PRESETS = sizeof presets / sizeof *presets };

/* --- config.json */

/* One id or a list of them; absent, null: none. */
static int read_eos(model_config *c, const json *j, const char *path)
{
    const json *eos = json_find(j, "eos_token_id");
    if (!eos || json_is_null(eos)) return OK;
    c->n_eos = 0;
    for (const json *e = json_is_array(eos) ? eos->child : eos; e; e = json_is_array(eos) ? e->next : NULL) {
        if (c->n_eos == EOS_MAX) return input_error("%s: \"eos_token_id\": more than %d ids", path, EOS_MAX);
        double id = json_number(e);
        if (!(id >= 0 && id < (double)c->vocab) || id != (double)(int32_t)id)
            return input_error("%s: \"eos_token_id\": must be a token id, 0..%lld, or a list of them", path,
                               (long long)c->vocab - 1);
        c->eos[c->n_eos++] = (int32_t)id;
    }
    return OK;
}

int config_parse(model_config *c, const char *text, size_t n, const char *where)
{
    *c                = (model_config) { .bos = -1 };
    json       *j     = NULL;
    const json *inner = NULL;
    int64_t     bos   = -1;
    int         rc    = json_parse(&j, text, n, where);
    if (!rc && !json_is_object(j)) rc = input_error("%s: must hold one JSON object", where);
    if (!rc) rc = config_read_model(c, j, where, &inner);
    if (!rc && json_has(inner, "bos_token_id")) rc = json_get_int(inner, where, "bos_token_id", 0, c->vocab - 1, &bos);
    if (!rc) rc = read_eos(c, inner, where);
    if (!rc && inner != j) rc = read_eos(c, j, where);
    c->bos = (int32_t)bos;
    json_free(j);
    return rc;
}

int config_read(model_config *c, const char *path)
{
    str text = { 0 };
    int rc   = file_read(path, (size_t)1 << 20, &text);
    if (!rc) rc = config_parse(c, str_c(&text), text.n, path);
    str_free(&text);
    return rc;
}

/* The last part of a path, without trailing slashes. */
static void name_after_folder(model_config *c, const char *dir)
{
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/') n--;
    size_t at = n;
    while (at > 0 && dir[at - 1] != '/') at--;
    snprintf(c->name, sizeof c->name, "%.*s", (int)(n - at), dir + at);
}

/* What generation stops at may differ from what training saw as the end: generation_config.json
 * has the last word, as in transformers. */
static int read_generation_config(model_config *c, const char *dir)
{
    char *path = path_join(dir, "generation_config.json");
    json *j    = NULL;
    int   rc   = OK;
    if (file_exists(path)) {
        rc = json_read_file(&j, path, (size_t)1 << 20);
        if (!rc && json_is_object(j)) rc = read_eos(c, j, path);
    }
    json_free(j);
    free(path);
    return rc;
}

static int unknown_model(const char *name)
{
    str list = { 0 };
    for (int i = 0; i < N_PRESETS; i++) str_item(&list, ", ", presets[i].name);
    int rc = input_error("model \"%s\": no such folder and no such preset; presets: %s", name, list.s);
    str_free(&list);
    return rc;
}

int config_load(model_config *c, const char *preset_or_dir)
{
    for (int i = 0; i < N_PRESETS; i++) {
        if (strcmp(presets[i].name, preset_or_dir) != 0) continue;
        *c = presets[i];
        return OK;
    }
    if (!file_is_dir(preset_or_dir)) return unknown_model(preset_or_dir);
    char *path = path_join(preset_or_dir, "config.json");
    int   rc   = config_read(c, path);
    if (!rc) rc = read_generation_config(c, preset_or_dir);
    if (!rc) name_after_folder(c, preset_or_dir);
    free(path);
    return rc;
}
