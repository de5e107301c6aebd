/* Every family, small and odd: gradients against central differences in f64, cached decoding,
 * shared prefixes, f32 beside f64, files written and read, devices that lack an op. */
#include "model/decoder_private.h"
#include "model/generate.h"
#include "model/score.h"
#include "model/test_gradient.h"

#define SIZES                                                                                                          \
    "\"num_hidden_layers\":3,\"intermediate_size\":14,\"vocab_size\":13,\"max_position_embeddings\":40,"               \
    "\"bos_token_id\":1,\"eos_token_id\":2,"
#define GROUPED "\"hidden_size\":10,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":6,"
#define LLAMA "{\"model_type\":\"llama\"," SIZES GROUPED "\"rope_theta\":100"
#define NEOX "{\"model_type\":\"gpt_neox\"," SIZES "\"hidden_size\":18,\"num_attention_heads\":3,\"rotary_pct\":0.7"

static const struct {
    const char *what, *config;
} varieties[] = {
    { "linear", LLAMA ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":3}}" },
    { "dynamic", "{\"model_type\":\"llama\",\"num_hidden_layers\":3,\"intermediate_size\":14,\"vocab_size\":13,"
                 "\"max_position_embeddings\":4," GROUPED "\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2}}" },
    { "yarn", LLAMA ",\"rope_scaling\":{\"type\":\"yarn\",\"factor\":4,\"original_max_position_embeddings\":10}}" },
    { "exact GELU with a gate", LLAMA ",\"hidden_act\":\"gelu\",\"attention_bias\":true,\"mlp_bias\":true}" },
    { "mistral", "{\"model_type\":\"mistral\"," SIZES GROUPED "\"sliding_window\":3}" },
    { "qwen2", "{\"model_type\":\"qwen2\"," SIZES GROUPED
               "\"use_sliding_window\":true,\"sliding_window\":2,\"max_window_layers\":1}" },
    { "qwen3", "{\"model_type\":\"qwen3\"," SIZES GROUPED "\"attention_bias\":true}" },
    { "phi3", "{\"model_type\":\"phi3\"," SIZES GROUPED "\"original_max_position_embeddings\":5,"
              "\"rope_scaling\":{\"type\":\"longrope\",\"short_factor\":[1,1.5,2],\"long_factor\":[2,3,5]}}" },
    { "gemma", "{\"model_type\":\"gemma\"," SIZES GROUPED "\"hidden_act\":\"gelu\"}" },
    { "gemma2", "{\"model_type\":\"gemma2\"," SIZES GROUPED "\"sliding_window\":3,\"query_pre_attn_scalar\":5,"
                "\"attn_logit_softcapping\":1.5,\"final_logit_softcapping\":2.5}" },
    { "gemma3", "{\"model_type\":\"gemma3_text\"," SIZES GROUPED "\"sliding_window\":3,\"sliding_window_pattern\":2,"
                "\"query_pre_attn_scalar\":5,\"rope_local_base_freq\":50,\"final_logit_softcapping\":3,"
                "\"rope_scaling\":{\"rope_type\":\"linear\",\"factor\":8}}" },
    { "smollm3", "{\"model_type\":\"smollm3\"," SIZES GROUPED "\"no_rope_layers\":[1,0,1],\"use_sliding_window\":true,"
                 "\"sliding_window\":3}" },
    { "olmo2", "{\"model_type\":\"olmo2\"," SIZES GROUPED "\"attention_bias\":true}" },
    { "granite", "{\"model_type\":\"granite\"," SIZES GROUPED "\"embedding_multiplier\":3,\"attention_multiplier\":0.3,"
                 "\"residual_multiplier\":0.6,\"logits_scaling\":2,\"mlp_bias\":true,\"tie_word_embeddings\":true}" },
    { "gpt2", "{\"model_type\":\"gpt2\",\"n_layer\":3,\"n_embd\":15,\"n_head\":3,\"n_inner\":14,\"vocab_size\":13,"
              "\"n_positions\":40,\"scale_attn_by_inverse_layer_idx\":true}" },
    { "gpt_neox", NEOX "}" },
    { "gpt_neox, not parallel", NEOX ",\"use_parallel_residual\":false,\"attention_bias\":false}" },
};
enum { VARIETIES = sizeof varieties / sizeof *varieties };

