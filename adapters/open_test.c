/* Adapter folders out of the ordinary: ranks and scales that differ, gaps, what other writers leave
 * out, and folders that are broken or lie. */
#include "core/rng.h"
#include "adapters/peft.h"
#include "adapters/test_peft.h"

static const model_config shape = { .name      = "t",
                                    .layers    = 3,
                                    .hidden    = 10,
                                    .inter     = 7,
                                    .heads     = 5,
                                    .kv_heads  = 1,
                                    .head_dim  = 2,
                                    .vocab     = 11,
                                    .positions = 9 };

static adapter *random_adapter(const char *name, adapter_spec spec)
{
    adapter *a;
    rng      r = rng_seed(8);
    assert_ok(method_find(&spec.method, name));
    if (!spec.rank) spec.rank = 3;
    assert_ok(adapter_new(&a, backend_find("cpu"), &shape, spec));
    for (int64_t i = 0; i < a->theta_count; i++) ((float *)a->theta)[i] = (float)rng_normal(&r);
    adapter_expand(a);
    return a;
}

static void assert_same(const adapter *a, const adapter *b)
{
    assert_int_equal(a->theta_count, b->theta_count);
    assert_int_equal(a->frozen_count, b->frozen_count);
    assert_memory_equal(a->theta, b->theta, (size_t)a->theta_count * 4);
    assert_memory_equal(a->frozen, b->frozen, (size_t)a->frozen_count * 4);
    assert_int_equal(a->n_jobs, b->n_jobs);
    for (int64_t j = 0; j < a->n_jobs; j++) {
        assert_int_equal(a->jobs[j].r, b->jobs[j].r);
        if (a->jobs[j].r) assert_within(fabs(a->jobs[j].s - b->jobs[j].s), 1e-15 * fabs(a->jobs[j].s));
    }
}

/* Saves, opens with and without the base, and compares; returns the config. */
static json *round_trip(const adapter *a, char *dir)
{
    adapter     *b;
    json        *config;
    model_config told;
    assert_ok(adapter_save(a, dir, "base", NULL, NULL));
    assert_ok(adapter_open(&b, a->be, &shape, dir));
    assert_same(a, b);
    assert_string_equal(a->spec.method.name, b->spec.method.name);
    adapter_free(b);
    assert_ok(adapter_shape(&told, dir));
    assert_ok(adapter_open(&b, a->be, &told, dir));
    assert_same(a, b);
    adapter_free(b);
    assert_ok(adapter_read_config(&config, dir));
    return config;
}

static void ranks_and_scales_that_differ_come_back(void **state)
{
    (void)state;
    int64_t ranks[3 * SITE_COUNT];
    double  scales[3 * SITE_COUNT];
    for (int m = 0; m < 3 * SITE_COUNT; m++)
        ranks[m] = m / SITE_COUNT * 2 % 3 + (m % SITE_COUNT == SITE_V), scales[m] = 0.1 * m + 0.3;
    static const char *const names[] = { "lora",
                                         "rslora",
                                         "lora-fa",
                                         "moslora",
                                         "adalora",
                                         "A=layer:train:zero,B=layer:train,s=0.7",
                                         "A=layer:train,u=layer:train,B=layer:train,v=layer:train,s=2" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (int fused = 0; fused < 2; fused++) {
            char    *dir   = test_tmpdir();
            site_set sites = fused ? 1u << SITE_QKV | 1u << SITE_UP : 1u << SITE_Q | 1u << SITE_V;
            adapter *a     = random_adapter(
                    names[i], (adapter_spec) { .sites = sites, .module_rank = ranks, .module_scale = scales });
            json_free(round_trip(a, dir));
            adapter_free(a);
            test_rmdir(dir);
        }
    }
}

/* Layers without an adapter are left out of the file, and whole paths tell PEFT which layers have
 * one. */
