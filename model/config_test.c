#include "core/test.h"

#include "core/file.h"
#include "model/safetensors.h"
#include "model/sites.h"

/* Writes `text` as config.json (or another name) into a fresh folder and reads it. */
static int read_text(model_config *c, const char *text)
{
    char *dir  = test_tmpdir();
    char *path = path_join(dir, "config.json");
    assert_ok(file_write_atomic(path, text, strlen(text)));
    int rc = config_read(c, path);
    free(path);
    test_rmdir(dir);
    return rc;
}

#define SHAPE                                                                                                          \
    "\"num_hidden_layers\":2,\"hidden_size\":8,\"intermediate_size\":12,\"num_attention_heads\":2,\"vocab_size\":16,\"max_position_embeddings\":32"
#define LLAMA "{\"model_type\":\"llama\"," SHAPE

static void parameters_of_presets_are_the_published_ones(void **state)
{
    (void)state;
    /* Sums of the tensors in the published checkpoints. */
    static const struct {
        const char *name;
        int64_t     parameters;
    } cases[] = { { "llama2-7b", 6738415616 },    { "llama3-8b", 8030261248 },      { "llama3.2-3b", 3212749824 },
                  { "llama3.2-1b", 1235814400 },  { "tinyllama-1.1b", 1100048384 }, { "roberta-base", 124645632 },
                  { "roberta-large", 355359744 }, { "llama1-7b", 6738415616 },      { "mistral-7b", 7241732096 },
                  { "qwen2.5-0.5b", 494032768 },  { "qwen2.5-1.5b", 1543714304 },   { "qwen2.5-7b", 7615616512 },
                  { "qwen3-0.6b", 596049920 },    { "qwen3-1.7b", 1720574976 },     { "qwen3-4b", 4022468096 },
                  { "qwen3-8b", 8190735360 },     { "phi3-mini", 3821079552 },      { "gemma-2b", 2506172416 },
                  { "gemma-7b", 8537680896 },     { "gemma2-2b", 2614341888 },      { "gemma2-9b", 9241705984 },
                  { "gemma3-1b", 999885952 },     { "smollm2-135m", 134515008 },    { "smollm2-360m", 361821120 },
                  { "smollm2-1.7b", 1711376384 }, { "smollm3-3b", 3075098624 },     { "olmo2-1b", 1484916736 },
                  { "olmo2-7b", 7298617344 },     { "granite3.1-2b", 2533531648 },  { "granite3.1-8b", 8170848256 },
                  { "gpt2", 124439808 },          { "gpt2-medium", 354823168 },     { "gpt2-large", 774030080 },
                  { "gpt2-xl", 1557611200 },      { "pythia-70m", 70426624 },       { "pythia-160m", 162322944 },
                  { "pythia-410m", 405334016 },   { "pythia-1b", 1011781632 },      { "pythia-1.4b", 1414647808 },
                  { "pythia-2.8b", 2775208960 },  { "pythia-6.9b", 6857302016 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        model_config c;
        assert_ok(config_load(&c, cases[i].name));
        assert_string_equal(c.name, cases[i].name);
        assert_int_equal(config_parameters(&c), cases[i].parameters);
    }
    model_config c;
    assert_input_error(config_load(&c, "llama9-1t"), "presets: mini, llama2-7b");
}

static void site_shapes_follow_grouped_heads(void **state)
{
    (void)state;
    model_config c;
    assert_ok(config_load(&c, "llama3.2-3b"));
    assert_int_equal(site_in(&c, SITE_QKV), 3072);
    assert_int_equal(site_out(&c, SITE_QKV), 3072 + 2 * 1024);
    assert_int_equal(site_out(&c, SITE_Q), 3072);
    assert_int_equal(site_out(&c, SITE_V), 1024);
    assert_int_equal(site_in(&c, SITE_O), 3072);
    assert_int_equal(site_in(&c, SITE_DOWN), 8192);
    assert_int_equal(site_out(&c, SITE_DOWN), 3072);
    assert_int_equal(site_out(&c, SITE_GATE), 8192);
    assert_ok(config_load(&c, "roberta-large"));
    assert_int_equal(site_out(&c, SITE_V), 1024);
    assert_int_equal(site_out(&c, SITE_GATE), 0);
    assert_int_equal(site_in(&c, SITE_GATE), 0);
}

static void site_sets_parse_and_print(void **state)
{
    (void)state;
    static const struct {
        const char *text, *printed;
    } good[] = { { "qkv", "qkv" },
                 { "v,q", "q,v" },
                 { "all", "all" },
                 { "q,k,v,o,gate,up,down", "all" },
                 { "qkv,down", "qkv,down" } };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        site_set s;
        char     out[64];
        assert_ok(site_set_parse(&s, good[i].text));
        site_set_print(s, out, sizeof out);
        assert_string_equal(out, good[i].printed);
    }
    site_set s;
    assert_input_error(site_set_parse(&s, ""), "\"\" is no site");
    assert_input_error(site_set_parse(&s, "q,"), "\"\" is no site");
    assert_input_error(site_set_parse(&s, "q,w"), "\"w\" is no site; allowed: qkv, all");
    assert_input_error(site_set_parse(&s, "q,q"), "twice");
    assert_input_error(site_set_parse(&s, "v,qkv"), "second time");
    assert_input_error(site_set_parse(&s, "qkv,k"), "second time");
}

