#include "metrics/gsm8k_peft.h"

#include "metrics/test_lines.h"

/* Expected: what the header's rules give when written in Python 3.11. */
static void finds_the_answer(void **state)
{
    static const struct {
        const char *text, *answer;
    } cases[] = {
        { "The answer is: 16", "16" },
        { "so The answer is 16. But The answer is: 17!", "17" },
        { "#### 18\nmore", "18" },
        { "The answer is: $5.00 %.", "5.00" },
        { "The final answer is: 3/4", "3/4" },
        { "The answer is", NULL },
        { "The answer is ", NULL },
        { "  #### -2 ?!", "-2" },
        { "The answer is: \n7\n8", "7" },
        { "no", NULL },
        { "#### 5 The final answer is 6", "6" },
        { "The answer is: .", "" },
        { "The answer is:  12\xC2\xA0", "12" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        slice got = gsm8k_peft_answer(slice_of(cases[i].text));
        if (!cases[i].answer || !got.s)
            assert_true(!cases[i].answer && !got.s);
        else
            assert_text(got, slice_of(cases[i].answer));
    }
}

static void compares_numbers_as_numbers(void **state)
{
    static const struct {
        const char *a, *b;
        bool        same;
    } cases[] = {
        { "18", "18.0", true },
        { "36/2", "18", true },
        { "20/35", "0.5714285714285714", true },
        { "0.1/0.3", "1/3", true },
        { "1,080", "1080", false },
        { "1,080", "1,080", true },
        { "1_000", "1000", true },
        { "1e2", "100", true },
        { "inf", "Infinity", true },
        { "nan", "nan", false },
        { "5/0", "5/0", true },
        { "1/2/3", "1/2/3", true },
        { "", "", true },
        { ".5", "0.5", true },
        { "5.", "5", true },
        { "-3", "−3", false },
        { "٣", "3", true },
        { "0x10", "16", false },
        { " 7 ", "7", true },
        { "x", "X", false },
        { "1/3", "0.3333333333333333", true },
        { "1.25/3", "125/300", true },
        { "2e1/4", "5", true },
        { "+4", "4", true },
        { "3/ 4", ".75", true },
        { "𝟗", "9", true },
        { "1 0", "10", false },
        { "sinf", "inf", false },
        { "1e", "1e", true },
        { "1/inf", "0", true },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (gsm8k_peft_equal(slice_of(cases[i].a), slice_of(cases[i].b)) != cases[i].same)
            fail_msg("%s against %s", cases[i].a, cases[i].b);
}

static void scores_solutions_and_bare_numbers(void **state)
{
    const metric *m            = metric_find("gsm8k-peft");
    const slice   references[] = { slice_of("So 5 * 4 = 20.\n#### 20"), slice_of("20"), slice_of("$20.") };
    double        x;
    (void)state;
    for (int i = 0; i < 3; i++) {
        metric_item(m,
                    &(metric_input) { .prediction   = slice_of("The answer is: 20.00"),
                                      .references   = &references[i],
                                      .n_references = 1 },
                    &x);
        assert_true(x == 1);
        metric_item(
            m, &(metric_input) { .prediction = slice_of("It is 20"), .references = &references[i], .n_references = 1 },
            &x);
        assert_true(x == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_answer),
        cmocka_unit_test(compares_numbers_as_numbers),
        cmocka_unit_test(scores_solutions_and_bare_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
