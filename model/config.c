#include "model/config.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"

/* --- counts */

static int64_t decoder_parameters(const model_config *c)
{
    int64_t d = c->hidden, q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    int64_t layer = 2 * d + d * (q + 2 * kv) + q * d + 3 * d * c->inter;
    if (c->qkv_bias) layer += q + 2 * kv;
    if (c->o_bias) layer += d;
    if (c->mlp_bias) layer += 2 * c->inter + d;
    return c->layers * layer + d + (c->tied_embeddings ? 1 : 2) * c->vocab * d;
}

/* RoBERTa: LayerNorms and every linear with a bias, learned positions, one token type, a pooler;
 * no head. */
static int64_t encoder_parameters(const model_config *c)
{
    int64_t d = c->hidden, layer = 4 * (d * d + d) + (d * c->inter + c->inter) + (c->inter * d + d) + 2 * 2 * d;
    return (c->vocab + c->positions + 1) * d + 2 * d + c->layers * layer + d * d + d;
}

int64_t config_parameters(const model_config *c)
{
    return c->counting_only ? encoder_parameters(c) : decoder_parameters(c);
}

/* --- presets. The published configurations of the models they are named after; gpt-2b-001
 * (NVIDIA, facts of its NeMo configuration) is here for its shapes: it normalises and rotates in
 * another way than a Llama. */

#define LLAMA3_EOS .bos = 128000, .n_eos = 1, .eos = { 128001 }
#define LLAMA3_2                                                                                                       \
    .norm_eps = 1e-5, .rope_theta = 500000, .rope_factor = 32, .rope_low_freq = 1, .rope_high_freq = 4,                \
    .rope_original = 8192, LLAMA3_EOS
#define LLAMA2 .norm_eps = 1e-5, .rope_theta = 10000, .bos = 1, .n_eos = 1, .eos = { 2 }

/* clang-format off */
static const model_config presets[] = {
    { .name = "mini", .layers = 6, .hidden = 128, .inter = 256, .heads = 4, .kv_heads = 4, .head_dim = 32, .vocab = 1024, .positions = 256,
      .tied_embeddings = true, .norm_eps = 1e-5, .rope_theta = 10000, .bos = 0, .n_eos = 1, .eos = { 1 } },
    { .name = "llama2-7b", .layers = 32, .hidden = 4096, .inter = 11008, .heads = 32, .kv_heads = 32, .head_dim = 128, .vocab = 32000,
      .positions = 4096, LLAMA2 },
    { .name = "llama3-8b", .layers = 32, .hidden = 4096, .inter = 14336, .heads = 32, .kv_heads = 8, .head_dim = 128, .vocab = 128256,
      .positions = 8192, .norm_eps = 1e-5, .rope_theta = 500000, LLAMA3_EOS },
    { .name = "llama3.2-3b", .layers = 28, .hidden = 3072, .inter = 8192, .heads = 24, .kv_heads = 8, .head_dim = 128, .vocab = 128256,
      .positions = 131072, .tied_embeddings = true, LLAMA3_2 },
    { .name = "llama3.2-1b", .layers = 16, .hidden = 2048, .inter = 8192, .heads = 32, .kv_heads = 8, .head_dim = 64, .vocab = 128256,
      .positions = 131072, .tied_embeddings = true, LLAMA3_2 },
    { .name = "tinyllama-1.1b", .layers = 22, .hidden = 2048, .inter = 5632, .heads = 32, .kv_heads = 4, .head_dim = 64, .vocab = 32000,
      .positions = 2048, LLAMA2 },
    { .name = "gpt-2b-001", .layers = 24, .hidden = 2048, .inter = 5440, .heads = 16, .kv_heads = 16, .head_dim = 128, .vocab = 256000,
      .positions = 4096, .norm_eps = 1e-5, .rope_theta = 10000, .bos = -1 },
    { .name = "roberta-base", .layers = 12, .hidden = 768, .inter = 3072, .heads = 12, .kv_heads = 12, .head_dim = 64, .vocab = 50265,
      .positions = 514, .counting_only = true, .bos = 0, .n_eos = 1, .eos = { 2 } },
    { .name = "roberta-large", .layers = 24, .hidden = 1024, .inter = 4096, .heads = 16, .kv_heads = 16, .head_dim = 64, .vocab = 50265,
      .positions = 514, .counting_only = true, .bos = 0, .n_eos = 1, .eos = { 2 } },
};
/* clang-format on */
enum { N_PRESETS = sizeof presets / sizeof *presets };

/* --- config.json */

/* Sizes a decoder can have: far above any published model, far below what overflows. */
enum {
    LAYERS_MAX    = 1024,
    WIDTH_MAX     = 1 << 18,
    HEADS_MAX     = 4096,
    HEAD_DIM_MAX  = 1024,
    VOCAB_MAX     = 1 << 22,
    POSITIONS_MAX = 1 << 24
};
static const int64_t PARAMETERS_MAX = (int64_t)1 << 41;

