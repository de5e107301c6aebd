/* For tests: folders with small random models, written on the spot. */
#ifndef TIEBREAK_MODEL_TEST_MODEL_H
#define TIEBREAK_MODEL_TEST_MODEL_H
#include "core/test.h"

#include "core/memory.h"
#include "core/rng.h"
#include "model/model_weights.h"
#include "model/safetensors.h"

/* config.json of a shape, in the form transformers 5 writes. */
static inline void test_config_write(const model_config *c, const char *dir)
{
    char *path = path_join(dir, "config.json");
    str   text = { 0 };
    str_printf(&text,
               "{\"model_type\":\"llama\",\"dtype\":\"float32\",\"num_hidden_layers\":%d,\"hidden_size\":%d,\"intermediate_size\":%d,"
               "\"num_attention_heads\":%d,\"num_key_value_heads\":%d,\"head_dim\":%d,\"vocab_size\":%d,\"max_position_embeddings\":%d,"
               "\"rms_norm_eps\":%g,\"rope_parameters\":{\"rope_theta\":%g,\"rope_type\":\"%s\"",
               (int)c->layers, (int)c->hidden, (int)c->inter, (int)c->heads, (int)c->kv_heads, (int)c->head_dim, (int)c->vocab, (int)c->positions,
               c->norm_eps, c->rope_theta, c->rope_factor ? "llama3" : "default");
    if (c->rope_factor)
        str_printf(&text, ",\"factor\":%g,\"low_freq_factor\":%g,\"high_freq_factor\":%g,\"original_max_position_embeddings\":%g", c->rope_factor,
                   c->rope_low_freq, c->rope_high_freq, c->rope_original);
    str_printf(&text, "},\"tie_word_embeddings\":%s,\"attention_bias\":%s,\"mlp_bias\":%s,\"bos_token_id\":1,\"eos_token_id\":2}",
               c->tied_embeddings ? "true" : "false", c->o_bias ? "true" : "false", c->mlp_bias ? "true" : "false");
    assert_ok(file_write_atomic(path, text.s, text.n));
    str_free(&text);
    free(path);
}

/* Random weights of a shape: about 1/sqrt(in) for matrices, near 1 for norms, small biases. Names and values are owned by the arrays returned. */
static inline tensor_view *test_weights(const model_config *c, uint64_t seed, int64_t *n)
{
    model        shape = { .cfg = *c };
    weight_group g;
    size_t       cap = 0;
    tensor_view *t   = NULL;
    *n               = 0;
    for (int64_t i = 0; weight_group_at(&shape, i, &g); i++)
        for (int k = 0; k < g.n; k++) {
            int64_t count  = g.rows[k] * (g.cols ? g.cols : 1);
            float  *values = mem_alloc((size_t)count, sizeof *values);
            rng     r      = rng_stream(seed, g.name[k]);
            bool    norm   = strstr(g.name[k], "norm") != NULL;
            for (int64_t e = 0; e < count; e++) values[e] = (float)((norm ? 1 : 0) + rng_normal(&r) * (g.cols ? 1.2 / sqrt((double)g.cols) : 0.2));
            if ((size_t)*n == cap) t = mem_grow(t, &cap, sizeof *t);
            t[(*n)++] = tensor_of_f32(mem_strdup(g.name[k]), values, g.rows[k], g.cols);
        }
    return t;
}

static inline void test_weights_free(tensor_view *t, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        free((void *)(uintptr_t)t[i].name);
        free((void *)(uintptr_t)t[i].bytes);
    }
    free(t);
}

/* Both files into dir. */
static inline void test_model_write(const model_config *c, uint64_t seed, const char *dir)
{
    int64_t      n;
    tensor_view *t    = test_weights(c, seed, &n);
    char        *path = path_join(dir, "model.safetensors");
    test_config_write(c, dir);
    assert_ok(safetensors_write(path, t, n));
    free(path);
    test_weights_free(t, n);
}
#endif
