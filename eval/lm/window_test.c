#include "eval/lm/window.h"

#include "metrics/test_lines.h"

static void cuts_from_the_left_or_rolls(void **state)
{
    static const struct {
        const char *why;
        int64_t     n_inputs, row, positions, k;
        int         there;
        window      w;
    } cases[] = {
        { "fits", 10, 4, 10, 0, 1, { 0, 10, 4 } },
        { "one window only", 10, 4, 10, 1, 0, { 0 } },
        { "context cut", 13, 5, 10, 0, 1, { 3, 10, 5 } },
        { "scored part fills the model: one token of context stays", 14, 4, 10, 0, 1, { 4, 10, 4 } },
        { "too long: rolls, first", 25, 2, 10, 0, 1, { 2, 10, 2 } },
        { "second", 25, 2, 10, 1, 1, { 12, 10, 12 } },
        { "last scores the rest", 25, 2, 10, 2, 1, { 15, 10, 22 } },
        { "no fourth", 25, 2, 10, 3, 0, { 0 } },
        { "nothing to score", 3, 3, 10, 0, 0, { 0 } },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        window w;
        int    there = window_at(&w, cases[i].k, cases[i].n_inputs, cases[i].row, cases[i].positions);
        if (there != cases[i].there || (there && memcmp(&w, &cases[i].w, sizeof w))) fail_msg("%s", cases[i].why);
    }
}

/* The reference encodes a text with BOS and puts another BOS before it, so there are as many inputs
 * as ids. */
static void rolls_as_the_harness_does(void **state)
{
    (void)state;
    need_data(path, "lm-eval-reference/rolling.jsonl");
    json *lines = read_lines(path);
    for (const json *j = lines->child; j; j = j->next) {
        int64_t n = cJSON_GetArraySize(at(j, "ids")), k = 0;
        window  w;
        for (const json *want = at(j, "windows")->child; want; want = want->next, k++) {
            assert_true(window_at(&w, k, n, 0, 512));
            assert_int_equal(w.row - w.first + 1, (int64_t)number_at(want, "context_tokens"));
            assert_int_equal(w.first + w.n - w.row, (int64_t)number_at(want, "predicted_tokens"));
        }
        assert_false(window_at(&w, k, n, 0, 512));
    }
    json_free(lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(cuts_from_the_left_or_rolls),
                                        reference_test(rolls_as_the_harness_does) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
