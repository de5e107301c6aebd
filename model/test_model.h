/* For tests: folders with small random models, written on the spot. */
#ifndef TIEBREAK_MODEL_TEST_MODEL_H
#define TIEBREAK_MODEL_TEST_MODEL_H
#include "core/test.h"

#include "core/memory.h"
#include "core/rng.h"
#include "model/model_weights.h"
#include "model/safetensors.h"

/* Writes config.json of a shape in the form of transformers 5. */
static inline void test_config_write(const model_config *c, const char *dir)
{
    char *path = path_join(dir, "config.json");
    str   text = { 0 };
    str_printf(
        &text,
        "{\"model_type\":\"llama\",\"dtype\":\"float32\",\"num_hidden_layers\":%d,\"hidden_size\":%d,\"intermediate_size\":%d,"
        "\"num_attention_heads\":%d,\"num_key_value_heads\":%d,\"head_dim\":%d,\"vocab_size\":%d,\"max_position_embeddings\":%d,"
        "\"rms_norm_eps\":%g,\"rope_parameters\":{\"rope_theta\":%g,\"rope_type\":\"%s\"",
        (int)c->layers, (int)c->hidden, (int)c->inter, (int)c->heads, (int)c->kv_heads, (int)c->head_dim, (int)c->vocab,
        (int)c->positions, c->norm_eps, c->rope[0].theta, c->rope[0].scaling == ROPE_LLAMA3 ? "llama3" : "default");
    if (c->rope[0].scaling == ROPE_LLAMA3)
        str_printf(
            &text,
            ",\"factor\":%g,\"low_freq_factor\":%g,\"high_freq_factor\":%g,\"original_max_position_embeddings\":%g",
            c->rope[0].factor, c->rope[0].low_freq, c->rope[0].high_freq, c->rope[0].original);
    str_printf(
        &text,
        "},\"tie_word_embeddings\":%s,\"attention_bias\":%s,\"mlp_bias\":%s,\"bos_token_id\":1,\"eos_token_id\":2}",
        c->tied_embeddings ? "true" : "false", c->o_bias ? "true" : "false", c->mlp_bias ? "true" : "false");
    assert_ok(file_write_atomic(path, text.s, text.n));
    str_free(&text);
    free(path);
}

/* Random weights of a shape: about 1/sqrt(in) for matrices, near 1 for norms, small biases. The
 * returned arrays own names and values. */
static inline tensor_view *test_weights(const model_config *c, uint64_t seed, int64_t *n)
{
    model        shape = { .cfg = *c };
    weight_group g;
    size_t       cap = 0;
    tensor_view *t   = NULL;
    *n               = 0;
    for (int64_t i = 0; weight_group_at(&shape, i, &g); i++)
        for (int k = 0; k < g.n; k++) {
            int64_t      count  = g.rows[k] * (g.cols ? g.cols : 1);
            float       *values = mem_alloc((size_t)count, sizeof *values);
            rng          r      = rng_stream(seed, g.name[k]);
            const double centre = g.gain ? 1 - c->plan.norm_offset : 0;
            for (int64_t e = 0; e < count; e++)
                values[e] = (float)(centre + rng_normal(&r) * (g.cols ? 1.2 / sqrt((double)g.cols) : 0.2));
            if ((size_t)*n == cap) t = mem_grow(t, &cap, sizeof *t);
            const bool turned = g.layout == TRANSPOSED;
            t[(*n)++]         = tensor_of_f32(mem_strdup(g.name[k]), values, turned ? g.cols : g.rows[k],
                                      turned ? g.rows[k] : g.cols);
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

/* Writes both files into dir. */
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

/* The same for a model that is described by the text of its config.json. */
static inline void test_model_write_json(const char *text, uint64_t seed, const char *dir)
{
    model_config c;
    int64_t      n;
    char        *config = path_join(dir, "config.json"), *path = path_join(dir, "model.safetensors");
    assert_ok(file_make_dirs(dir));
    assert_ok(config_parse(&c, text, strlen(text), "test"));
    assert_ok(file_write_atomic(config, text, strlen(text)));
    tensor_view *t = test_weights(&c, seed, &n);
    assert_ok(safetensors_write(path, t, n));
    test_weights_free(t, n);
    free(config);
    free(path);
}

/* A small shape with every oddity at once: grouped heads, a head_dim of its own, all biases, llama3
 * scaling, no dimension a multiple of 8. */
static const model_config odd = { .layers    = 3,
                                  .hidden    = 10,
                                  .inter     = 14,
                                  .heads     = 4,
                                  .kv_heads  = 2,
                                  .head_dim  = 6,
                                  .vocab     = 13,
                                  .positions = 40,
                                  .norm_eps  = 1e-5,
                                  .rope = { { ROPE_LLAMA3, .theta = 1000, .factor = 4, .low_freq = 1, .high_freq = 4,
                                              .original = 16 } },
                                  .qkv_bias = true,
                                  .o_bias   = true,
                                  .mlp_bias = true };

static inline model *open_odd(const char *backend_name, bool trainable, bool tied)
{
    char        *dir = test_tmpdir();
    model_config c   = odd;
    model       *m;
    c.tied_embeddings = tied;
    test_model_write(&c, 11, dir);
    assert_ok(model_open(&m, dir, backend_find(backend_name), trainable));
    test_rmdir(dir);
    return m;
}

/* Random pairs of rank 2, 3, ... with gradients, on the given sites in every layer. */
static inline pair_arrays *random_pairs(const model *m, unsigned sites, uint64_t seed)
{
    const model_config *c = &m->cfg;
    pair_arrays        *p = mem_alloc((size_t)c->layers * SITE_COUNT, sizeof *p);
    rng                 r = rng_stream(seed, "pairs");
    for (int64_t i = 0; i < c->layers * SITE_COUNT; i++) {
        site_id s = (site_id)(i % SITE_COUNT);
        if (!site_set_has(sites, (int)s)) continue;
        int64_t rank = 2 + i % 2, in = site_in(c, s), out = site_out(c, s);
        double *v = mem_alloc((size_t)((in + out) * rank), sizeof *v);
        for (int64_t k = 0; k < (in + out) * rank; k++) v[k] = 0.3 * rng_normal(&r);
        real *A = m->be->alloc(m->be, rank * in), *B = m->be->alloc(m->be, out * rank);
        m->be->upload(m->be, A, v, rank * in);
        m->be->upload(m->be, B, v + rank * in, out * rank);
        p[i] = (pair_arrays) { .A   = A,
                               .B   = B,
                               .r   = rank,
                               .lda = in,
                               .ldb = rank,
                               .dA  = m->be->params->alloc(m->be->params, rank * in),
                               .dB  = m->be->params->alloc(m->be->params, out * rank) };
        free(v);
    }
    return p;
}

static inline void free_pairs(const model *m, pair_arrays *p)
{
    for (int64_t i = 0; i < m->cfg.layers * SITE_COUNT; i++) {
        m->be->release(m->be, (real *)(uintptr_t)p[i].A);
        m->be->release(m->be, (real *)(uintptr_t)p[i].B);
        m->be->release(m->be, p[i].dA);
        m->be->release(m->be, p[i].dB);
    }
    free(p);
}
#endif