static void gaps_between_layers_come_back(void **state)
{
    (void)state;
    int64_t ranks[3 * SITE_COUNT] = {
        [SITE_Q] = 3, [SITE_V] = 3, [2 * SITE_COUNT + SITE_Q] = 3, [2 * SITE_COUNT + SITE_V] = 3
    };
    static const char *const names[] = { "lora", "vera", "sharelora-a", "tied-lora" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char    *dir    = test_tmpdir();
        adapter *a      = random_adapter(names[i],
                                         (adapter_spec) { .sites = 1u << SITE_Q | 1u << SITE_V, .module_rank = ranks });
        json    *config = round_trip(a, dir);
        assert_int_equal(json_size(json_find(config, "target_modules")), 4);
        json_free(config);
        adapter_free(a);
        test_rmdir(dir);
    }
}

/* What an allocator's mask drops from the factors is dropped from the folder, in PEFT's layout and
 * in ours. */
static void pruned_ranks_are_left_out(void **state)
{
    (void)state;
    for (int fused = 0; fused < 2; fused++) {
        bool     kept[6 * 3] = { true,  false, true,  false, false, false, true, true, true,
                                 false, true,  false, true,  false, false, true, true, false };
        char    *dir         = test_tmpdir();
        site_set sites       = fused ? 1u << SITE_QKV : 1u << SITE_Q | 1u << SITE_V;
        adapter *a           = random_adapter("adalora", (adapter_spec) { .sites = sites, .alpha = 4 }), *b;
        assert_ok(adapter_save(a, dir, NULL, NULL, kept));
        assert_ok(adapter_open(&b, a->be, &shape, dir));
        for (int64_t j = 0; j < a->n_jobs; j++) {
            int64_t n = 0;
            for (int k = 0; k < 3; k++) n += kept[j * 3 + k];
            assert_int_equal(b->jobs[j].r, n);
            if (n) assert_true(b->jobs[j].s == a->jobs[j].s); /* it goes by the initial rank */
            const float *B = host_values(a->be, a->jobs[j].B), *Bk = host_values(b->be, b->jobs[j].B),
                        *u = host_values(a->be, a->jobs[j].u), *uk = host_values(b->be, b->jobs[j].u);
            for (int64_t o = 0; o < a->jobs[j].out; o++)
                for (int64_t k = 0, at = 0; k < 3; k++) {
                    if (!kept[j * 3 + k]) continue;
                    assert_true(Bk[o * n + at] == B[o * 3 + k] && uk[at] == u[k]);
                    at++;
                }
        }
        adapter_free(a);
        adapter_free(b);
        test_rmdir(dir);
    }
}

/* A fixed s on LoRA's factors: PEFT has only alpha, so the folder's alpha is the one that gives
 * that s. */
static void a_fixed_scale_becomes_alpha(void **state)
{
    (void)state;
    char    *dir    = test_tmpdir();
    adapter *a      = random_adapter("A=layer:train,B=layer:train,s=0.7",
                                     (adapter_spec) { .sites = 1u << SITE_Q, .rank = 4 });
    json    *config = round_trip(a, dir);
    assert_string_equal(json_find(config, "peft_type")->valuestring, "LORA");
    assert_within(fabs(json_find(config, "lora_alpha")->valuedouble - 2.8), 1e-15);
    assert_int_equal(json_size(json_find(config, "alpha_pattern")), 0);
    json_free(config);
    adapter_free(a);
    test_rmdir(dir);
}

/* --- folders by hand */

enum { TENSORS = 8 };
typedef struct {
    const char *name;
    int64_t     rows, cols; /* cols -1 makes a vector */
} hand_tensor;

static void write_folder(const char *dir, const char *config, const hand_tensor *t)
{
    static const float values[4096];
    tensor_view        views[TENSORS];
    int64_t            n = 0;
    for (; n < TENSORS && t[n].name; n++) {
        views[n] = (tensor_view) {
            .name = t[n].name, .dtype = DT_F32, .n_dims = t[n].cols < 0 ? 1 : 2, .bytes = (const unsigned char *)values
        };
        views[n].shape[0] = t[n].rows;
        views[n].shape[1] = t[n].cols < 0 ? 1 : t[n].cols;
        views[n].count    = t[n].rows * views[n].shape[1];
        assert_in_range(views[n].count, 0, 4096);
    }
    char *path = path_join(dir, "adapter_config.json"), *weights = path_join(dir, "adapter_model.safetensors");
    assert_ok(file_write_atomic(path, config, strlen(config)));
    assert_ok(safetensors_write(weights, views, n));
    free(path);
    free(weights);
}

