#include "model/random_base.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/rng.h"
#include "model/model_weights.h"
#include "model/safetensors.h"

static int write_json(const char *dir, const char *name, json *j)
{
    str   text = { 0 };
    char *path = path_join(dir, name);
    json_print(j, &text, true);
    int rc = file_write_atomic(path, str_c(&text), text.n);
    str_free(&text);
    free(path);
    json_free(j);
    return rc;
}

static void set_ends(json *j, const model_config *c)
{
    if (c->bos >= 0) json_set_int(j, "bos_token_id", c->bos);
    if (c->n_eos) json_set_int(j, "eos_token_id", c->eos[0]);
}

static int write_config(const char *dir, const model_config *c)
{
    json *j = json_object(), *names = json_array(), *g = json_object();
    json_push(names, cJSON_CreateString("LlamaForCausalLM"));
    json_set(j, "architectures", names);
    json_set_bool(j, "attention_bias", c->qkv_bias);
    json_set_num(j, "attention_dropout", 0);
    set_ends(j, c);
    json_set_int(j, "head_dim", c->head_dim);
    json_set_str(j, "hidden_act", "silu");
    json_set_int(j, "hidden_size", c->hidden);
    json_set_num(j, "initializer_range", 0.02);
    json_set_int(j, "intermediate_size", c->inter);
    json_set_int(j, "max_position_embeddings", c->positions);
    json_set_bool(j, "mlp_bias", c->mlp_bias);
    json_set_str(j, "model_type", "llama");
    json_set_int(j, "num_attention_heads", c->heads);
    json_set_int(j, "num_hidden_layers", c->layers);
    json_set_int(j, "num_key_value_heads", c->kv_heads);
    json_set_int(j, "pretraining_tp", 1);
    json_set_num(j, "rms_norm_eps", c->norm_eps);
    json_set_str(j, "rope_scaling", NULL);
    json_set_num(j, "rope_theta", c->rope_theta);
    json_set_bool(j, "tie_word_embeddings", c->tied_embeddings);
    json_set_str(j, "torch_dtype", "float32");
    json_set_bool(j, "use_cache", true);
    json_set_int(j, "vocab_size", c->vocab);
    int rc = write_json(dir, "config.json", j);
    set_ends(g, c);
    return rc ? json_free(g), rc : write_json(dir, "generation_config.json", g);
}

static bool contains(const char *s, const char *part) { return strstr(s, part) != NULL; }

static void fill(float *values, int64_t count, const char *name, int64_t layers, uint64_t seed)
{
    rng    r     = rng_stream(seed, name);
    bool   out   = contains(name, "o_proj.weight") || contains(name, "down_proj.weight");
    double sigma = out ? 0.02 / sqrt(2.0 * (double)layers) : 0.02;
    for (int64_t i = 0; i < count; i++) values[i] = contains(name, "norm") ? 1.0f : contains(name, ".bias") ? 0.0f : (float)(sigma * rng_normal(&r));
}

int random_base_write(const char *dir, const model_config *c, uint64_t seed)
{
    int rc = file_make_dirs(dir);
    if (!rc) rc = write_config(dir, c);
    if (rc) return rc;
    model        m       = { .cfg = *c };
    tensor_view *tensors = NULL;
    size_t       n = 0, cap = 0;
    m.layers            = mem_alloc((size_t)c->layers, sizeof *m.layers);
    m.grads             = mem_alloc((size_t)c->layers, sizeof *m.grads);
    arena        values = { 0 };
    weight_group g;
    for (int64_t i = 0; weight_group_at(&m, i, &g); i++)
        for (int k = 0; k < g.n; k++) {
            int64_t count = g.rows[k] * (g.cols ? g.cols : 1);
            char   *name  = arena_strndup(&values, g.name[k], strlen(g.name[k]));
            float  *v     = arena_alloc(&values, (size_t)count, sizeof *v);
            fill(v, count, name, c->layers, seed);
            if (n == cap) tensors = mem_grow(tensors, &cap, sizeof *tensors);
            tensors[n++] = tensor_of_f32(name, v, g.rows[k], g.cols);
        }
    char *path = path_join(dir, "model.safetensors");
    rc         = safetensors_write(path, tensors, (int64_t)n);
    free(path);
    free(tensors);
    free(m.layers);
    free(m.grads);
    arena_free(&values);
    return rc;
}