/* Members that may be missing; *out then keeps the value it has. */
static int optional_int(const json *j, const char *path, const char *key, int64_t min, int64_t max, int64_t *out)
{
    return json_has(j, key) ? json_get_int(j, path, key, min, max, out) : OK;
}

static int optional_num(const json *j, const char *path, const char *key, double min, double max, double *out)
{
    return json_has(j, key) ? json_get_num(j, path, key, min, max, out) : OK;
}

static int optional_bool(const json *j, const char *path, const char *key, bool *out)
{
    return json_has(j, key) ? json_get_bool(j, path, key, out) : OK;
}

static int read_shape(model_config *c, const json *j, const char *path)
{
    int rc = json_get_int(j, path, "num_hidden_layers", 1, LAYERS_MAX, &c->layers);
    if (!rc) rc = json_get_int(j, path, "hidden_size", 1, WIDTH_MAX, &c->hidden);
    if (!rc) rc = json_get_int(j, path, "intermediate_size", 1, WIDTH_MAX, &c->inter);
    if (!rc) rc = json_get_int(j, path, "num_attention_heads", 1, HEADS_MAX, &c->heads);
    if (!rc) rc = json_get_int(j, path, "vocab_size", 1, VOCAB_MAX, &c->vocab);
    if (!rc) rc = json_get_int(j, path, "max_position_embeddings", 1, POSITIONS_MAX, &c->positions);
    c->kv_heads = c->heads;
    if (!rc) rc = optional_int(j, path, "num_key_value_heads", 1, HEADS_MAX, &c->kv_heads);
    if (!rc) rc = optional_int(j, path, "head_dim", 1, HEAD_DIM_MAX, &c->head_dim);
    if (rc) return rc;
    if (c->heads % c->kv_heads)
        return input_error("%s: \"num_key_value_heads\": %lld: must divide num_attention_heads, which is %lld", path,
                           (long long)c->kv_heads, (long long)c->heads);
    if (!c->head_dim) {
        if (c->hidden % c->heads)
            return input_error(
                "%s: \"num_attention_heads\": %lld: does not divide hidden_size %lld, and there is no head_dim", path,
                (long long)c->heads, (long long)c->hidden);
        c->head_dim = c->hidden / c->heads;
    }
    if (c->head_dim % 2 || c->head_dim > HEAD_DIM_MAX)
        return input_error("%s: head_dim %lld: must be even, 2..%d", path, (long long)c->head_dim, HEAD_DIM_MAX);
    if (config_parameters(c) > PARAMETERS_MAX)
        return input_error("%s: these sizes make %lld parameters; at most %lld are handled", path,
                           (long long)config_parameters(c), (long long)PARAMETERS_MAX);
    return OK;
}

static int read_rope_llama3(model_config *c, const json *rope, const char *path)
{
    int rc = json_get_num(rope, path, "factor", 1, 1e6, &c->rope_factor);
    if (!rc) rc = json_get_num(rope, path, "low_freq_factor", 1e-6, 1e6, &c->rope_low_freq);
    if (!rc) rc = json_get_num(rope, path, "high_freq_factor", 1e-6, 1e6, &c->rope_high_freq);
    if (!rc) rc = json_get_num(rope, path, "original_max_position_embeddings", 1, 1e9, &c->rope_original);
    if (!rc && c->rope_high_freq <= c->rope_low_freq)
        rc = input_error("%s: \"high_freq_factor\": %g: must be above low_freq_factor, which is %g", path,
                         c->rope_high_freq, c->rope_low_freq);
    return rc;
}

/* transformers 5 writes rope_parameters { rope_theta, rope_type, ... }; before, rope_theta stood
 * at the top and rope_scaling { rope_type or type, ... } beside it, null when there was none. */
static int read_rope(model_config *c, const json *j, const char *path)
{
    const char *key  = json_has(j, "rope_parameters") ? "rope_parameters" : "rope_scaling";
    const json *rope = NULL;
    int         rc   = optional_num(j, path, "rope_theta", 1, 1e12, &c->rope_theta);
    if (rc || !json_has(j, key)) return rc;
    if ((rc = json_get_object(j, path, key, &rope))) return rc;
    if ((rc = optional_num(rope, path, "rope_theta", 1, 1e12, &c->rope_theta))) return rc;
    for (const json *m = rope->child; m; m = m->next)
        if (json_is_object(m))
            return input_error("%s: \"%s\": \"%s\": rotary settings that differ by layer are not supported", path, key,
                               m->string);
    const char *type     = "default";
    const char *type_key = json_has(rope, "rope_type") ? "rope_type" : "type";
    if (json_has(rope, type_key) && (rc = json_get_str(rope, path, type_key, &type))) return rc;
    double part = 1;
    if ((rc = optional_num(rope, path, "partial_rotary_factor", 0, 1, &part))) return rc;
    if (part != 1) return input_error("%s: \"partial_rotary_factor\": %g: only 1 is supported", path, part);
    if (!strcmp(type, "default")) return OK;
    if (!strcmp(type, "llama3")) return read_rope_llama3(c, rope, path);
    return input_error("%s: \"%s\": %s \"%.40s\" is not supported; \"default\" and \"llama3\" are", path, key, type_key,
                       type);
}

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

