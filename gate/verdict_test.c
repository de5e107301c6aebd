#include "gate/verdict.h"

#include "core/rng.h"
#include "core/stats.h"
#include "core/test.h"
#include "gate/shift.h"

/* --- intervals */

/* From R: wilcox.test(b, a, conf.int = TRUE, conf.level = ...) on such numbers takes these places
 * of the sorted differences: qwilcox(alpha / 2, n, m), and qsignrank(alpha / 2, n). */
static void places_are_those_of_the_tables(void **state)
{
    /* n = m = 5 at 5 %: tables give 2 as the critical value, so the third smallest difference. */
    double a[8], b[8], d[8];
    for (int i = 0; i < 8; i++) a[i] = 1000 * i, b[i] = i, d[i] = i + 1;
    double sorted[64];
    static const struct {
        int    n;
        double alpha;
        int    critical; /* the largest U that rejects, two-sided */
    } two[] = { { 4, 0.05, 0 },  { 5, 0.05, 2 }, { 6, 0.05, 5 }, { 7, 0.05, 8 },
                { 8, 0.05, 13 }, { 5, 0.01, 0 }, { 8, 0.01, 7 } };
    for (size_t k = 0; k < sizeof two / sizeof *two; k++) {
        int n = two[k].n;
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++) sorted[i * n + j] = b[j] - a[n - 1 - i];
        shift s = shift_of_two(a, n, b, n, two[k].alpha);
        assert_true(s.exists);
        assert_true(s.low == sorted[two[k].critical]);
        assert_true(s.high == sorted[n * n - 1 - two[k].critical]);
    }
    /* Signed ranks: n = 6 rejects at 0, n = 8 at 3 (5 %). The Walsh averages of 1 .. n. */
    shift s = shift_of_pairs(d, 6, 0.05);
    assert_true(s.low == 1);
    assert_true(s.high == 6);
    s = shift_of_pairs(d, 8, 0.05); /* sorted: 1, 1.5, 2, 2, ... */
    assert_true(s.low == 2);
    assert_true(s.high == 7);
    assert_true(s.middle == 4.5);
}

static void too_few_numbers_hold_no_interval(void **state)
{
    double x[9] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    assert_int_equal(shift_of_two_least(0.05), 4);
    assert_int_equal(shift_of_two_least(0.05 / 10), 6);
    assert_int_equal(shift_of_pairs_least(0.05), 6);
    assert_int_equal(shift_of_pairs_least(0.05 / 10), 9);
    for (int n = 1; n < 9; n++) {
        for (int k = 1; k <= 20; k++) {
            assert_int_equal(shift_of_two(x, n, x, n, 0.05 / k).exists, n >= shift_of_two_least(0.05 / k));
            assert_int_equal(shift_of_pairs(x, n, 0.05 / k).exists, n >= shift_of_pairs_least(0.05 / k));
        }
    }
    x[2] = NAN;
    assert_false(shift_of_two(x, 9, x, 9, 0.05).exists);
    assert_true(isnan(shift_of_pairs(x, 9, 0.05).middle));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_those_of_the_tables),
        cmocka_unit_test(too_few_numbers_hold_no_interval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