static int64_t parameters_of(const char *dir)
{
    char        *path = path_join(dir, "model.safetensors");
    safetensors *f;
    int64_t      n = 0;
    assert_ok(safetensors_open(&f, path));
    for (int64_t i = 0; i < f->n; i++) n += f->tensors[i].count;
    safetensors_close(f);
    free(path);
    return n;
}

static void old_and_new_forms_are_read(void **state)
{
    (void)state;
    need_data(fresh, "peft-reference/bases/tiny-bias");
    need_data(old, "models/stories260K-hf");
    model_config c;
    assert_ok(config_load(&c, fresh));
    assert_string_equal(c.name, "tiny-bias");
    assert_int_equal(c.head_dim, 22);
    assert_int_equal(c.kv_heads, 1);
    assert_true(c.qkv_bias && c.o_bias && !c.mlp_bias && c.tied_embeddings);
    assert_true(c.rope[0].theta == 500000 && c.norm_eps == 1e-6 && c.rope[0].scaling == ROPE_DEFAULT);
    assert_ok(config_load(&c, old));
    assert_int_equal(config_parameters(&c), parameters_of(old));
    assert_int_equal(c.head_dim, 8);
    assert_int_equal(c.bos, 1);
    assert_int_equal(c.n_eos, 1);
    assert_int_equal(c.eos[0], 2);
    assert_true(c.rope[0].theta == 10000 && c.norm_eps == 1e-5);
}

static void defaults_are_those_of_transformers(void **state)
{
    (void)state;
    model_config c;
    assert_ok(read_text(&c, LLAMA "}"));
    assert_int_equal(c.kv_heads, 2);
    assert_int_equal(c.head_dim, 4);
    assert_int_equal(c.bos, -1);
    assert_int_equal(c.n_eos, 0);
    assert_true(c.norm_eps == 1e-6 && c.rope[0].theta == 10000 && !c.tied_embeddings && !c.qkv_bias);
    assert_ok(read_text(&c, LLAMA ",\"eos_token_id\":[3,5],\"bos_token_id\":0,\"head_dim\":6}"));
    assert_int_equal(c.n_eos, 2);
    assert_int_equal(c.eos[1], 5);
    assert_int_equal(c.bos, 0);
    assert_int_equal(c.head_dim, 6);
    assert_ok(
        read_text(&c, "{\"model_type\":\"qwen2\",\"use_sliding_window\":false,\"sliding_window\":4096," SHAPE "}"));
    assert_true(c.qkv_bias && !c.o_bias);
    assert_ok(read_text(&c, "{\"model_type\":\"mistral\",\"sliding_window\":null," SHAPE "}"));
    assert_true(!c.qkv_bias && !c.o_bias);
}