#define P "base_model.model.model.layers."
#define LORA "{\"peft_type\":\"LORA\",\"r\":2,\"lora_alpha\":4"
#define VERA "{\"peft_type\":\"VERA\",\"r\":2,\"projection_prng_key\":7"
#define ADALORA "{\"peft_type\":\"ADALORA\",\"init_r\":2,\"lora_alpha\":4"
#define OWN(spec, r, more)                                                                                             \
    "{\"peft_type\":\"TIEBREAK\",\"r\":" r ",\"tiebreak\":{\"spec\":\"" spec "\",\"sites\":\"q\"" more "}}"
#define PAIR(layer, module, r, in, out)                                                                                \
    { P layer "." module ".lora_A.weight", r, in }, { P layer "." module ".lora_B.weight", out, r }

static const struct {
    const char *config, *part; /* part NULL: the folder opens */
    hand_tensor t[TENSORS];
} folders[] = {
    /* what other writers do */
    { LORA "}", NULL, { PAIR("0", "self_attn.q_proj", 2, 10, 10) } },
    { LORA ",\"some_future_field\":{\"a\":1},\"bias\":\"none\",\"use_dora\":false}",
      NULL,
      { PAIR("2", "mlp.down_proj", 2, 7, 10) } },
    { LORA ",\"fan_in_fan_out\":true,\"ensure_weight_tying\":true}",
      NULL,
      { PAIR("0", "self_attn.q_proj", 2, 10, 10) } },
    { LORA ",\"init_lora_weights\":\"eva\",\"velora_config\":{\"a\":1}}",
      NULL,
      { PAIR("0", "self_attn.q_proj", 2, 10, 10), { P "0.self_attn.q_proj.lora_velora_embed", 3, 3 } } },
    { LORA ",\"rank_pattern\":{\".*q_proj\":3},\"alpha_pattern\":{\"(q|v)_proj\":9}}",
      NULL,
      { PAIR("0", "self_attn.q_proj", 3, 10, 10) } },
    { LORA "}",
      NULL,
      { { P "0.self_attn.q_proj.lora_A.default.weight", 2, 10 },
        { P "0.self_attn.q_proj.lora_B.default.weight", 10, 2 } } },
    { VERA "}",
      NULL,
      { { P "1.self_attn.v_proj.vera_lambda_d.default", 2, -1 },
        { P "1.self_attn.v_proj.vera_lambda_b.default", 2, -1 } } },
    { VERA ",\"save_projection\":false}",
      NULL,
      { { P "1.self_attn.v_proj.vera_lambda_d", 2, -1 }, { P "1.self_attn.v_proj.vera_lambda_b", 2, -1 } } },
    { VERA "}",
      NULL,
      { { P "1.self_attn.v_proj.vera_lambda_d", 2, -1 }, { P "1.self_attn.v_proj.vera_lambda_b", 2, -1 } } },
    { ADALORA ",\"rank_pattern\":{\"model.layers.0.self_attn.q_proj.lora_E\":[false,false]}}",
      NULL,
      { { P "0.self_attn.q_proj.lora_A", 0, 10 },
        { P "0.self_attn.q_proj.lora_B", 10, 0 },
        { P "0.self_attn.q_proj.lora_E", 0, 1 } } },
    { OWN("A=tied:train,B=tied:train,s=1", "2", ""), NULL, { { "tied.q.A", 2, 10 }, { "tied.q.B", 10, 2 } } },
    /* what is not supported, by name */
    { LORA ",\"use_dora\":true}", "use_dora", { PAIR("0", "self_attn.q_proj", 2, 10, 10) } },
    { LORA "}",
      "lora_magnitude_vector",
      { PAIR("0", "self_attn.q_proj", 2, 10, 10), { P "0.self_attn.q_proj.lora_magnitude_vector", 10, -1 } } },
    { LORA "}",
      "lm_head",
      { PAIR("0", "self_attn.q_proj", 2, 10, 10), { "base_model.model.lm_head.weight", 11, 10 } } },
    { LORA "}", "c_attn", { { "base_model.model.transformer.h.0.attn.c_attn.lora_A.weight", 2, 10 } } },
    { LORA "}",
      "q_lin",
      { { "base_model.model.distilbert.transformer.layer.0.attention.q_lin.lora_A.weight", 2, 10 } } },
    { LORA "}", "embed_tokens", { { "base_model.model.model.embed_tokens.lora_embedding_A", 2, 10 } } },
    { LORA ",\"modules_to_save\":[\"lm_head\"]}", "modules_to_save", { PAIR("0", "self_attn.q_proj", 2, 10, 10) } },
    { LORA ",\"bias\":\"lora_only\"}", "bias", { PAIR("0", "self_attn.q_proj", 2, 10, 10) } },
    { LORA ",\"use_qalora\":true}", "use_qalora", { PAIR("0", "self_attn.q_proj", 2, 10, 10) } },
    { LORA ",\"alora_invocation_tokens\":[1]}",
      "alora_invocation_tokens",
      { PAIR("0", "self_attn.q_proj", 2, 10, 10) } },
    { LORA ",\"init_lora_weights\":\"olora\"}", "olora", { PAIR("0", "self_attn.q_proj", 2, 10, 10) } },
    { LORA ",\"init_lora_weights\":\"lora_ga\"}", "lora_ga", { PAIR("0", "self_attn.q_proj", 2, 10, 10) } },
    { "{\"peft_type\":\"PROMPT_TUNING\",\"r\":2}",
      "PEFT cannot build it into the base either",
      { PAIR("0", "self_attn.q_proj", 2, 10, 10) } },
    { LORA ",\"use_dora\":true}", "merge_and_unload", { PAIR("0", "self_attn.q_proj", 2, 10, 10) } },
    { LORA ",\"arrow_config\":{\"k\":1}}", "let PEFT answer", { PAIR("0", "self_attn.q_proj", 2, 10, 10) } },
    /* config and tensors that contradict each other */
    { LORA ",\"rank_pattern\":{\".*q_proj\":9}}",
      "has rank 9 in the config and 2 in its tensors",
      { PAIR("0", "self_attn.q_proj", 2, 10, 10) } },
    { "{\"peft_type\":\"LORA\",\"r\":64,\"lora_alpha\":4}",
      "layers.0.self_attn.q_proj has rank 64 in the config and 2",
      { PAIR("0", "self_attn.q_proj", 2, 10, 10) } },
    { ADALORA ",\"rank_pattern\":{\"model.layers.0.self_attn.q_proj.lora_E\":[true,false]}}",
      "has rank 1 in the config and 2",
      { { P "0.self_attn.q_proj.lora_A", 2, 10 },
        { P "0.self_attn.q_proj.lora_B", 10, 2 },
        { P "0.self_attn.q_proj.lora_E", 2, 1 } } },
    { ADALORA "}",
      "0.self_attn.q_proj.lora_E",
      { { P "0.self_attn.q_proj.lora_A", 2, 10 }, { P "0.self_attn.q_proj.lora_B", 10, 2 } } },
    { LORA ",\"target_modules\":[\"v_proj\"]}",
      "layers.0.self_attn.q_proj, which target_modules",
      { PAIR("0", "self_attn.q_proj", 2, 10, 10) } },
    { LORA ",\"target_modules\":[\"q_proj\"],\"layers_to_transform\":[1]}",
      "layers_to_transform",
      { PAIR("0", "self_attn.q_proj", 2, 10, 10) } },
    { LORA "}",
      "are the same factor",
      { PAIR("0", "self_attn.q_proj", 2, 10, 10), { P "0.self_attn.q_proj.lora_B.default.weight", 10, 2 } } },
    { LORA "}",
      "begins with \"model.\", where PEFT's names begin with \"base_model.model.model.\"",
      { { "model.layers.0.self_attn.q_proj.lora_A.weight", 2, 10 } } },
    { LORA "}",
      "begins with \"base_model.model.\"",
      { { "base_model.model.layers.0.self_attn.q_proj.lora_A.weight", 2, 10 } } },
    { LORA "}",
      "begins with \"_orig_mod.base_model.model.model.\"",
      { { "_orig_mod." P "0.self_attn.q_proj.lora_A.weight", 2, 10 } } },
    { LORA "}", "LoRA on an embedding", { { "base_model.model.model.embed_tokens.lora_embedding_A", 2, 10 } } },
    { LORA ",\"alpha_pattern\":{\"q_proj\":\"9\"}}", "must be a number", { PAIR("0", "self_attn.q_proj", 2, 10, 10) } },
    { "{\"peft_type\":\"LOHA\",\"r\":2}", "LOHA", { PAIR("0", "self_attn.q_proj", 2, 10, 10) } },
    /* broken, or lying */
    { "[]", "JSON object", { PAIR("0", "self_attn.q_proj", 2, 10, 10) } },
    { "{\"r\":2}", "peft_type", { PAIR("0", "self_attn.q_proj", 2, 10, 10) } },
    { "{\"peft_type\":\"LORA\",\"r\":2}", "lora_alpha", { PAIR("0", "self_attn.q_proj", 2, 10, 10) } },
    { LORA "}", "holds no adapter", { { NULL, 0, 0 } } },
    { LORA "}", "lora_A", { PAIR("0", "self_attn.q_proj", 2, 9, 10) } },
    { LORA "}",
      "lora_A",
      { { P "0.self_attn.q_proj.lora_A.weight", 20, -1 }, { P "0.self_attn.q_proj.lora_B.weight", 10, 2 } } },
    { LORA "}", "lora_B", { PAIR("0", "self_attn.q_proj", 2, 10, 11) } },
    { LORA "}",
      "lora_B.weight",
      { { P "0.self_attn.q_proj.lora_A.weight", 2, 10 },
        { P "1.self_attn.q_proj.lora_A.weight", 2, 10 },
        { P "1.self_attn.q_proj.lora_B.weight", 10, 2 },
        { P "0.self_attn.v_proj.lora_B.weight", 10, 2 } } },
    { LORA "}",
      "missing: " P "0.self_attn.q_proj.lora_A.weight",
      { { P "0.self_attn.q_proj.lora_B.weight", 10, 2 }, PAIR("1", "self_attn.q_proj", 2, 10, 10) } },
    { LORA "}", "3 layers", { PAIR("3", "self_attn.q_proj", 2, 10, 10) } },
    { LORA "}", "99999999999", { PAIR("99999999999", "self_attn.q_proj", 2, 10, 10) } },
    { LORA "}",
      "needed is [70000, 10]",
      { PAIR("0", "self_attn.q_proj", 0, 10, 10), { P "1.self_attn.k_proj.lora_A.weight", 70000, 0 } } },
    { VERA "}",
      "rank 2 in the config and 3",
      { { P "1.self_attn.v_proj.vera_lambda_d", 3, -1 }, { P "1.self_attn.v_proj.vera_lambda_b", 2, -1 } } },
    { "{\"peft_type\":\"VERA\",\"r\":65536}",
      "missing: " P "1.self_attn.v_proj.vera_lambda_d",
      { { P "1.self_attn.v_proj.vera_lambda_b", 2, -1 } } },
    { VERA ",\"save_projection\":true}",
      "numbers",
      { { P "1.self_attn.v_proj.vera_lambda_d", 2, -1 }, { P "1.self_attn.v_proj.vera_lambda_b", 2, -1 } } },
    { LORA ",\"tiebreak\":{\"spec\":\"A=tied:train,B=tied:train\"}}",
      "is not what",
      { PAIR("0", "self_attn.q_proj", 2, 10, 10) } },
    { LORA ",\"tiebreak\":{\"spec\":\"A=tide:train,B=tied:train\"}}",
      "did you mean tied",
      { PAIR("0", "self_attn.q_proj", 2, 10, 10) } },
    { "{\"peft_type\":\"TIEBREAK\",\"r\":2}", "\"tiebreak\" is missing", { { "tied.q.A", 2, 10 } } },
    { "{\"peft_type\":\"TIEBREAK\",\"r\":2,\"tiebreak\":7}", "\"tiebreak\" is missing", { { "tied.q.A", 2, 10 } } },
    { OWN("A=tied:train,B=tied:train,s=1", "65536", ""), "numbers", { { "tied.q.A", 2, 10 }, { "tied.q.B", 10, 2 } } },
    { OWN("A=tied:train,B=tied:train,s=1", "2", ""), "tied.q.B", { { "tied.q.A", 2, 10 }, { "tied.q.X", 10, 2 } } },
    { OWN("A=tied:train,B=tied:train,s=1", "2", ""),
      "do not belong together",
      { { "tied.q.A", 2, 10 }, { "tied.q.B", 10, 2 }, { "tied.v.B", 2, 2 } } },
    { OWN("A=tied:train,B=tied:train,s=1", "2", ",\"shape\":{\"layers\":5,\"hidden\":10}"),
      "a base with layers 5, and this one has 3",
      { { "tied.q.A", 2, 10 }, { "tied.q.B", 10, 2 } } },
    { OWN("A=tied:train,B=tied:train,s=1", "2", ",\"ranks\":{\"layers.9.q\":1}"),
      "names a module",
      { { "tied.q.A", 2, 10 }, { "tied.q.B", 10, 2 } } },
    { OWN("A=tied:train,B=tied:train,s=1", "2", ",\"ranks\":{\"layers.1.q\":1}"),
      "one rank",
      { { "tied.q.A", 2, 10 }, { "tied.q.B", 10, 2 } } },
    { OWN("A=tied:train,B=tied:train,s=1", "2", ",\"scales\":{\"layers.1.q\":true}"),
      "must be a number",
      { { "tied.q.A", 2, 10 }, { "tied.q.B", 10, 2 } } },
    { OWN("A=tied:train,B=tied:train,s=1", "2", ",\"scales\":{\"layers.1.q\":\"x\"}"),
      "layers.1.q",
      { { "tied.q.A", 2, 10 }, { "tied.q.B", 10, 2 } } },
};

