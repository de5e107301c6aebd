#include "metrics/lcs.h"

#include "core/rng.h"
#include "core/test.h"

enum { N = 200 };

/* Fills the table of lengths entry by entry and goes back through it as rouge_score does. */
static int64_t by_definition(const int32_t *ref, int64_t n_ref, const int32_t *hyp, int64_t n_hyp, bool *hit)
{
    static int32_t t[N + 1][N + 1];
    for (int64_t i = 1; i <= n_ref; i++)
        for (int64_t j = 1; j <= n_hyp; j++)
            t[i][j] = ref[i - 1] == hyp[j - 1]    ? t[i - 1][j - 1] + 1
                      : t[i - 1][j] > t[i][j - 1] ? t[i - 1][j]
                                                  : t[i][j - 1];
    for (int64_t i = n_ref, j = n_hyp; i > 0 && j > 0;) {
        if (ref[i - 1] == hyp[j - 1])
            hit[i - 1] = true, i--, j--;
        else if (t[i][j - 1] > t[i - 1][j])
            j--;
        else
            i--;
    }
    return t[n_ref][n_hyp];
}

static void equals_the_table_on_random_sequences(void **state)
{
    static lcs_scratch s;
    rng                r = rng_seed(11);
    (void)state;
    for (int trial = 0; trial < 1500; trial++) {
        int32_t ref[N], hyp[N];
        bool    want[N] = { 0 }, got[N] = { 0 };
        int64_t n_ref     = (int64_t)rng_below(&r, trial % 3 ? N + 1 : 9),
                n_hyp     = (int64_t)rng_below(&r, trial % 3 ? N + 1 : 9);
        uint64_t alphabet = 1 + rng_below(&r, trial % 2 ? 4 : 60);
        for (int64_t i = 0; i < n_ref; i++) ref[i] = (int32_t)rng_below(&r, alphabet);
        for (int64_t i = 0; i < n_hyp; i++) hyp[i] = (int32_t)rng_below(&r, alphabet);
        int64_t length = by_definition(ref, n_ref, hyp, n_hyp, want);
        assert_int_equal(lcs_length(&s, (token_run) { ref, n_ref }, (token_run) { hyp, n_hyp }, (int64_t)alphabet),
                         length);
        lcs_mark(&s, got, (token_run) { ref, n_ref }, (token_run) { hyp, n_hyp }, (int64_t)alphabet);
        if (memcmp(got, want, sizeof got)) fail_msg("trial %d: other positions", trial);
    }
}

static void marks_add_up(void **state)
{
    const int32_t      ref[] = { 0, 1, 2 }, first[] = { 0, 2 }, second[] = { 1, 2 };
    static lcs_scratch s;
    bool               hit[3] = { 0 };
    (void)state;
    lcs_mark(&s, hit, (token_run) { ref, 3 }, (token_run) { first, 2 }, 3);
    assert_true(hit[0] && !hit[1] && hit[2]);
    lcs_mark(&s, hit, (token_run) { ref, 3 }, (token_run) { second, 2 }, 3);
    assert_true(hit[0] && hit[1] && hit[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_table_on_random_sequences),
        cmocka_unit_test(marks_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