static model *open_variety(int i, const char *device, bool trainable)
{
    char  *dir = test_tmpdir();
    model *m   = NULL;
    test_model_write_json(varieties[i].config, 11, dir);
    assert_ok(model_open(&m, dir, backend_find(device), trainable));
    test_rmdir(dir);
    return m;
}

/* The sites that a family has, gate and up apart and fused. */
static unsigned sites_of(const model *m)
{
    unsigned sites = 0;
    for (int s = 0; s < SITE_COUNT; s++)
        if (s != SITE_QKV && site_in(&m->cfg, (site_id)s)) sites |= 1u << s;
    return sites;
}

/* The batch without a shared prefix, where lengths change frequencies. */
static batch batch_of(const decoder *d)
{
    batch b = odd_batch;
    if (!decoder_shares_prefixes(d, 7)) b.n_tokens = 11, b.n_segments = 2, b.n_rows = 6;
    return b;
}

/* Two texts, the second of six tokens, without prefixes. */
static const segment apart[] = { { 0, 5, -1 }, { 5, 6, -1 } };

static void gradients_of_weights_are_differences(void **state)
{
    (void)state;
    for (int i = 0; i < VARIETIES; i += TEST_PART) {
        model       *m = open_variety(i, "ref", true);
        decoder     *d = decoder_new(m);
        batch        b = batch_of(d);
        weight_group g;
        if (b.n_segments == 2) b.segments = apart;
        assert_ok(decoder_forward(d, &b, NULL, true));
        assert_ok(decoder_backward(d, 1, NULL));
        for (int64_t k = 0; weight_group_at(m, k, &g); k++) {
            char what[160];
            snprintf(what, sizeof what, "%s: %s", varieties[i].what, g.name[0]);
            check_differences(d, &b, NULL, *g.slot, *g.grad_slot, g.count, 1, what);
        }
        decoder_free(d);
        model_close(m);
    }
}

static void gradients_of_pairs_are_differences(void **state)
{
    (void)state;
    for (int i = 0; i < VARIETIES; i += TEST_PART)
        for (int fused = 0; fused < 2; fused++) {
            model       *m = open_variety(i, "ref", false);
            decoder     *d = decoder_new(m);
            pair_arrays *p = random_pairs(m, fused ? 1u << SITE_QKV | 1u << SITE_DOWN : sites_of(m), 3);
            batch        b = batch_of(d);
            if (b.n_segments == 2) b.segments = apart;
            assert_ok(decoder_forward(d, &b, p, true));
            assert_ok(decoder_backward(d, 0.5, NULL));
            for (int64_t k = 0; k < m->cfg.layers * SITE_COUNT; k++) {
                site_id s = (site_id)(k % SITE_COUNT);
                char    what[120];
                if (!p[k].r) continue;
                snprintf(what, sizeof what, "%s: layer %d %s", varieties[i].what, (int)(k / SITE_COUNT),
                         site_table[s].name);
                check_differences(d, &b, p, (real *)(uintptr_t)p[k].A, p[k].dA, p[k].r * site_in(&m->cfg, s), 0.5,
                                  what);
                check_differences(d, &b, p, (real *)(uintptr_t)p[k].B, p[k].dB, p[k].r * site_out(&m->cfg, s), 0.5,
                                  what);
            }
            free_pairs(m, p);
            decoder_free(d);
            model_close(m);
        }
}