static void folders_by_hand_open_or_say_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char    *dir = test_tmpdir();
        adapter *a;
        write_folder(dir, folders[i].config, folders[i].t);
        error_clear();
        int rc = adapter_open(&a, backend_find("cpu"), &shape, dir);
        if (!folders[i].part && rc) fail_msg("folder %zu: %s", i, error_text());
        if (folders[i].part &&
            (rc != ERR_INPUT || !strstr(error_text(), folders[i].part) || !strstr(error_text(), "/adapter_")))
            fail_msg("folder %zu: status %d, \"%s\"; wanted \"%s\" and the file's name", i, rc, error_text(),
                     folders[i].part);
        adapter_free(a);
        test_rmdir(dir);
    }
}

/* Opens what a config says, ' standing for ". */
static int open_targets(peft_targets **t, json **config, const char *text)
{
    str quoted = { 0 };
    str_puts(&quoted, text);
    for (size_t i = 0; i < quoted.n; i++)
        if (quoted.s[i] == '\'') quoted.s[i] = '"';
    assert_ok(json_parse(config, quoted.s, quoted.n, "test"));
    str_free(&quoted);
    return peft_targets_open(t, *config, peft_layout_find("LORA"), "test");
}

/* Expected: re.match and re.fullmatch of Python in PEFT 0.21.2's get_pattern_key and
 * check_target_module_exists. */