/* What each family reads its own way, in the words of transformers 4 where they differ. */
static void families_are_read_as_transformers_reads_them(void **state)
{
    (void)state;
    model_config c;
    assert_ok(
        read_text(&c, "{\"model_type\":\"mistral\",\"max_position_embeddings\":32768,\"vocab_size\":16,"
                      "\"num_hidden_layers\":2,\"hidden_size\":8,\"intermediate_size\":12,\"num_attention_heads\":2}"));
    assert_true(c.window == 4096 && c.layer[0] == LAYER_WINDOW && c.layer[1] == LAYER_WINDOW);
    assert_ok(read_text(&c, "{\"model_type\":\"mistral\"," SHAPE "}")); /* no text is longer than 4096 */
    assert_true(c.window == 0 && c.layer[0] == 0);
    assert_ok(read_text(&c, "{\"model_type\":\"qwen2\",\"use_sliding_window\":true,\"sliding_window\":7,"
                            "\"max_window_layers\":1," SHAPE "}"));
    assert_true(c.window == 7 && c.layer[0] == 0 && c.layer[1] == LAYER_WINDOW);
    assert_ok(
        read_text(&c, "{\"model_type\":\"gemma2\",\"sliding_window\":9,\"final_logit_softcapping\":null," SHAPE "}"));
    assert_true(c.head_dim == 256 && c.attention_cap == 50 && c.logit_cap == 0 && c.tied_embeddings);
    assert_true(c.attention_scale == 0.0625 && c.plan.act == ACT_GELU_TANH && c.layer[0] == LAYER_WINDOW &&
                !c.layer[1]);
    assert_ok(read_text(
        &c, "{\"model_type\":\"gemma3\",\"eos_token_id\":[1,6],\"text_config\":{\"model_type\":\"gemma3_text\","
            "\"sliding_window\":16,\"sliding_window_pattern\":2,\"rope_local_base_freq\":100,"
            "\"rope_scaling\":{\"factor\":8.0,\"rope_type\":\"linear\"},\"num_hidden_layers\":2,"
            "\"hidden_size\":8,\"intermediate_size\":12}}"));
    assert_true(c.heads == 8 && c.kv_heads == 4 && c.vocab == 262208 && c.positions == 131072 && c.n_eos == 2);
    assert_true(c.rope[0].scaling == ROPE_LINEAR && c.rope[0].factor == 8 && c.rope[0].theta == 1e6);
    assert_true(c.rope[1].scaling == ROPE_DEFAULT && c.rope[1].theta == 100);
    assert_true(c.layer[0] == (LAYER_WINDOW | LAYER_LOCAL_ROPE) && c.layer[1] == 0);
    assert_ok(read_text(&c, "{\"model_type\":\"gpt2\",\"n_layer\":2,\"n_embd\":6,\"n_head\":2,\"vocab_size\":9}"));
    assert_true(c.inter == 24 && c.head_dim == 3 && c.positions == 1024 && c.plan.positions && c.mlp_bias && c.o_bias);
    assert_ok(read_text(&c, "{\"model_type\":\"gpt_neox\",\"rotary_pct\":0.5,\"rotary_emb_base\":77,"
                            "\"use_parallel_residual\":false," SHAPE "}"));
    assert_true(c.rotary_dim == 2 && c.rope[0].theta == 77 && !c.plan.parallel && c.norm_eps == 1e-5);
    assert_ok(read_text(&c, "{\"model_type\":\"smollm3\",\"no_rope_layer_interval\":2," SHAPE "}"));
    assert_true(c.layer[0] == 0 && c.layer[1] == LAYER_UNROTATED && c.rope[0].theta == 2e6);
    assert_ok(read_text(&c, "{\"model_type\":\"granite\",\"logits_scaling\":8,\"residual_multiplier\":0.5," SHAPE "}"));
    assert_true(c.logit_scale == 0.125 && c.residual_scale == 0.5 && c.attention_scale == 1 && c.embedding_scale == 1);
}