/* Gradients only where asked: the same numbers as when everything is asked. */
static void partial_backward_gives_the_same_numbers(void **state)
{
    (void)state;
    static const struct {
        int64_t layer;
        site_id site;
    } only[] = { { 2, SITE_DOWN }, { 2, SITE_UP }, { 2, SITE_O }, { 1, SITE_V }, { 1, SITE_O }, { 0, SITE_Q } };
    for (int i = 0; i < VARIETIES; i++) {
        model       *m    = open_variety(i, "ref", false);
        decoder     *d    = decoder_new(m);
        pair_arrays *all  = random_pairs(m, sites_of(m), 3),
                    *some = mem_alloc((size_t)m->cfg.layers * SITE_COUNT, sizeof *some);
        batch b           = batch_of(d);
        if (b.n_segments == 2) b.segments = apart;
        assert_ok(decoder_forward(d, &b, all, true));
        assert_ok(decoder_backward(d, 1, NULL));
        for (size_t k = 0; k < sizeof only / sizeof *only; k++) {
            int64_t at = only[k].layer * SITE_COUNT + only[k].site, n = all[at].r * site_out(&m->cfg, only[k].site);
            param  *dB = m->be->alloc(m->be, n);
            for (int64_t s = 0; s < m->cfg.layers * SITE_COUNT; s++) some[s] = all[s], some[s].dA = some[s].dB = NULL;
            some[at].dB = dB;
            assert_ok(decoder_forward(d, &b, some, true));
            assert_ok(decoder_backward(d, 1, NULL));
            double err = rel_err(host_values(m->be, dB), host_values(m->be, all[at].dB), n);
            if (!(err <= 1e-13)) fail_msg("%s: %s: %.3e", varieties[i].what, site_table[only[k].site].name, err);
            m->be->release(m->be, dB);
        }
        free(some);
        free_pairs(m, all);
        decoder_free(d);
        model_close(m);
    }
}