static void patterns_match_as_pefts_do(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        int64_t     want; /* the rank of model.layers.1.self_attn.v_proj; 8: r */
    } cases[] = { { "{'v_proj':2}", 2 },
                  { "{'self_attn.v_proj':2}", 2 },
                  { "{'q_proj':1,'model.layers.1.self_attn.v_proj':2,'v_proj':3}", 2 },
                  /* the first wins */
                  { "{'v_proj':3,'model.layers.1.self_attn.v_proj':2}", 3 },
                  { "{'^model.layers.1.self_attn.v_proj':2}", 2 },
                  { "{'^v_proj':2}", 8 },
                  { "{'proj':2,'_proj':2,'model.layers.11.self_attn.v_proj':2}", 8 },
                  { "{'.*v_proj':2}", 2 },
                  { "{'.*_proj':2}", 2 },
                  { "{'layers\\\\.[01]\\\\.self_attn\\\\.v_proj':2}", 2 },
                  { "{'layers\\\\.[02]\\\\.self_attn\\\\.v_proj':2}", 8 },
                  { "{'q_proj|v_proj':2}", 2 },
                  { "{'self_attn':2}", 8 },
                  { "{}", 8 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json         *config;
        peft_targets *t;
        char          text[512];
        int64_t       rank;
        snprintf(text, sizeof text, "{'r':8,'rank_pattern':%s}", cases[i].pattern);
        assert_ok(open_targets(&t, &config, text));
        assert_ok(peft_targets_rank(t, "model.layers.1.self_attn.v_proj", &rank));
        if (rank != cases[i].want) fail_msg("%s: %d", cases[i].pattern, (int)rank);
        peft_targets_close(t);
        json_free(config);
    }
}

