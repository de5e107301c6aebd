#include "metrics/gsm8k.h"

#include "metrics/test_lines.h"

static void extracts_by_hand(void **state)
{
    static const struct {
        const char *text, *strict, *flexible;
    } cases[] = {
        { "so 9 + 9\n#### 18", "18", "18" },
        { "#### 18 dollars", "18", "18" },
        { "#### $18", "[invalid]", "$18" },
        { "####18", "[invalid]", "18" },
        { "#### -1,080.50 or #### 7", "-1,080.50", "7" },
        { "#### - 5", "[invalid]", "5" },
        { "#### x #### 3", "3", "3" },
        { "**18**.", "[invalid]", "18" },
        { "It costs $5.", "[invalid]", "$5." },
        { "5-3", "[invalid]", "-3" },
        { "well ... no", "[invalid]", "..." },
        { "a - b . c", "[invalid]", "[invalid]" },
        { "", "[invalid]", "[invalid]" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_text(gsm8k_strict(slice_of(cases[i].text)), slice_of(cases[i].strict));
        assert_text(gsm8k_flexible(slice_of(cases[i].text)), slice_of(cases[i].flexible));
    }
}

/* The pattern's last dot takes any character but a newline, if need be the number's own last
 * digit. */
static void extracts_chains_of_thought_by_hand(void **state)
{
    static const char *const cases[][2] = {
        { "So 6. The answer is 18.", "18" },  { "The answer is 18", "1" },
        { "The answer is 18\nmore", "1" },    { "The answer is -5", "[invalid]" },
        { "The answer is -5 dollars", "-5" }, { "The answer is $5.", "[invalid]" },
        { "The answer is 1,080!", "1,080" },  { "The answer is 7\n. The answer is 42 ok", "42" },
        { "The answer is 3.50.", "3.50" },    { "#### 18", "[invalid]" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_text(gsm8k_cot_strict(slice_of(cases[i][0])), slice_of(cases[i][1]));
    double       right     = 0;
    const slice  reference = slice_of("9 + 9 = <<9+9=18>>18\n#### 18");
    metric_input in = { .prediction = slice_of("The answer is 18."), .references = &reference, .n_references = 1 };
    metric_item(metric_find("gsm8k-cot-strict"), &in, &right);
    assert_true(right == 1);
}

static void compares_by_hand(void **state)
{
    static const struct {
        const char *extracted, *reference;
        bool        same;
    } cases[] = {
        { "18.", "a\n#### 18", true },      { "$1,8", "#### 18", true },
        { "18.00", "#### 18", false },      { "18..", "#### 18", false },
        { "018", "#### 18", false },        { "1080", "#### 1,080", true },
        { "18", "#### 18.\n", false },      { "[invalid]", "#### 18", false },
        { "5", "#### 4 and #### 5", true }, { "", "", true },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (gsm8k_match(slice_of(cases[i].extracted), slice_of(cases[i].reference)) != cases[i].same)
            fail_msg("%s against %s", cases[i].extracted, cases[i].reference);
}

static void agrees_with_the_harness_filters(void **state)
{
    (void)state;
    need_data(path, "lm-eval-reference/gsm8k_filters.jsonl");
    json   *lines = read_lines(path);
    int64_t n     = 0;
    for (const json *j = lines->child; j; j = j->next, n++) {
        slice response = text_at(j, "response"), target = text_at(j, "target");
        slice strict = gsm8k_strict(response), flexible = gsm8k_flexible(response);
        assert_text(strict, text_at(at(j, "filtered"), "strict-match"));
        assert_text(flexible, text_at(at(j, "filtered"), "flexible-extract"));
        assert_true(gsm8k_match(strict, target) == number_at(at(j, "exact_match"), "strict-match"));
        assert_true(gsm8k_match(flexible, target) == number_at(at(j, "exact_match"), "flexible-extract"));
    }
    assert_true(n > 100);
    json_free(lines);
}

/* Writes `text` with its last "A: " replaced by "#### ": the solution in the data set's own
 * form. */
static void in_own_form(const char *text, str *out)
{
    const char *mark = NULL;
    for (const char *p = strstr(text, "\nA: "); p; p = strstr(p + 1, "\nA: ")) mark = p;
    str_clear(out);
    str_add(out, text, mark ? (size_t)(mark - text) : strlen(text));
    if (mark) {
        str_puts(out, "\n#### ");
        str_puts(out, mark + 4);
    }
}

static void agrees_with_the_verdicts_on_solutions(void **state)
{
    (void)state;
    need_data(path, "gsm8k/example_model_solutions.part.jsonl");
    json   *lines = read_lines(path);
    str     text = { 0 }, truth = { 0 };
    int64_t n = 0, differ = 0;
    for (const json *j = lines->child; j; j = j->next)
        for (const json *one = j->child; one; one = one->next) {
            if (!json_find(one, "solution")) continue;
            n++;
            in_own_form(at(one, "solution")->valuestring, &text);
            in_own_form(at(j, "ground_truth")->valuestring, &truth);
            bool right = gsm8k_match(gsm8k_strict((slice) { text.s, text.n }), (slice) { truth.s, truth.n });
            differ += right != json_is_true(at(one, "is_correct"));
        }
    assert_true(n > 100);
    assert_int_equal(differ, 0);
    str_free(&text);
    str_free(&truth);
    json_free(lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(extracts_by_hand),
        cmocka_unit_test(extracts_chains_of_thought_by_hand),
        cmocka_unit_test(compares_by_hand),
        reference_test(agrees_with_the_harness_filters),
        reference_test(agrees_with_the_verdicts_on_solutions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