/* The likeliest next id of a text, all of it computed at once. */
static int32_t next_id(decoder *d, const int32_t *ids, int64_t n, const pair_arrays *pairs)
{
    int32_t       pos[40], row = (int32_t)n - 1, best = 0;
    const segment whole = { 0, (int32_t)n, -1 };
    double        logits[13];
    for (int32_t i = 0; i < n; i++) pos[i] = i;
    batch b = { .n_tokens = n, .n_segments = 1, .n_rows = 1, .ids = ids, .pos = pos, .segments = &whole, .rows = &row };
    assert_ok(decoder_forward(d, &b, pairs, false));
    assert_ok(decoder_logits(d, 0, 1, logits));
    for (int32_t i = 1; i < 13; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

/* Decoding from a cache gives the ids of computing all again, on both hosts. Where frequencies
 * depend on the length, cached keys keep those of their time, as in transformers: the text
 * stays below. */
static void cached_decoding_agrees(void **state)
{
    (void)state;
    for (int i = 0; i < VARIETIES; i++)
        for (int f32 = 0; f32 < 2; f32++) {
            model       *m              = open_variety(i, f32 ? "cpu" : "ref", false);
            decoder     *d              = decoder_new(m);
            pair_arrays *p              = random_pairs(m, sites_of(m), 5);
            int64_t new                 = decoder_shares_prefixes(d, 20) ? 15 : 1;
            int32_t       prompts[2][3] = { { 1, 5, 7 }, { 3, 3, 12 } }, ids[2][15], text[20];
            generate_item items[2];
            for (int k = 0; k < 2; k++)
                items[k] = (generate_item) { .prompt = prompts[k], .n_prompt = 3, .max_new = new, .ids = ids[k] };
            assert_ok(generate_items(d, p, items, 2, (generate_options) { .batch = 2 }));
            for (int k = 0; k < 2; k++) {
                memcpy(text, prompts[k], sizeof prompts[k]);
                for (int64_t n = 0; n < new; n++) {
                    if (next_id(d, text, 3 + n, p) != ids[k][n] && items[k].min_margin > 1e-4)
                        fail_msg("%s: id %d differs", varieties[i].what, (int)n);
                    text[3 + n] = ids[k][n];
                }
            }
            free_pairs(m, p);
            decoder_free(d);
            model_close(m);
        }
}

/* Scores of continuations, which share their context's tokens where they may, are those of each
 * text alone; f32 is near f64. */
static void scores_are_those_of_each_text_alone(void **state)
{
    (void)state;
    static const int32_t context[] = { 1, 4, 4, 11, 2 }, first[] = { 3, 6, 0 }, second[] = { 12, 8, 0, 7, 5 },
                         lengths[] = { 3, 5 };
    const int32_t *const conts[]   = { first, second };
    for (int i = 0; i < VARIETIES; i++) {
        double f64[2];
        for (int f32 = 0; f32 < 2; f32++) {
            model       *m = open_variety(i, f32 ? "cpu" : "ref", false);
            decoder     *d = decoder_new(m);
            score_item   items[2];
            score_result together[2], alone;
            for (int k = 0; k < 2; k++)
                items[k] = (score_item) { .context = context, .n_context = 5, .cont = conts[k], .n_cont = lengths[k] };
            assert_ok(score_items(d, NULL, items, 2, 100, together, NULL, NULL));
            for (int k = 0; k < 2; k++) {
                assert_ok(score_items(d, NULL, &items[k], 1, 100, &alone, NULL, NULL));
                double err = fabs(alone.ll / together[k].ll - 1), off = f32 ? fabs(alone.ll / f64[k] - 1) : 0;
                if (!(err <= (f32 ? 1e-5 : 1e-12) && off <= 1e-5))
                    fail_msg("%s, text %d: shared context %.3e, f32 %.3e", varieties[i].what, k, err, off);
                if (!f32) f64[k] = alone.ll;
            }
            decoder_free(d);
            model_close(m);
        }
    }
}

/* Written and read again, every number is the same. */
static void files_keep_every_number(void **state)
{
    (void)state;
    for (int i = 0; i < VARIETIES; i++) {
        char  *dir = test_tmpdir(), *out = path_join(dir, "out");
        model *m, *again;
        test_model_write_json(varieties[i].config, 12, dir);
        assert_ok(model_open(&m, dir, backend_find("cpu"), true));
        assert_ok(model_save(m, out, dir));
        assert_ok(model_open(&again, out, backend_find("cpu"), true));
        assert_string_equal(model_hash(m), model_hash(again));
        assert_int_equal(m->flat_count, again->flat_count);
        assert_memory_equal(m->flat, again->flat, (size_t)m->flat_count * sizeof(float));
        model_close(m);
        model_close(again);
        free(out);
        test_rmdir(dir);
    }
}

/* A device without an op that the family needs refuses it by name. */
static void a_device_says_what_it_lacks(void **state)
{
    (void)state;
    backend bare       = *backend_find("cpu");
    bare.layernorm_fwd = NULL, bare.activate_fwd = NULL, bare.blend = NULL, bare.soft_cap_fwd = NULL;
    bare.windows = false, bare.name = "bare";
    static const struct {
        const char *what, *lacks;
    } refused[] = { { "mistral", "a mistral needs windows of attention, which the device bare does not have" },
                    { "gemma", "a gemma needs an activation other than SwiGLU" },
                    { "olmo2", "norms behind them" },
                    { "gpt2", "a gpt2 needs LayerNorm" },
                    { "granite", "scaled residuals" } };
    for (int i = 0; i < VARIETIES; i++) {
        char       *dir  = test_tmpdir();
        const char *lack = NULL;
        model      *m    = NULL;
        for (size_t k = 0; k < sizeof refused / sizeof *refused; k++)
            if (!strcmp(refused[k].what, varieties[i].what)) lack = refused[k].lacks;
        test_model_write_json(varieties[i].config, 11, dir);
        if (lack) assert_input_error(model_open(&m, dir, &bare, false), lack);
        if (i == 0) {
            assert_ok(model_open(&m, dir, &bare, false)); /* a Llama needs none of them */
            model_close(m);
        }
        test_rmdir(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_weights_are_differences),
        cmocka_unit_test(gradients_of_pairs_are_differences),
        cmocka_unit_test(partial_backward_gives_the_same_numbers),
        cmocka_unit_test(cached_decoding_agrees),
        cmocka_unit_test(scores_are_those_of_each_text_alone),
        cmocka_unit_test(files_keep_every_number),
        cmocka_unit_test(a_device_says_what_it_lacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