static void targets_are_chosen_as_by_peft(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        bool        v1, q0; /* model.layers.1.self_attn.v_proj, model.layers.0.self_attn.q_proj */
    } cases[] = {
        { "'target_modules':['v_proj']", true, false },
        { "'target_modules':['v_proj','model.layers.0.self_attn.q_proj']", true, true },
        { "'target_modules':['proj']", false, false },
        { "'target_modules':'.*_proj'", true, true },
        { "'target_modules':'v_proj'", false, false }, /* a text must match the whole path */
        { "'target_modules':'all-linear'", true, true },
        { "'target_modules':['v_proj','q_proj'],'exclude_modules':['q_proj']", true, false },
        { "'target_modules':['v_proj','q_proj'],'exclude_modules':'.*1.*'", false, true },
        { "'target_modules':['v_proj','q_proj'],'layers_to_transform':1", true, false },
        { "'target_modules':['v_proj','q_proj'],'layers_to_transform':[0,5]", false, true },
        { "'target_modules':['v_proj','q_proj'],'layers_to_transform':[0],'layers_pattern':'layers'", false, true },
        { "'target_modules':['v_proj','q_proj'],'layers_to_transform':[0],'layers_pattern':['h']", false, false },
        /* a whole path is adapted whatever its layer is */
        { "'target_modules':['model.layers.1.self_attn.v_proj'],'layers_to_transform':[0]", true, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json         *config;
        peft_targets *t;
        char          text[512];
        bool          v1, q0;
        snprintf(text, sizeof text, "{'r':8,%s}", cases[i].config);
        assert_ok(open_targets(&t, &config, text));
        assert_ok(peft_targets_has(t, "model.layers.1.self_attn.v_proj", &v1));
        assert_ok(peft_targets_has(t, "model.layers.0.self_attn.q_proj", &q0));
        if (v1 != cases[i].v1 || q0 != cases[i].q0) fail_msg("%s: %d %d", cases[i].config, v1, q0);
        peft_targets_close(t);
        json_free(config);
    }
}

