/* `tiebreak base` writes a base whole or refuses before it writes; `count` and `adapter inspect`
 * say what does not fit. */
#include "adapters/adapter.h"
#include "cli/test_verb.h"

static char *dir;

static int set_up(void **state)
{
    (void)state;
    dir = test_tmpdir();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_rmdir(dir);
    return 0;
}

static int base(const char *format, const char *folder)
{
    char words[512];
    str  printed = { 0 };
    snprintf(words, sizeof words, format, folder);
    error_clear();
    int rc = test_verb(&verb_base, words, &printed);
    str_free(&printed);
    return rc;
}

static void nothing_is_written_over_or_in_vain(void **state)
{
    (void)state;
    char *out = path_join(dir, "b"), *config = path_join(out, "config.json"), *other = path_join(dir, "c");
    str   before = { 0 }, after = { 0 };
    assert_input_error(base("--shape mini --tokenizer nowhere --out %s", out),
                       "--tokenizer nowhere: has no tokenizer.json");
    assert_false(file_is_dir(out));
    assert_input_error(base("--shape roberta-base --tokenizer datasets/mini/base --out %s", out),
                       "a shape for counting only");
    assert_false(file_is_dir(out));
    assert_ok(base("--shape mini --tokenizer datasets/mini/base --out %s", out));
    assert_ok(file_read(config, 1 << 20, &before));
    assert_input_error(base("--shape mini --tokenizer datasets/mini/base --seed 9 --out %s", out),
                       "holds a model already");
    assert_ok(file_read(config, 1 << 20, &after));
    assert_string_equal(before.s, after.s);
    /* a folder with something else in it is fine */
    assert_ok(file_make_dirs(other));
    free(config);
    config = path_join(other, "notes.txt");
    assert_ok(file_write_atomic(config, "x", 1));
    assert_ok(base("--shape mini --tokenizer datasets/mini/base --out %s", other));
    str_free(&before);
    str_free(&after);
    free(config);
    free(other);
    free(out);
}

static double trained(const char *words)
{
    int          rc;
    json        *j = test_verb_json(&verb_count, words, &rc);
    const double n = json_number(json_find(j, "trainable"));
    assert_int_equal(rc, OK);
    json_free(j);
    return n;
}

/* RoBERTa has no gate: `all` are six linears. */
static void sites_that_a_shape_lacks(void **state)
{
    (void)state;
    static const struct {
        const char *model, *method;
        double      trained;
    } cases[] = {
        { "roberta-base", "vera", 83520 },        { "roberta-base", "tied-lora", 194112 },
        { "roberta-base", "adalora", 1327680 },   { "roberta-base", "moslora", 1331712 },
        { "roberta-base", "lotr", 115200 },       { "roberta-large", "vera", 222336 },
        { "roberta-large", "tied-lora", 369792 },
    };
    char words[256];
    str  printed = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(words, sizeof words, "--model %s --method %s --rank 8 --sites all --json", cases[i].model,
                 cases[i].method);
        if (trained(words) != cases[i].trained) fail_msg("%s: %.0f", words, trained(words));
    }
    error_clear();
    assert_int_equal(test_verb(&verb_count, "--model roberta-base --method lora --rank 8 --sites gate", &printed),
                     ERR_INPUT);
    assert_non_null(strstr(error_text(), "roberta-base has no linear `gate`"));
    str_free(&printed);
}

/* A folder whose config says another rank than its tensors have: PEFT refuses it, and inspect says
 * where. */
static void a_config_that_disagrees_is_named(void **state)
{
    (void)state;
    char        *folder = path_join(dir, "pe"), *config = path_join(folder, "adapter_config.json"), *rank, words[512];
    str          text = { 0 }, printed = { 0 };
    adapter_spec spec = { .sites = 1u << SITE_Q | 1u << SITE_V, .rank = 4, .seed = 1 };
    model_config c;
    adapter     *a;
    assert_ok(config_load(&c, "mini"));
    assert_ok(method_find(&spec.method, "lora"));
    assert_ok(adapter_new(&a, backend_find("ref"), &c, spec));
    assert_ok(adapter_save(a, folder, "base", NULL, NULL));
    adapter_free(a);
    snprintf(words, sizeof words, "inspect %s", folder);
    assert_ok(test_verb(&verb_adapter, words, &printed));
    assert_ok(file_read(config, 1 << 20, &text));
    rank = strstr(text.s, "\"r\"");
    assert_non_null(rank);
    rank = strchr(rank, '4');
    assert_non_null(rank);
    *rank = '8';
    assert_ok(file_write_atomic(config, text.s, text.n));
    assert_input_error(test_verb(&verb_adapter, words, &printed),
                       "layers.0.self_attn.q_proj has rank 8 in the config and 4 in its tensors");
    assert_non_null(strstr(error_text(), "and 9 more"));
    str_free(&text);
    str_free(&printed);
    free(config);
    free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_is_written_over_or_in_vain),
                                        cmocka_unit_test(sites_that_a_shape_lacks),
                                        cmocka_unit_test(a_config_that_disagrees_is_named) };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
