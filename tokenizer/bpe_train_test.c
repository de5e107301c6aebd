#include "core/json.h"
#include "core/test.h"
#include "tokenizer/bpe_train.h"

static const bpe_options plain = { .vocab = 300, .bos = "<|bos|>", .eos = "<|eos|>", .pattern = BPE_PATTERN };

static json *train(const char *text, bpe_options o)
{
    str   out = { 0 };
    json *j   = NULL;
    assert_ok(bpe_train(&out, text, strlen(text), o));
    assert_ok(json_parse(&j, str_c(&out), out.n, "tokenizer.json"));
    str_free(&out);
    return j;
}

/* Worked out by hand. The pieces are "low" x 2, " low" x 3 and " lower" x 2. Pairs lo and ow occur
 * 7 times; byte ids follow GPT-2's characters, so "lo" is merged first (l < o). Then lo+w occurs 7
 * times and blank+low 5 times. Of the pairs that occur twice, e+r goes before ( low)+e, because the
 * id of "e" is smaller. */
static void test_merges_by_hand(void **state)
{
    (void)state;
    json       *j      = train("low\nlow low low low lower lower", plain);
    const json *merges = json_find(json_find(j, "model"), "merges");
    const char *want[] = { "l o", "lo w", "\xC4\xA0 low", "e r", "\xC4\xA0low er" };
    assert_int_equal(json_size(merges), 5);
    for (int i = 0; i < 5; i++) assert_string_equal(json_at(merges, i)->valuestring, want[i]);
    const json *vocab = json_find(json_find(j, "model"), "vocab");
    assert_int_equal(json_size(vocab), 258 + 5);
    assert_int_equal(json_find(vocab, "!")->valueint, 2); /* the first of GPT-2's byte characters */
    assert_int_equal(json_find(vocab, "lo")->valueint, 258);
    json_free(j);
}

static void test_merges_stay_inside_pieces(void **state)
{
    (void)state;
    json       *j      = train("a1 a1 a1 a1 12345 12345", plain);
    const json *merges = json_find(json_find(j, "model"), "merges");
    for (const json *m = merges->child; m; m = m->next) assert_null(strstr(m->valuestring, "a 1"));
    json_free(j);
}

static void test_bad_input(void **state)
{
    (void)state;
    str         out = { 0 };
    bpe_options o   = plain;
    assert_input_error(bpe_train(&out, "a\xFFz", 3, o), "byte 1");
    o.vocab = 10;
    assert_input_error(bpe_train(&out, "abc", 3, o), "258..4096");
    o.vocab = 300, o.pattern = "(";
    assert_input_error(bpe_train(&out, "abc", 3, o), "not a regular expression");
    str_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_merges_by_hand),
                                        cmocka_unit_test(test_merges_stay_inside_pieces),
                                        cmocka_unit_test(test_bad_input) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