static void broken_expressions_are_named(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "{'r':8,'alpha_pattern':{'(':1}}", "\"alpha_pattern\": \"(\": is not a regular expression" },
        { "{'r':8,'rank_pattern':{'q[':1}}", "\"rank_pattern\": \"q[\"" },
        { "{'r':8,'target_modules':'*'}", "\"target_modules\": \"*\"" },
        { "{'r':8,'exclude_modules':'*'}", "\"exclude_modules\"" },
        { "{'r':8,'layers_pattern':'*'}", "\"layers_pattern\"" },
        { "{'r':8,'target_modules':7}", "\"target_modules\": 7" },
        { "{'r':8,'target_modules':['q',7]}", "a list of modules' names" },
        { "{'r':8,'layers_to_transform':'1'}", "\"layers_to_transform\"" },
        { "{'r':8,'layers_to_transform':['1']}", "\"layers_to_transform\"" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json         *config;
        peft_targets *t;
        assert_input_error(open_targets(&t, &config, cases[i][0]), cases[i][1]);
        assert_null(t);
        json_free(config);
    }
    /* one that is built to take for ever */
    json         *config;
    peft_targets *t;
    int64_t       rank;
    bool          yes;
    assert_ok(open_targets(&t, &config, "{'r':8,'rank_pattern':{'((a|.)*)*[xy]':1},'target_modules':'(.*)*x'}"));
    assert_input_error(peft_targets_rank(t, "model.layers.1.self_attn.v_proj", &rank), "takes too long");
    (void)peft_targets_has(t, "model.layers.1.self_attn.v_proj", &yes);
    peft_targets_close(t);
    json_free(config);
}

