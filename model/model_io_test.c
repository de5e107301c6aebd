#include "model/test_model.h"

static const model_config shape = { .layers    = 2,
                                    .hidden    = 12,
                                    .inter     = 20,
                                    .heads     = 3,
                                    .kv_heads  = 1,
                                    .head_dim  = 4,
                                    .vocab     = 17,
                                    .positions = 32,
                                    .norm_eps  = 1e-5,
                                    .rope      = { { .theta = 10000 } },
                                    .qkv_bias  = true,
                                    .o_bias    = true,
                                    .mlp_bias  = true };

static tensor_view *tensor_named(tensor_view *t, int64_t n, const char *name)
{
    for (int64_t i = 0; i < n; i++)
        if (!strcmp(t[i].name, name)) return &t[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

/* Every weight of the model as f64, in the order of the groups. */
static double *all_weights(model *m, int64_t *count)
{
    weight_group g;
    *count = 0;
    for (int64_t i = 0; weight_group_at(m, i, &g); i++) *count += g.count;
    double *v = mem_alloc((size_t)*count, sizeof *v), *at = v;
    for (int64_t i = 0; weight_group_at(m, i, &g); i++) {
        m->be->download(m->be, at, *g.slot, g.count);
        at += g.count;
    }
    return v;
}

static void assert_same_weights(model *a, model *b)
{
    int64_t na, nb;
    double *va = all_weights(a, &na), *vb = all_weights(b, &nb);
    assert_int_equal(na, nb);
    assert_memory_equal(va, vb, (size_t)na * sizeof *va);
    free(va);
    free(vb);
}

static void q_k_v_and_gate_up_are_fused_in_order(void **state)
{
    (void)state;
    char        *dir = test_tmpdir();
    int64_t      n;
    tensor_view *t = test_weights(&shape, 1, &n);
    test_model_write(&shape, 1, dir);
    static const char *const backends[] = { "ref", "cpu" };
    for (int k = 0; k < 4; k++) {
        model *m;
        assert_ok(model_open(&m, dir, backend_find(backends[k & 1]), k >= 2));
        double values[20 * 12];
        /* row 0 of v is row q_out + kv_out of qkv; row 3 of up is row inter + 3 of gate_up */
        m->be->download(m->be, values, real_at(m->be, m->layers[1].qkv, (12 + 4) * 12), 12);
        const float *v =
            (const float *)(const void *)tensor_named(t, n, "model.layers.1.self_attn.v_proj.weight")->bytes;
        for (int i = 0; i < 12; i++) assert_true(values[i] == v[i]);
        m->be->download(m->be, values, real_at(m->be, m->layers[0].gate_up, (20 + 3) * 12), 12);
        const float *up = (const float *)(const void *)tensor_named(t, n, "model.layers.0.mlp.up_proj.weight")->bytes;
        for (int i = 0; i < 12; i++) assert_true(values[i] == up[3 * 12 + i]);
        m->be->download(m->be, values, m->layers[1].down_bias, 12);
        const float *bias = (const float *)(const void *)tensor_named(t, n, "model.layers.1.mlp.down_proj.bias")->bytes;
        for (int i = 0; i < 12; i++) assert_true(values[i] == bias[i]);
        assert_true((m->flat != NULL) == (k >= 2));
        if (m->flat) assert_true(m->flat_count >= config_parameters(&m->cfg) && m->embed == m->flat);
        model_close(m);
    }
    test_weights_free(t, n);
    test_rmdir(dir);
}

/* Splits the tensors over two files and writes the index; `lie` names a tensor for which the index
 * gives the wrong file. */
static void write_shards(const char *dir, tensor_view *t, int64_t n, const char *lie)
{
    static const char *const files[] = { "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors" };
    str                      index   = { 0 };
    str_puts(&index, "{\"metadata\":{\"total_size\":1},\"weight_map\":{");
    for (int64_t i = 0; i < n; i++) {
        int shard = i >= n / 2;
        if (lie && !strcmp(t[i].name, lie)) shard = !shard;
        str_printf(&index, "%s\"%s\":\"%s\"", i ? "," : "", t[i].name, files[shard]);
    }
    str_puts(&index, "}}");
    for (int k = 0; k < 2; k++) {
        char *path = path_join(dir, files[k]);
        assert_ok(safetensors_write(path, t + (k ? n / 2 : 0), k ? n - n / 2 : n / 2));
        free(path);
    }
    char *path = path_join(dir, "model.safetensors.index.json");
    assert_ok(file_write_atomic(path, index.s, index.n));
    free(path);
    str_free(&index);
}

static void shards_give_the_same_model(void **state)
{
    (void)state;
    char        *one = test_tmpdir(), *many = test_tmpdir();
    int64_t      n;
    tensor_view *t = test_weights(&shape, 7, &n);
    test_model_write(&shape, 7, one);
    test_config_write(&shape, many);
    write_shards(many, t, n, NULL);
    model *a, *b;
    assert_ok(model_open(&a, one, backend_find("cpu"), false));
    assert_ok(model_open(&b, many, backend_find("cpu"), false));
    assert_same_weights(a, b);
    assert_int_equal(strlen(model_hash(b)), 64);
    assert_string_not_equal(model_hash(a), model_hash(b));
    char want[65], *path = path_join(one, "model.safetensors");
    assert_ok(sha256_file(path, want));
    assert_string_equal(model_hash(a), want);
    free(path);
    model_close(a);
    model_close(b);
    write_shards(many, t, n, "model.norm.weight");
    assert_input_error(model_open(&a, many, backend_find("cpu"), false),
                       "says that tensor \"model.norm.weight\" is in");
    path                              = path_join(many, "model.safetensors.index.json");
    static const char *const bad[][2] = { { "{\"weight_map\":{\"a\":\"../x\"}}", "must be a file name in this folder" },
                                          { "{\"weight_map\":{}}", "is empty" },
                                          { "{}", "\"weight_map\" is missing" },
                                          { "{\"weight_map\":{\"a\":\"nowhere.safetensors\"}}",
                                            "nowhere.safetensors: cannot be read" } };
    for (int i = 0; i < 4; i++) {
        assert_ok(file_write_atomic(path, bad[i][0], strlen(bad[i][0])));
        assert_input_error(model_open(&a, many, backend_find("cpu"), false), bad[i][1]);
    }
    free(path);
    test_weights_free(t, n);
    test_rmdir(one);
    test_rmdir(many);
}

/* Tensors whose values F16 and BF16 hold exactly are read from both. */
static void half_precision_files_are_read(void **state)
{
    (void)state;
    char        *wide = test_tmpdir(), *half = test_tmpdir();
    int64_t      n;
    tensor_view *t = test_weights(&shape, 3, &n), *h = mem_alloc((size_t)n, sizeof *h);
    for (int64_t i = 0; i < n; i++) {
        float    *v    = (float *)(uintptr_t)t[i].bytes;
        uint16_t *bits = mem_alloc((size_t)t[i].count, sizeof *bits);
        for (int64_t e = 0; e < t[i].count; e++) {
            uint32_t u;
            memcpy(&u, &v[e], 4);
            u &= 0xFFFF0000u; /* now BF16 holds it exactly */
            memcpy(&v[e], &u, 4);
            bits[e] = (uint16_t)(u >> 16);
        }
        h[i]       = t[i];
        h[i].dtype = DT_BF16;
        h[i].bytes = (const unsigned char *)bits;
    }
    char *path = path_join(wide, "model.safetensors");
    test_config_write(&shape, wide);
    assert_ok(safetensors_write(path, t, n));
    free(path);
    path = path_join(half, "model.safetensors");
    test_config_write(&shape, half);
    assert_ok(safetensors_write(path, h, n));
    free(path);
    for (int k = 0; k < 2; k++) {
        model *a, *b;
        assert_ok(model_open(&a, wide, backend_find(k ? "cpu" : "ref"), false));
        assert_ok(model_open(&b, half, backend_find(k ? "cpu" : "ref"), false));
        assert_same_weights(a, b);
        model_close(a);
        model_close(b);
    }
    for (int64_t i = 0; i < n; i++) free((void *)(uintptr_t)h[i].bytes);
    free(h);
    test_weights_free(t, n);
    test_rmdir(wide);
    test_rmdir(half);
}

/* Writes the tensors as they are now and opens the folder. */
static int reopen(const char *dir, const tensor_view *t, int64_t n)
{
    char *path = path_join(dir, "model.safetensors");
    assert_ok(safetensors_write(path, t, n));
    free(path);
    model *m;
    int    rc = model_open(&m, dir, backend_find("cpu"), false);
    model_close(m);
    return rc;
}

static void tensors_that_do_not_fit_are_named(void **state)
{
    (void)state;
    char        *dir = test_tmpdir();
    int64_t      n;
    tensor_view *t = test_weights(&shape, 1, &n);
    test_config_write(&shape, dir);
    model *m;
    assert_input_error(model_open(&m, dir, backend_find("cpu"), false), "holds neither model.safetensors nor");
    assert_input_error(model_open(&m, "/nowhere", backend_find("cpu"), false), "/nowhere: is not a folder");
    assert_int_equal(reopen(dir, t, n), OK);
    assert_input_error(reopen(dir, t, n - 1), "\"lm_head.weight\" is missing");
    tensor_view *k = tensor_named(t, n, "model.layers.1.self_attn.k_proj.weight"), saved = *k;
    k->n_dims = 1, k->shape[0] = 48;
    assert_input_error(reopen(dir, t, n), "\"model.layers.1.self_attn.k_proj.weight\": shape [48]; needed is [4, 12]");
    *k       = saved;
    k->dtype = DT_I32;
    assert_input_error(reopen(dir, t, n), "weights of dtype I32");
    *k      = saved;
    k->name = "model.layers.1.self_attn.k_proj.weight_scale";
    assert_input_error(reopen(dir, t, n), "FP8 weights are not supported");
    k->name = "model.layers.2.self_attn.k_proj.weight";
    assert_input_error(reopen(dir, t, n), "\"model.layers.2.self_attn.k_proj.weight\" has no place");
    *k = saved;
    test_weights_free(t, n);
    test_rmdir(dir);
}

static void known_extras_are_ignored(void **state)
{
    (void)state;
    char        *dir     = test_tmpdir();
    model_config tied    = shape;
    tied.tied_embeddings = true;
    int64_t      n;
    tensor_view *t = test_weights(&tied, 1, &n);
    t              = mem_resize(t, (size_t)n + 2, sizeof *t);
    test_config_write(&tied, dir);
    float freq[2] = { 1, 0.01f };
    t[n]          = tensor_of_f32("model.layers.0.self_attn.rotary_emb.inv_freq", freq, 2, 0);
    t[n + 1]      = *tensor_named(t, n, "model.embed_tokens.weight");
    t[n + 1].name = "lm_head.weight";
    assert_int_equal(reopen(dir, t, n + 2), OK);
    float *other   = mem_alloc(17 * 12, sizeof *other);
    t[n + 1].bytes = (const unsigned char *)other;
    assert_input_error(reopen(dir, t, n + 2), "differs from the embedding");
    free(other);
    test_weights_free(t, n);
    test_rmdir(dir);
}

/* A tied pair is stored under either name, or once more under the other. */
static void a_tied_head_stands_for_the_embedding(void **state)
{
    (void)state;
    char        *dir = test_tmpdir(), *path = path_join(dir, "model.safetensors");
    model_config tied    = shape;
    tied.tied_embeddings = true;
    int64_t      n;
    tensor_view *t = test_weights(&tied, 1, &n), *embed = tensor_named(t, n, "model.embed_tokens.weight");
    const char  *saved = embed->name;
    model       *a, *b;
    test_config_write(&tied, dir);
    assert_ok(safetensors_write(path, t, n));
    assert_ok(model_open(&a, dir, backend_find("ref"), false));
    embed->name = "lm_head.weight";
    assert_ok(safetensors_write(path, t, n));
    assert_ok(model_open(&b, dir, backend_find("ref"), false));
    assert_same_weights(a, b);
    model_close(a);
    model_close(b);
    test_config_write(&shape, dir); /* not tied: the embedding is another */
    assert_input_error(reopen(dir, t, n), "\"model.embed_tokens.weight\" is missing");
    embed->name = saved;
    test_weights_free(t, n);
    free(path);
    test_rmdir(dir);
}

static void a_saved_model_is_the_same_model(void **state)
{
    (void)state;
    char *dir = test_tmpdir(), *copy = test_tmpdir();
    test_model_write(&shape, 5, dir);
    char *tokenizer = path_join(dir, "tokenizer.json");
    assert_ok(file_write_atomic(tokenizer, "{}", 2));
    free(tokenizer);
    for (int k = 0; k < 2; k++) {
        model *a, *b;
        assert_ok(model_open(&a, dir, backend_find(k ? "cpu" : "ref"), true));
        assert_ok(model_save(a, copy, dir));
        assert_ok(model_open(&b, copy, backend_find(k ? "cpu" : "ref"), false));
        assert_same_weights(a, b);
        assert_string_equal(model_hash(a), model_hash(b));
        model_close(a);
        model_close(b);
    }
    char *path = path_join(copy, "tokenizer.json");
    assert_true(file_exists(path));
    free(path);
    test_rmdir(dir);
    test_rmdir(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(q_k_v_and_gate_up_are_fused_in_order),
        cmocka_unit_test(shards_give_the_same_model),
        cmocka_unit_test(half_precision_files_are_read),
        cmocka_unit_test(tensors_that_do_not_fit_are_named),
        cmocka_unit_test(known_extras_are_ignored),
        cmocka_unit_test(a_tied_head_stands_for_the_embedding),
        cmocka_unit_test(a_saved_model_is_the_same_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
