#include "metrics/interval.h"

#include "core/test.h"

static void wilson_equals_scipy(void **state)
{
    /* scipy 1.17.1: binomtest(k, n).proportion_ci(method="wilson") */
    static const double cases[][4] = { { 0, 10, 0, 0.27753279986288926 },
                                       { 3, 10, 0.10779126740630102, 0.6032218525388546 },
                                       { 10, 10, 0.7224672001371109, 1 },
                                       { 120, 500, 0.204637860033381, 0.2793267970066262 } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        interval w = wilson_interval(cases[i][0], (int64_t)cases[i][1]);
        assert_within(fabs(w.low - cases[i][2]), 1e-15);
        assert_within(fabs(w.high - cases[i][3]), 1e-15);
    }
    assert_true(isnan(wilson_interval(0, 0).low));
}

static void shares_get_wilson_and_means_the_normal_interval(void **state)
{
    const double  right[] = { 1, 0, 0, 1, 0, 1, 0, 0, 0, 0 }, parts[] = { 1, 0.5, 0, 0, 0.25 };
    const metric *em = metric_find("em"), *f1 = metric_find("f1"), *loss = metric_find("loss");
    (void)state;
    assert_true(metric_is_share(em, right, 10));
    assert_false(metric_is_share(f1, parts, 5));
    assert_false(metric_is_share(loss, right, 5));
    interval w = metric_interval(em, right, 10, 30, 15), n = metric_interval(f1, parts, 5, 35, 10);
    assert_string_equal(w.rule, "wilson");
    assert_within(fabs(w.low - 10.779126740630102), 1e-13);
    assert_within(fabs(w.high - 60.32218525388546), 1e-13);
    assert_string_equal(n.rule, "normal");
    assert_within(fabs(n.low - (35 - 19.59963984540054)), 1e-13);
    assert_true(isnan(normal_interval(1, NAN).low));
}

static void resamples_are_cut_as_sacrebleu_cuts_them(void **state)
{
    double values[80], bad[] = { 1, NAN };
    (void)state;
    for (int i = 0; i < 80; i++) values[i] = i * 37 % 80;
    interval i = resampled_interval(values, 80);
    assert_within(fabs(i.low - 2), 0);
    assert_within(fabs(i.high - 77), 0);
    assert_true(isnan(resampled_interval(bad, 2).low));
}

static void signatures_name_the_draws_as_sacrebleu_does(void **state)
{
    str a = { 0 }, b = { 0 };
    (void)state;
    signature_of_draws("BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0", "bs", 1000, 12345, &a);
    signature_of_draws("mean|items:as logged", "ar", 10000, 7, &b);
    assert_string_equal(a.s, "BLEU|nrefs:1|bs:1000|seed:12345|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0");
    assert_string_equal(b.s, "mean|items:as logged|ar:10000|seed:7");
    str_free(&a);
    str_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wilson_equals_scipy),
        cmocka_unit_test(shares_get_wilson_and_means_the_normal_interval),
        cmocka_unit_test(signatures_name_the_draws_as_sacrebleu_does),
        cmocka_unit_test(resamples_are_cut_as_sacrebleu_cuts_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
