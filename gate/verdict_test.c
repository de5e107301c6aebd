#include "gate/verdict.h"

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

/* --- verdicts */

static void the_whole_interval_decides(void **state)
{
    static const struct {
        double       low, high;
        gate_verdict time, score;
    } cases[] = {
        { 3.01, 9, GATE_REGRESSED, GATE_IMPROVED },        { 3, 9, GATE_INCONCLUSIVE, GATE_INCONCLUSIVE },
        { -3, 3, GATE_EQUIVALENT, GATE_EQUIVALENT },       { -3.01, 1, GATE_INCONCLUSIVE, GATE_INCONCLUSIVE },
        { -9, -3.01, GATE_IMPROVED, GATE_REGRESSED },      { -9, -3, GATE_INCONCLUSIVE, GATE_INCONCLUSIVE },
        { -9, 9, GATE_INCONCLUSIVE, GATE_INCONCLUSIVE },   { NAN, NAN, GATE_INCONCLUSIVE, GATE_INCONCLUSIVE },
        { NAN, -9, GATE_INCONCLUSIVE, GATE_INCONCLUSIVE }, { 9, NAN, GATE_INCONCLUSIVE, GATE_INCONCLUSIVE },
        { 0, 0, GATE_EQUIVALENT, GATE_EQUIVALENT },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(gate_decide(cases[i].low, cases[i].high, 3, true), cases[i].time);
        assert_int_equal(gate_decide(cases[i].low, cases[i].high, 3, false), cases[i].score);
    }
}

static void a_process_counts_once_by_its_median(void **state)
{
    static const double logs[] = { 1, 5, 2, 4, 3, 100, 0 };
    gate_process        p      = gate_process_of(logs, 7, 4);
    assert_true(p.value == 3 && p.block == 4);
    assert_true(p.error == 25); /* of 7 the whole range holds the median in 95 % and more */
    p = gate_process_of(logs, 1, -1);
    assert_true(p.value == 1 && p.error == 0);
    p = gate_process_of(logs, 3, -1);
    assert_true(p.value == 2 && p.error == 2);
}

/* Values a thousandth apart about `middle`. */
static void fill(gate_process *p, int n, double middle, bool blocks)
{
    for (int i = 0; i < n; i++) p[i] = (gate_process) { middle + 0.001 * (i - (n - 1) / 2.), 0.0001, blocks ? i : -1 };
}

static void too_few_processes_are_inconclusive_and_say_how_many_it_takes(void **state)
{
    gate_process   a[8], b[8];
    gate_judgement j;
    fill(a, 4, 0, false);
    fill(b, 4, 1, false);
    gate_judge(&j, a, 4, b, 4, &(gate_rule) { .margin = 3, .cases = 1 });
    assert_int_equal(j.verdict, GATE_INCONCLUSIVE);
    assert_true(isnan(j.low) && isnan(j.high));
    assert_string_equal(j.rule, "");
    assert_int_equal(j.needs, GATE_LEAST);
    /* Five are enough for one case and not for ten. */
    fill(a, 5, 0, false);
    fill(b, 5, 1, false);
    gate_judge(&j, a, 5, b, 5, &(gate_rule) { .margin = 3, .cases = 1 });
    assert_int_equal(j.verdict, GATE_REGRESSED);
    gate_judge(&j, a, 5, b, 5, &(gate_rule) { .margin = 3, .cases = 10 });
    assert_int_equal(j.verdict, GATE_INCONCLUSIVE);
    assert_int_equal(j.needs, 6);
    gate_judge(&j, a, 1, b, 1, &(gate_rule) { .margin = 3, .cases = 1 });
    assert_int_equal(j.verdict, GATE_INCONCLUSIVE);
    assert_true(isnan(j.noise));
}

static void noise_that_is_given_makes_an_interval(void **state)
{
    gate_process a[2] = { { 0, 0.001, -1 }, { 0.002, 0.001, -1 } }, b[2] = { { 0.1, 0.001, -1 }, { 0.102, 0.001, -1 } };
    gate_judgement j;
    gate_judge(&j, a, 2, b, 2, &(gate_rule) { .margin = 3, .noise = 1, .cases = 1 });
    const double half = 1.959963984540054 * sqrt(0.01 * 0.01 * 2 / 2 + 4 * 0.001 * 0.001 / 4);
    assert_string_equal(j.rule, "noise given");
    assert_within(fabs(j.low - 100 * expm1(0.1 - half)), 1e-9);
    assert_within(fabs(j.high - 100 * expm1(0.1 + half)), 1e-9);
    assert_int_equal(j.verdict, GATE_REGRESSED);
    /* What is seen counts where it is more than what is said. */
    a[1].value = 0.2;
    gate_judge(&j, a, 2, b, 2, &(gate_rule) { .margin = 3, .noise = 1, .cases = 1 });
    assert_int_equal(j.verdict, GATE_INCONCLUSIVE);
}

static void blocks_take_a_common_drift_out(void **state)
{
    gate_process   a[8], b[8];
    gate_judgement j;
    for (int i = 0; i < 8; i++) {
        a[i] = (gate_process) { 0.1 * i, 0, i };
        b[i] = (gate_process) { 0.1 * i + 0.05 + 0.001 * (i % 3), 0, i };
    }
    gate_judge(&j, a, 8, b, 8, &(gate_rule) { .margin = 3, .cases = 1 });
    assert_string_equal(j.rule, "signed-rank");
    assert_int_equal(j.verdict, GATE_REGRESSED);
    for (int i = 0; i < 8; i++) a[i].block = -1;
    gate_judge(&j, a, 8, b, 8, &(gate_rule) { .margin = 3, .cases = 1 });
    assert_string_equal(j.rule, "Mann-Whitney");
    assert_int_equal(j.verdict, GATE_INCONCLUSIVE);
    assert_true(j.needs > 8);
}

/* Against the numbers of a normal distribution's tables. */
static void quantiles_are_those_of_tables(void **state)
{
    assert_within(fabs(stats_normal_quantile(0.975) - 1.959963984540054), 1e-12);
    assert_within(fabs(stats_normal_quantile(0.5)), 1e-12);
    assert_within(fabs(stats_normal_quantile(1e-9) + 5.997807015007686), 1e-9);
    assert_true(isnan(stats_normal_quantile(0)) && isnan(stats_normal_quantile(1)));
    assert_within(fabs(stats_t_quantile(0.05, 4) - 2.776445105), 1e-8);
    assert_within(fabs(stats_t_quantile(0.05, 1) - 12.706204736), 1e-7);
    assert_within(fabs(stats_t_quantile(0.001, 10) - 4.586893859), 1e-8);
    assert_true(isnan(stats_t_quantile(0.05, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_those_of_the_tables),
        cmocka_unit_test(too_few_numbers_hold_no_interval),
        cmocka_unit_test(the_whole_interval_decides),
        cmocka_unit_test(a_process_counts_once_by_its_median),
        cmocka_unit_test(too_few_processes_are_inconclusive_and_say_how_many_it_takes),
        cmocka_unit_test(noise_that_is_given_makes_an_interval),
        cmocka_unit_test(blocks_take_a_common_drift_out),
        cmocka_unit_test(quantiles_are_those_of_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
