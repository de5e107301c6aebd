#include "model/random_base.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/rng.h"
#include "model/model_weights.h"
#include "model/presets.h"
#include "model/safetensors.h"

static int write_json(const char *dir, const char *name, json *j)
{
    char *path = path_join(dir, name);
    int   rc   = json_write_file(j, path);
    free(path);
    json_free(j);
    return rc;
}

static void set_ends(json *j, const model_config *c)
{
    if (c->bos >= 0) json_set_int(j, "bos_token_id", c->bos);
    if (c->n_eos) json_set_int(j, "eos_token_id", c->eos[0]);
}

/* Llama's; of another family the words of its preset. */
static int write_config(const char *dir, const model_config *c, const char *torch_dtype)
{
    const char *text = preset_json(c->name);
    json       *j = NULL, *g = json_object();
    if (!text && c->family != FAMILY_LLAMA) {
        json_free(g);
        return input_error("%s: a base with random weights is written of presets and Llama's family, not of a %s",
                           c->name, families[c->family].model_type);
    }
    if (text) {
        int rc = json_parse(&j, text, strlen(text), c->name);
        if (rc) return json_free(g), rc;
        json_set(j, "architectures", json_list(json_of_text(families[c->family].architecture), NULL));
        json_set_str(j, "torch_dtype", torch_dtype);
        rc = write_json(dir, "config.json", j);
        return rc ? json_free(g), rc : write_json(dir, "generation_config.json", g);
    }
    j = json_object();
    json_set(j, "architectures", json_list(json_of_text("LlamaForCausalLM"), NULL));
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
    json_set_num(j, "rope_theta", c->rope[0].theta);
    json_set_bool(j, "tie_word_embeddings", c->tied_embeddings);
    json_set_str(j, "torch_dtype", torch_dtype);
    json_set_bool(j, "use_cache", true);
    json_set_int(j, "vocab_size", c->vocab);
    int rc = write_json(dir, "config.json", j);
    set_ends(g, c);
    return rc ? json_free(g), rc : write_json(dir, "generation_config.json", g);
}

/* Matrices are N(0, 0.02^2), except those that write to the residual stream. */
static double sigma_of(const weight_tensor *t, int64_t layers)
{
    return t->out ? 0.02 / sqrt(2.0 * (double)layers) : 0.02;
}

/* Gains are 1, whatever is stored of them; biases 0. */
static float vector_value(const weight_tensor *t, const model_config *c)
{
    return t->gain ? (float)(1 - c->plan.norm_offset) : 0;
}

static void fill(float *values, const weight_tensor *t, const model_config *c, uint64_t seed)
{
    rng    r     = rng_stream(seed, t->name);
    double sigma = sigma_of(t, c->layers);
    for (int64_t i = 0; i < t->count; i++) values[i] = t->cols ? (float)(sigma * rng_normal(&r)) : vector_value(t, c);
}

int random_base_write(const char *dir, const model_config *c, uint64_t seed)
{
    int rc = file_make_dirs(dir);
    if (!rc) rc = write_config(dir, c, "float32");
    if (rc) return rc;
    int64_t        n;
    weight_tensor *t       = weight_tensors(c, &n);
    tensor_view   *tensors = mem_alloc((size_t)n, sizeof *tensors);
    arena          values  = { 0 };
    for (int64_t i = 0; i < n; i++) {
        float *v = arena_alloc(&values, (size_t)t[i].count, sizeof *v);
        fill(v, &t[i], c, seed);
        tensors[i] = tensor_of_f32(t[i].name, v, t[i].rows, t[i].cols);
    }
    char *path = path_join(dir, "model.safetensors");
    rc         = safetensors_write(path, tensors, n);
    free(path);
    free(tensors);
    free(t);
    arena_free(&values);
    return rc;
}

/* --- in bf16, by shards: for measuring, so it has to be fast */

/* How many of the tensors, from the first of n on, a file of so many bytes holds: one at least. */
static int64_t shard_size(const weight_tensor *t, int64_t n, int64_t shard_bytes)
{
    int64_t size = 1, bytes = 2 * t[0].count;
    while (size < n && bytes + 2 * t[size].count <= shard_bytes) bytes += 2 * t[size++].count;
    return size;
}

/* splitmix64's output function: it gives the value at any index at once, so threads need no
 * streams. */
static uint64_t mixed(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Rounds to the nearest, ties to even. */
static uint16_t bf16_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static void fill_bf16(uint16_t *values, const weight_tensor *t, const model_config *c, uint64_t seed)
{
    rng      r   = rng_stream(seed, t->name);
    uint64_t key = rng_u64(&r);
    if (!t->cols) {
        for (int64_t i = 0; i < t->count; i++) values[i] = bf16_of(vector_value(t, c));
        return;
    }
    /* one draw gives four 16-bit uniforms, whose sum has this mean and variance and is close enough
     * to normal. */
    const float mean = 2 * 65535.0f, scale = (float)(sigma_of(t, c->layers) * sqrt(3.0) / 65536);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < t->count; i++) {
        uint64_t z   = mixed(key + (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15));
        float    sum = (float)(int)((z & 0xffff) + (z >> 16 & 0xffff) + (z >> 32 & 0xffff) + (z >> 48));
        values[i]    = bf16_of(scale * (sum - mean));
    }
}

static int write_shard(const char *dir, const char *file, const weight_tensor *t, int64_t n, const model_config *c,
                       uint64_t seed)
{
    tensor_view *views = mem_alloc((size_t)n, sizeof *views);
    int64_t      total = 0, at = 0;
    for (int64_t i = 0; i < n; i++) total += t[i].count;
    uint16_t *values = mem_alloc((size_t)total, sizeof *values);
    for (int64_t i = 0; i < n; i++) {
        fill_bf16(values + at, &t[i], c, seed);
        views[i]       = tensor_of_f32(t[i].name, NULL, t[i].rows, t[i].cols);
        views[i].dtype = DT_BF16;
        views[i].bytes = (const unsigned char *)(values + at);
        at += t[i].count;
    }
    char *path = path_join(dir, file);
    int   rc   = safetensors_write(path, views, n);
    free(path);
    free(values);
    free(views);
    return rc;
}

int random_base_write_bf16(const char *dir, const model_config *c, uint64_t seed, int64_t shard_bytes)
{
    int rc = file_make_dirs(dir);
    if (!rc) rc = write_config(dir, c, "bfloat16");
    if (rc) return rc;
    int64_t        n, shard = 0, shards = 0, bytes = 0;
    weight_tensor *t   = weight_tensors(c, &n);
    json          *map = json_object();
    for (int64_t at = 0; at < n; at += shard_size(t + at, n - at, shard_bytes)) shards++;
    for (int64_t at = 0, end; at < n && !rc; at = end) {
        char file[64];
        end = at + shard_size(t + at, n - at, shard_bytes);
        snprintf(file, sizeof file, "model-%05lld-of-%05lld.safetensors", (long long)++shard, (long long)shards);
        rc = write_shard(dir, file, t + at, end - at, c, seed);
        for (int64_t i = at; i < end; i++) {
            json_set_str(map, t[i].name, file);
            bytes += 2 * t[i].count;
        }
    }
    free(t);
    json *index = json_format("{'metadata':{'total_size':%lld}}", (long long)bytes);
    json_set(index, "weight_map", map);
    if (!rc) return write_json(dir, "model.safetensors.index.json", index);
    json_free(index);
    return rc;
}