/* The shape has 32 positions, which a longer window never cuts. */
static void what_changes_nothing_is_no_reason_to_refuse(void **state)
{
    (void)state;
    static const struct {
        const char *type, *more;
        int64_t     window; /* 0: none that a text could reach */
    } cases[] = {
        { "llama", ",\"pretraining_tp\":2", 0 },
        { "llama", ",\"sliding_window\":8,\"use_sliding_window\":true", 0 }, /* a llama knows no window */
        { "mistral", "", 0 },                                                /* its own window of 4096 */
        { "mistral", ",\"sliding_window\":32", 0 },
        { "mistral", ",\"sliding_window\":31", 31 },
        { "mistral", ",\"sliding_window\":8,\"layer_types\":[\"sliding_attention\",\"sliding_attention\"]", 8 },
        { "mistral", ",\"sliding_window\":null", 0 },
        { "qwen2", ",\"sliding_window\":8", 0 },
        { "qwen2", ",\"sliding_window\":8,\"use_sliding_window\":false", 0 },
        { "qwen2", ",\"sliding_window\":8,\"use_sliding_window\":true", 8 },
        { "qwen2", ",\"sliding_window\":64,\"use_sliding_window\":true", 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        model_config c;
        char         text[1024];
        snprintf(text, sizeof text, "{\"model_type\":\"%s\"," SHAPE "%s}", cases[i].type, cases[i].more);
        assert_ok(read_text(&c, text));
        if (c.window != cases[i].window || c.positions != 32) fail_msg("%s: %d", text, (int)c.window);
    }
    model_config c; /* the first Llamas' configs do not say it */
    assert_ok(read_text(&c,
                        "{\"model_type\":\"llama\",\"num_hidden_layers\":2,\"hidden_size\":8,\"intermediate_size\":12,"
                        "\"num_attention_heads\":2,\"vocab_size\":16}"));
    assert_int_equal(c.positions, 2048);
}

static void counting_needs_the_shape_alone(void **state)
{
    (void)state;
    static const char *const more[] = {
        ",\"quantization_config\":{\"quant_method\":\"fp8\"}",
        ",\"quantization\":{\"bits\":4}",
        ",\"rope_scaling\":{\"type\":\"never-heard-of\"}",
        ",\"eos_token_id\":\"x\",\"bos_token_id\":-1",
        ",\"hidden_act\":\"relu\"",
        ",\"layer_types\":[\"chunked_attention\"]",
        ",\"rms_norm_eps\":-1",
    };
    char        *dir = test_tmpdir(), *path = path_join(dir, "config.json");
    model_config full, c;
    assert_ok(read_text(&full, LLAMA "}"));
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        char text[1024];
        snprintf(text, sizeof text, LLAMA "%s}", more[i]);
        assert_ok(file_write_atomic(path, text, strlen(text)));
        assert_int_equal(config_load(&c, dir), ERR_INPUT);
        assert_ok(config_load_shape(&c, dir));
        assert_int_equal(config_parameters(&c), config_parameters(&full));
    }
    free(path);
    test_rmdir(dir);
}

static void generation_config_has_the_last_word_on_the_end(void **state)
{
    (void)state;
    char *dir = test_tmpdir(), *config = path_join(dir, "config.json"),
         *generation  = path_join(dir, "generation_config.json");
    const char base[] = LLAMA ",\"eos_token_id\":2}", more[] = "{\"eos_token_id\":[3,4]}",
               none[] = "{\"do_sample\":true}";
    model_config c;
    assert_ok(file_write_atomic(config, base, strlen(base)));
    assert_ok(file_write_atomic(generation, none, strlen(none)));
    assert_ok(config_load(&c, dir));
    assert_true(c.n_eos == 1 && c.eos[0] == 2);
    assert_ok(file_write_atomic(generation, more, strlen(more)));
    assert_ok(config_load(&c, dir));
    assert_true(c.n_eos == 2 && c.eos[0] == 3 && c.eos[1] == 4);
    assert_ok(file_write_atomic(generation, "{", 1));
    assert_input_error(config_load(&c, dir), "generation_config.json");
    free(config);
    free(generation);
    test_rmdir(dir);
}

static void llama3_scaling_is_read_in_both_forms(void **state)
{
    (void)state;
    static const char *const texts[] = {
        LLAMA
        ",\"rope_theta\":500000.0,\"rope_scaling\":{\"factor\":32.0,\"high_freq_factor\":4.0,\"low_freq_factor\":1.0,"
        "\"original_max_position_embeddings\":8192,\"rope_type\":\"llama3\"}}",
        LLAMA
        ",\"rope_parameters\":{\"rope_theta\":500000.0,\"factor\":32.0,\"high_freq_factor\":4.0,\"low_freq_factor\":1.0,"
        "\"original_max_position_embeddings\":8192,\"rope_type\":\"llama3\"}}",
    };
    for (int i = 0; i < 2; i++) {
        model_config c;
        assert_ok(read_text(&c, texts[i]));
        assert_true(c.rope[0].scaling == ROPE_LLAMA3 && c.rope[0].theta == 500000 && c.rope[0].factor == 32 &&
                    c.rope[0].low_freq == 1 && c.rope[0].high_freq == 4 && c.rope[0].original == 8192);
    }
}

