#include "metrics/metric.h"

#include "core/test.h"

static void rows_are_complete_and_unique(void **state)
{
    int count = 0;
    (void)state;
    for (const metric *m; (m = metric_row(count)); count++) {
        if (metric_find(m->name) != m) fail_msg("two rows are called %s", m->name);
        if (!m->about || !m->rules || !m->item || m->n_stats < 1 || m->n_stats > METRIC_STATS_MAX)
            fail_msg("row %s lacks something", m->name);
        if (!m->corpus && (m->n_stats != 1 || m->scale == 0)) fail_msg("row %s is a mean without a scale", m->name);
    }
    assert_true(count > 0);
    assert_null(metric_find("no-such-metric"));
    assert_null(metric_row(count));
}

static void a_mean_is_scaled_and_empty_sets_have_no_value(void **state)
{
    const metric *em  = metric_find("em");
    const double  x[] = { 1, 0, 0, 1 };
    (void)state;
    assert_true(metric_value(em, x, 4) == 50);
    assert_within(fabs(metric_stderr(em, x, 4) - 100 * sqrt(0.25 / 3)), 1e-12);
    assert_true(metric_sentence(em, x) == 100);
    assert_true(isnan(metric_value(em, x, 0)));
}

static void totals_add_up_and_have_no_error(void **state)
{
    const double x[] = { -3, 2, -5, 4 };
    (void)state;
    assert_true(metric_value(metric_find("loglikelihood"), x, 2) == -8);
    assert_true(metric_value(metric_find("tokens"), x, 2) == 6);
    assert_within(fabs(metric_value(metric_find("bits_per_byte"), x, 2) - 8 / 6. / log(2)), 1e-15);
    assert_true(isnan(metric_stderr(metric_find("tokens"), x, 2)));
}

/* Metrics keep what they read of an item for the next one. An item's statistics must not depend on
 * what was asked before, or in what order. */
static void items_do_not_depend_on_those_before(void **state)
{
    static const char *const texts[] = { "",
                                         "The cat sat on the mat.",
                                         "the cat sat on the mat",
                                         "A cat, running quickly",
                                         "5 cats; 1,000.5 mats",
                                         "naïve Straße",
                                         "a\nb\n\nc d",
                                         "#### 18",
                                         "the" };
    static const char *const names[] = {
        "rouge1",    "rouge9", "rougeL", "rougeLsum", "rouge2", "em",          "f1",
        "em_v2",     "f1_v2",  "bleu",   "chrf",      "chrf++", "exact_match", "exact_match_flexible",
        "gsm8k-peft"
    };
    enum {
        TEXTS = sizeof texts / sizeof *texts,
        NAMES = sizeof names / sizeof *names,
        STATS = TEXTS * TEXTS * TEXTS * NAMES * 2
    };
    static double first[STATS][METRIC_STATS_MAX];
    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < STATS; i++) {
            /* The second round takes another order: 1009 is a prime that does not divide the number
             * of them. */
            int64_t      k = round ? ((int64_t)i * 1009 + 7) % STATS : i, rest = k;
            metric_list  list                  = { 0 };
            double       got[METRIC_STATS_MAX] = { 0 };
            slice        refs[2];
            metric_input in   = { .references = refs, .n_references = 1 + (k % 3 > 0) };
            const char  *name = names[rest % NAMES];
            rest /= NAMES;
            assert_ok(
                metric_list_add(&list, name, &(metric_options) { .stemmer = rest % 2, .lowercase = rest % 2 }, "test"));
            rest /= 2;
            in.prediction = slice_of(texts[rest % TEXTS]);
            refs[0]       = slice_of(texts[rest / TEXTS % TEXTS]);
            refs[1]       = slice_of(texts[rest / TEXTS / TEXTS]);
            metric_item(&list.rows[0], &in, got);
            if (!round) memcpy(first[k], got, sizeof got);
            if (memcmp(first[k], got, sizeof got))
                fail_msg("%s: \"%s\" against \"%s\" differs the second time", name, in.prediction.s, refs[0].s);
        }
    }
}

static void refuses_options_no_metric_can_take(void **state)
{
    static const struct {
        metric_options o;
        const char    *part;
    } bad[] = {
        { { .smooth_value = 0.5 }, "smooth_value 0.5: only" },
        { { .smooth = BLEU_FLOOR, .smooth_value = -1 }, "smooth_value -1: must" },
        { { .smooth = BLEU_ADD_K, .smooth_value = NAN }, "must be above 0" },
        { { .char_order = 13 }, "char_order 13: must be 1..12" },
        { { .word_order = 5 }, "word_order 5: must be 1..4" },
        { { .beta = -2 }, "beta -2" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_input_error(metric_options_check(&bad[i].o, "score"), bad[i].part);
    assert_ok(metric_options_check(&(metric_options) { 0 }, "score"));
    assert_ok(metric_options_check(
        &(metric_options) { .smooth = BLEU_ADD_K, .smooth_value = 2, .char_order = 12, .word_order = 4, .beta = 3 },
        "score"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_complete_and_unique),
        cmocka_unit_test(a_mean_is_scaled_and_empty_sets_have_no_value),
        cmocka_unit_test(totals_add_up_and_have_no_error),
        cmocka_unit_test(items_do_not_depend_on_those_before),
        cmocka_unit_test(refuses_options_no_metric_can_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