static void a_shape_that_the_folder_cannot_tell_is_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *config, *part;
        hand_tensor t[TENSORS];
    } cases[] = {
        { VERA "}",
          "--model",
          { { P "1.self_attn.v_proj.vera_lambda_d", 2, -1 }, { P "1.self_attn.v_proj.vera_lambda_b", 2, -1 } } },
        { LORA "}", "more than 1024 layers", { PAIR("2000", "self_attn.q_proj", 2, 10, 10) } },
        { LORA "}",
          "at most",
          { { P "0.self_attn.q_proj.lora_A.weight", 0, INT64_C(1) << 40 },
            { P "0.self_attn.q_proj.lora_B.weight", 10, 0 } } },
        { LORA "}", "no LORA tensor", { { "x", 1, 1 } } },
        { "{\"peft_type\":\"TIEBREAK\",\"tiebreak\":{\"shape\":{\"layers\":100000}}}", "layers", { { "x", 1, 1 } } },
        { "{\"peft_type\":\"TIEBREAK\",\"tiebreak\":{}}", "TIEBREAK", { { "x", 1, 1 } } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char        *dir = test_tmpdir();
        model_config c;
        write_folder(dir, cases[i].config, cases[i].t);
        assert_input_error(adapter_shape(&c, dir), cases[i].part);
        test_rmdir(dir);
    }
}

static void a_half_written_folder_is_no_adapter(void **state)
{
    (void)state;
    char *dir = test_tmpdir(), *config = path_join(dir, "adapter_config.json"),
         *weights = path_join(dir, "adapter_model.safetensors");
    adapter *a    = random_adapter("lora", (adapter_spec) { .sites = 1u << SITE_Q }), *b;
    assert_ok(adapter_save(a, dir, NULL, NULL, NULL));
    assert_ok(adapter_save(a, dir, NULL, NULL, NULL)); /* writes over an older folder */
    assert_int_equal(remove(config), 0);
    assert_input_error(adapter_open(&b, a->be, &shape, dir), "holds no adapter_config.json");
    assert_ok(adapter_save(a, dir, NULL, NULL, NULL));
    assert_int_equal(remove(weights), 0);
    assert_input_error(adapter_open(&b, a->be, &shape, dir), "adapter_model.safetensors");
    free(config);
    free(weights);
    adapter_free(a);
    test_rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_and_scales_that_differ_come_back),
        cmocka_unit_test(gaps_between_layers_come_back),
        cmocka_unit_test(pruned_ranks_are_left_out),
        cmocka_unit_test(a_fixed_scale_becomes_alpha),
        cmocka_unit_test(folders_by_hand_open_or_say_why),
        cmocka_unit_test(patterns_match_as_pefts_do),
        cmocka_unit_test(targets_are_chosen_as_by_peft),
        cmocka_unit_test(broken_expressions_are_named),
        cmocka_unit_test(a_shape_that_the_folder_cannot_tell_is_asked_for),
        cmocka_unit_test(a_half_written_folder_is_no_adapter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