static void what_is_not_supported_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "", "is empty" },
        { "[1]", "must hold one JSON object" },
        { "{", "not valid JSON" },
        { "{}", "\"model_type\" is missing" },
        { "{\"model_type\":\"mamba\"}", "\"mamba\" is not supported; these are: llama, mistral, qwen2" },
        { "{\"model_type\":\"gpt2\"}", "\"n_layer\" is missing" },
        { "{\"model_type\":\"llama\"}", "\"num_hidden_layers\" is missing" },
        { LLAMA ",\"hidden_act\":\"relu\"}", "\"hidden_act\": \"relu\"" },
        { LLAMA ",\"quantization_config\":{}}", "\"quantization_config\"" },
        { "{\"model_type\":\"mistral\",\"sliding_window\":\"x\"," SHAPE "}", "\"sliding_window\"" },
        { "{\"model_type\":\"qwen2\",\"use_sliding_window\":1," SHAPE "}", "\"use_sliding_window\"" },
        { LLAMA ",\"layer_types\":[\"full_attention\",\"sliding_attention\"]}", "\"layer_types\"" },
        { LLAMA ",\"layer_types\":[\"full_attention\",\"chunked_attention\"]}", "\"layer_types\"" },
        { LLAMA ",\"partial_rotary_factor\":0.5}", "\"partial_rotary_factor\": 0.5" },
        { LLAMA ",\"rope_parameters\":{\"partial_rotary_factor\":0.5}}", "\"partial_rotary_factor\": 0.5" },
        { LLAMA ",\"rope_scaling\":{\"type\":\"mrope\",\"factor\":2}}", "type \"mrope\" is not supported" },
        { LLAMA ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":0.5}}", "\"factor\": 0.5" },
        { LLAMA ",\"rope_scaling\":{\"type\":\"longrope\",\"short_factor\":[1],\"long_factor\":[1,2]}}",
          "\"short_factor\": must be a list of 2 numbers" },
        { "{\"model_type\":\"qwen3\",\"layer_types\":[\"full_attention\"]," SHAPE "}", "layer 1: \"(missing)\"" },
        { "{\"model_type\":\"smollm3\",\"no_rope_layers\":[1,2]," SHAPE "}", "\"no_rope_layers\": layer 1" },
        { "{\"model_type\":\"gemma3_text\",\"use_bidirectional_attention\":true," SHAPE "}", "bidirectional" },
        { LLAMA ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":2}}", "\"low_freq_factor\" is missing" },
        { LLAMA ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":2,\"low_freq_factor\":4,\"high_freq_factor\":4,"
                "\"original_max_position_embeddings\":8}}",
          "\"high_freq_factor\": 4: must be above" },
        { LLAMA ",\"rope_parameters\":{\"full_attention\":{\"rope_type\":\"default\"}}}", "differ by layer" },
        { LLAMA ",\"num_key_value_heads\":3}", "must divide num_attention_heads" },
        { LLAMA ",\"head_dim\":5}", "head_dim 5: must be even" },
        { LLAMA ",\"head_dim\":1e300}", "must be a whole number, 1..1024" },
        { LLAMA ",\"eos_token_id\":16}", "\"eos_token_id\"" },
        { LLAMA ",\"eos_token_id\":[1,2,3,4,5,6,7,8,9]}", "more than 8 ids" },
        { LLAMA ",\"eos_token_id\":\"2\"}", "\"eos_token_id\"" },
        { LLAMA ",\"bos_token_id\":99}", "\"bos_token_id\": 99" },
        { LLAMA ",\"rms_norm_eps\":-1}", "\"rms_norm_eps\"" },
        { LLAMA ",\"rope_theta\":0}", "\"rope_theta\"" },
        { "{\"model_type\":\"llama\",\"num_hidden_layers\":1024,\"hidden_size\":262144,\"intermediate_size\":262144,\"num_attention_heads\":4096,"
          "\"head_dim\":1024,\"vocab_size\":4194304,\"max_position_embeddings\":1}",
          "parameters; at most" },
        { "{\"model_type\":\"llama\",\"num_hidden_layers\":1e9,\"hidden_size\":8}",
          "\"num_hidden_layers\": 1000000000" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        model_config c;
        error_clear();
        int rc = read_text(&c, cases[i].text);
        if (rc != ERR_INPUT || !strstr(error_text(), cases[i].message) || !strstr(error_text(), "config.json"))
            fail_msg("%s: status %d, \"%s\"; wanted \"%s\"", cases[i].text, rc, error_text(), cases[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_of_presets_are_the_published_ones),
        cmocka_unit_test(site_shapes_follow_grouped_heads),
        cmocka_unit_test(site_sets_parse_and_print),
        reference_test(old_and_new_forms_are_read),
        cmocka_unit_test(defaults_are_those_of_transformers),
        cmocka_unit_test(families_are_read_as_transformers_reads_them),
        cmocka_unit_test(what_changes_nothing_is_no_reason_to_refuse),
        cmocka_unit_test(counting_needs_the_shape_alone),
        cmocka_unit_test(generation_config_has_the_last_word_on_the_end),
        cmocka_unit_test(llama3_scaling_is_read_in_both_forms),
        cmocka_unit_test(what_is_not_supported_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
