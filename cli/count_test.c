/* `tiebreak count --json`: what scripts read, and the refusals. */
#include "adapters/method.h"
#include "cli/test_verb.h"

static json *count(const char *words, int *rc) { return test_verb_json(&verb_count, words, rc); }

static double number(const json *j, const char *key) { return json_number(json_find(j, key)); }

static void every_method_is_listed(void **state)
{
    (void)state;
    int   rc;
    json *j = count("--model llama2-7b --rank 8 --json", &rc);
    assert_int_equal(rc, OK);
    const json *methods = json_find(j, "methods");
    int         rows    = 0;
    while (method_row(rows)) rows++;
    assert_int_equal(json_size(methods), rows + 1); /* and full */
    for (const json *m = methods->child; m; m = m->next)
        assert_true(number(m, "trainable") > 0 && number(m, "adapter_bytes") > 0);
    json_free(j);
}

static void published_counts_reach_the_command_line(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        double      trainable, bytes;
    } cases[] = {
        { "--model llama2-7b --method tied-lora --rank 8 --json", 524544, 4 * 524544 },
        { "--model llama3.2-3b --method vera --rank 256 --sites q,v --json", 129024, 4 * (129024 + 256 * 6144) },
        { "--model llama3.2-3b --method full --json", 3212749824, 4 * 3212749824.0 },
        { "--model roberta-base --method A=model:train:normal,R=layer:train:zero,B=model:train:normal --rank 2 --sites q,v --json",
          3168, 4 * 3168 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int   rc;
        json *j = count(cases[i].words, &rc);
        assert_int_equal(rc, OK);
        assert_true(number(j, "trainable") == cases[i].trainable);
        assert_true(number(j, "adapter_bytes") == cases[i].bytes);
        json_free(j);
    }
}

static void flops_are_the_formulas(void **state)
{
    /* LLaMA-2 7B: 32 layers, d 4096, MLP 11008, vocabulary 32000; q and v: d -> d; rank 8, A and
     * B trained. */
    (void)state;
    int         rc;
    json       *j = count("--model llama2-7b --method lora --rank 8 --sites q,v --json", &rc);
    const json *f = json_find(j, "flops_per_token");
    double      d = 4096, base = 32 * (4 * d * d + 3 * d * 11008) + 32000 * d, pairs = 32.0 * 2 * 8 * (d + d);
    assert_true(number(f, "base_forward") == 2 * base && number(f, "base_training") == 4 * base);
    assert_true(number(f, "adapter_forward") == 2 * pairs && number(f, "adapter_training") == 6 * pairs);
    json_free(j);
}

static void bad_requests_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *words, *part;
    } cases[] = {
        { "--model mini --method loro", "did you mean lora?" },
        { "--model mini --method vera --alpha 3", "takes no alpha" },
        { "--model nowhere --method lora", "no such preset" },
        { "--model mini --method lora --sites qv", "sites" },
        { "--model mini --method lora --rank 0", "--rank 0" },
        { "--model mini --method lora --rank 8x", "--rank 8x" },
        { "--method lora", "--model" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int rc;
        error_clear();
        json_free(count(cases[i].words, &rc));
        if (rc != ERR_INPUT || !strstr(error_text(), cases[i].part))
            fail_msg("%s: status %d, \"%s\"", cases[i].words, rc, error_text());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_is_listed),
        cmocka_unit_test(published_counts_reach_the_command_line),
        cmocka_unit_test(flops_are_the_formulas),
        cmocka_unit_test(bad_requests_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