/* model_type -> which biases attention has. Mistral (without a window) and Qwen2 compute what a
 * Llama computes. */
typedef enum { BIAS_BY_CONFIG, BIAS_NONE, BIAS_QKV } bias_rule;
static const struct {
    const char *model_type;
    bias_rule   bias;
} families[] = { { "llama", BIAS_BY_CONFIG }, { "mistral", BIAS_NONE }, { "qwen2", BIAS_QKV } };

static int read_family(model_config *c, const json *j, const char *path)
{
    const char *type = NULL;
    int         rc   = json_get_str(j, path, "model_type", &type);
    if (rc) return rc;
    size_t f = 0, n = sizeof families / sizeof *families;
    while (f < n && strcmp(families[f].model_type, type) != 0) f++;
    if (f == n)
        return input_error("%s: \"model_type\": \"%.40s\" is not supported; \"llama\", \"mistral\" and \"qwen2\" are",
                           path, type);
    bool attention_bias = false;
    rc                  = optional_bool(j, path, "attention_bias", &attention_bias);
    if (!rc) rc = optional_bool(j, path, "mlp_bias", &c->mlp_bias);
    if (families[f].bias != BIAS_BY_CONFIG) attention_bias = false, c->mlp_bias = false;
    c->qkv_bias = attention_bias || families[f].bias == BIAS_QKV;
    c->o_bias   = attention_bias;
    if (!rc && !strcmp(type, "mistral") && !json_find(j, "sliding_window"))
        rc = input_error("%s: \"sliding_window\" is missing, and a mistral then has one of 4096; not supported", path);
    return rc;
}

/* Members that change the maths, with the only value that is understood. */
static int refuse_unsupported(const json *j, const char *path)
{
    static const struct {
        const char *key;
        double      only;
    } numbers[] = { { "pretraining_tp", 1 }, { "partial_rotary_factor", 1 } };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        double v  = numbers[i].only;
        int    rc = optional_num(j, path, numbers[i].key, -1e9, 1e9, &v);
        if (rc) return rc;
        if (v != numbers[i].only)
            return input_error("%s: \"%s\": %g: only %g is supported", path, numbers[i].key, v, numbers[i].only);
    }
    if (json_has(j, "hidden_act")) {
        const char *act = NULL;
        int         rc  = json_get_str(j, path, "hidden_act", &act);
        if (rc) return rc;
        if (strcmp(act, "silu") != 0 && strcmp(act, "swish") != 0)
            return input_error("%s: \"hidden_act\": \"%.40s\" is not supported; \"silu\" is", path, act);
    }
    if (json_has(j, "quantization_config"))
        return input_error(
            "%s: \"quantization_config\": quantised weights are not supported; use the folder they were made from",
            path);
    /* qwen2 keeps the size of a window that use_sliding_window switches off */
    bool windows = json_has(j, "sliding_window");
    int  rc      = optional_bool(j, path, "use_sliding_window", &windows);
    if (rc) return rc;
    if (windows)
        return input_error("%s: \"%s\": sliding-window attention is not supported", path,
                           json_has(j, "use_sliding_window") ? "use_sliding_window" : "sliding_window");
    const json *types = json_find(j, "layer_types");
    for (const json *t = json_items(types); t; t = t->next)
        if (!json_text(t) || strcmp(t->valuestring, "full_attention") != 0)
            return input_error("%s: \"layer_types\": only \"full_attention\" is supported", path);
    return OK;
}

int config_parse(model_config *c, const char *text, size_t n, const char *where)
{
    *c          = (model_config) { .bos = -1, .rope_theta = 10000, .norm_eps = 1e-6 };
    json   *j   = NULL;
    int64_t bos = -1;
    int     rc  = json_parse(&j, text, n, where);
    if (!rc && !json_is_object(j)) rc = input_error("%s: must hold one JSON object", where);
    if (!rc) rc = read_family(c, j, where);
    if (!rc) rc = refuse_unsupported(j, where);
    if (!rc) rc = read_shape(c, j, where);
    if (!rc) rc = read_rope(c, j, where);
    if (!rc) rc = optional_num(j, where, "rms_norm_eps", 0, 1, &c->norm_eps);
    if (!rc) rc = optional_bool(j, where, "tie_word_embeddings", &c->tied_embeddings);
    if (!rc) rc = optional_int(j, where, "bos_token_id", 0, c->vocab - 1, &bos);
    if (!rc) rc = read_eos(c, j, where);
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
