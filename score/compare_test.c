#include "score/compare.h"

#include "core/file.h"
#include "core/test_record.h"
#include "core/stats.h"
#include "core/test.h"
#include "metrics/test_lines.h"

static char *dir;

/* Writes a run of n items in folder NAME below dir. Ids start at `from`; an item is right where bit
 * i of `right` is set, and f1 is a number of its own. */
static char *write_run(const char *name, int from, int n, uint64_t right, double f1)
{
    char *folder = path_join(dir, name), *path = path_join(folder, "samples.jsonl");
    str   text = { 0 };
    for (int i = 0; i < n; i++)
        str_printf(&text, "{\"id\": \"q%d\", \"scores\": {\"em\": %d, \"f1\": %g}}\n", from + i,
                   right >> i & 1 ? 100 : 0, fmod(f1 * (i + 1), 1) * 100);
    assert_ok(file_make_dirs(folder));
    assert_ok(file_write_atomic(path, text.s, text.n));
    str_free(&text);
    free(path);
    return folder;
}

/* Writes what the run's record says was asked; method NULL: the base alone. */
static void write_record(const char *folder, const char *task, const char *method, int seed)
{
    json *record = test_record("eval-full"), *asked = test_record_part(record, field_record_asked);
    char *path = path_join(folder, "record.json");
    test_record_set(asked, field_asked_task, json_of_text(task));
    json *adapter = test_record_part(asked, field_asked_adapter);
    if (!method) test_record_set(asked, field_asked_adapter, json_null());
    if (method) test_record_set(adapter, field_adapter_method, json_of_text(method));
    if (method) test_record_set(adapter, field_adapter_seed, json_of_number(seed));
    test_record_sign(record);
    assert_ok(record_write(record, path));
    json_free(record);
    free(path);
}

static int compare(comparison *c, int n, const char *a, const char *b, const char *third, bool common)
{
    const char *what[] = { a, b, third };
    return compare_run(c, what, n, &(compare_options) { .draws = { 200, 400, 12345 }, .common = common });
}

static int make_dir(void **state)
{
    (void)state;
    dir = test_tmpdir();
    return 0;
}
static int remove_dir(void **state)
{
    (void)state;
    test_rmdir(dir);
    return 0;
}

static void right_and_wrong_items_are_counted_and_named(void **state)
{
    (void)state;
    char      *a = write_run("a", 0, 40, 0x00000000FFu, 0.37), *b = write_run("b", 0, 40, 0x00000FFF0Fu, 0.37);
    comparison c;
    assert_ok(compare(&c, 2, a, b, NULL, false));
    assert_int_equal(c.n, 40);
    assert_int_equal(c.n_metrics, 2);
    const compare_metric *em = &c.metrics[0], *f1 = &c.metrics[1];
    const compare_score  *s = &em->scores[1];
    assert_true(s->flips);
    assert_int_equal(s->counts.both, 4);
    assert_int_equal(s->counts.only_a, 4);
    assert_int_equal(s->counts.only_b, 12);
    assert_within(fabs(s->test.difference - 20), 1e-12);
    /* The closed form for b = 4 and c = 12 items that only one system has right:
     * sqrt(((b + c) / n - d^2) / (n - 1)). */
    assert_within(fabs(s->difference_error - 100 * sqrt((16. / 40 - 0.2 * 0.2) / 39)), 1e-12);
    assert_within(fabs(s->p - mcnemar_mid(4, 12)), 0);
    assert_within(fabs(s->p_holm - s->p), 0);
    assert_int_equal(s->better, 12);
    assert_int_equal(s->worse, 4);
    assert_within(fabs(s->range.low - 100 * wilson_interval(16, 40).low), 1e-12);
    assert_int_equal(s->verdict, s->p < 0.05 ? VERDICT_DIFFERENT : VERDICT_OPEN);
    assert_true(isnan(s->seed_sd) && isnan(s->seed_p));
    assert_false(f1->scores[1].flips);
    assert_int_equal(f1->scores[1].verdict, VERDICT_IDENTICAL);
    assert_within(fabs(f1->scores[1].p - 1), 0);

    str   text = { 0 };
    json *j    = compare_json(&c, true);
    compare_print(&c, false, &text);
    assert_non_null(strstr(text.s, "right -> wrong 4: q4, q5, q6, q7\n"));
    assert_non_null(strstr(text.s, "wrong -> right 12: q8, q9, q10, q11, q12, q13, q14, q15, ...\n"));
    const json *of  = json_at(json_find(json_find(json_find(j, "metrics"), "em"), "systems"), 1);
    const json *ids = json_find(json_find(json_find(of, "flips"), "wrong_to_right"), "ids");
    assert_int_equal(json_size(ids), 12);
    assert_string_equal(ids->child->valuestring, "q8");
    assert_int_equal(json_size(json_find(j, "items")), 40);
    json_free(j);
    str_free(&text);
    comparison_free(&c);
    free(a);
    free(b);
}

static void many_systems_are_adjusted(void **state)
{
    (void)state;
    char *a = write_run("base", 0, 60, 0, 0.37), *b = write_run("much", 0, 60, 0xFFFFu, 0.73),
         *d = write_run("little", 0, 60, 0x3Fu, 0.61);
    comparison c;
    assert_ok(compare(&c, 3, a, b, d, false));
    const compare_score *s = c.metrics[0].scores;
    /* 16 and 6 items flipped, all in one direction: 2 / 2^16 - 1 / 2^16, and 1 / 2^6 */
    assert_within(fabs(s[1].p - ldexp(1, -16)), 1e-18);
    assert_within(fabs(s[2].p - ldexp(1, -6)), 1e-15);
    assert_within(fabs(s[1].p_holm - 2 * s[1].p), 1e-18);
    assert_within(fabs(s[2].p_holm - s[2].p), 1e-18);
    assert_int_equal(s[1].verdict, VERDICT_DIFFERENT);
    assert_string_equal(compare_verdict_text(&c.metrics[0], &s[1]), "different: better");
    /* f1 is no share: it is tested by randomisation, with an interval around the difference */
    s = c.metrics[1].scores;
    assert_within(fabs(s[1].p - s[1].test.p_randomisation), 0);
    assert_true(s[1].test.gap.low <= s[1].test.difference && s[1].test.difference <= s[1].test.gap.high);
    comparison_free(&c);
    free(a);
    free(b);
    free(d);
}

static void items_must_be_the_same(void **state)
{
    (void)state;
    char *a = write_run("x", 0, 20, 0xFFu, 0.37), *b = write_run("y", 3, 20, 0xFFu, 0.37),
         *far = write_run("z", 100, 20, 0xFFu, 0.37);
    comparison c;
    assert_input_error(compare(&c, 2, a, b, NULL, false), "y lacks 3 of its 20 (q0, q1, q2)");
    assert_input_error(compare(&c, 2, a, b, NULL, false), "has 3 that it lacks (q20, q21, q22)");
    assert_input_error(compare(&c, 2, a, b, NULL, false), "`score --compare --common` compares the 17 in both");
    assert_ok(compare(&c, 2, a, b, NULL, true));
    assert_int_equal(c.n, 17);
    assert_string_equal(c.ids[0], "q3");
    /* the first has q3..q7 right, the second q3..q10 */
    assert_int_equal(c.metrics[0].scores[1].counts.both, 5);
    assert_int_equal(c.metrics[0].scores[1].counts.only_b, 3);
    comparison_free(&c);
    assert_input_error(compare(&c, 2, a, far, NULL, true), "no item in common");
    assert_input_error(compare(&c, 1, a, NULL, NULL, true), "needs two systems");
    assert_input_error(compare(&c, 2, a, "/nowhere/x", NULL, true), "/nowhere/x");
    free(a);
    free(b);
    free(far);
}

/* Three trainings with 8, 10 and 12 of 40 right, against an untrained base with 4. */
static void seeds_are_a_variance_of_their_own(void **state)
{
    static const uint64_t right[] = { 0xFFu, 0x3FFu, 0xFFFu };
    (void)state;
    char *base = write_run("runs/base", 0, 40, 0xFu, 0.37);
    write_record(base, "squad", NULL, 0);
    for (int i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "runs/lora/s%d/eval", i);
        char *run = write_run(name, 0, 40, right[i], 0.37);
        write_record(run, "squad", "lora", i);
        free(run);
    }
    char      *lora = path_join(dir, "runs/lora"), named[512];
    comparison c;
    snprintf(named, sizeof named, "lora=%s", lora);
    assert_ok(compare(&c, 2, base, named, NULL, false));
    assert_string_equal(c.systems[1].name, "lora");
    assert_int_equal(c.systems[1].n_runs, 3);
    assert_true(c.systems[0].seedless);
    const compare_metric *em = &c.metrics[0];
    const compare_score  *s  = &em->scores[1];
    /* q8 is right in two trainings of three */
    assert_true(em->scores[0].share && !s->share && !s->flips);
    assert_within(fabs(s->value - 25), 1e-12);
    assert_within(fabs(s->run_values[2] - 30), 1e-12);
    assert_within(fabs(s->seed_sd - 5), 1e-12);
    assert_within(fabs(s->seed_error - 5 / sqrt(3)), 1e-12);
    assert_within(fabs(s->seed_p - stats_t_pvalue(15 / (5 / sqrt(3)), 2)), 1e-12);
    assert_within(fabs(s->items[8] - 200. / 3), 1e-12);
    /* The interval holds over items and over seeds, whichever is wider: here Welch's with 2 degrees
     * of freedom is 15 +- 4.30 * 2.89, and Student's over the 40 items. */
    const interval both = compare_interval(&c, em, 1, 0.05);
    const double over = stats_t_quantile(0.05, 39) * sqrt(s->difference_error * s->difference_error + 1e4 / (40 * 39));
    const double by_seeds = 5 / sqrt(3) * stats_t_quantile(0.05, 2);
    assert_within(fabs(both.low - fmin(15 - over, 15 - by_seeds)), 1e-9);
    assert_within(fabs(both.high - fmax(15 + over, 15 + by_seeds)), 1e-9);
    const interval narrow = compare_interval(&c, em, 1, 0.5);
    assert_true(narrow.low > both.low && narrow.high < both.high);
    assert_int_equal(c.metrics[1].scores[1].verdict, VERDICT_IDENTICAL);
    comparison_free(&c);

    /* The same seeds in two parts against each other: two runs each, sd 5, Welch with 2 degrees of
     * freedom. */
    char pair[1024];
    snprintf(pair, sizeof pair, "b=%s/s1/eval,%s/s2/eval", lora, lora);
    snprintf(named, sizeof named, "a=%s/s0/eval,%s/s1/eval", lora, lora);
    assert_ok(compare(&c, 2, named, pair, NULL, false));
    s         = &c.metrics[0].scores[1];
    double sd = 5 / sqrt(2), error = sqrt(2 * sd * sd / 2);
    assert_within(fabs(s->seed_error - error), 1e-12);
    assert_within(fabs(s->seed_p - stats_t_pvalue(5 / error, 2)), 1e-12);
    comparison_free(&c);

    char *other = write_run("runs/vera", 0, 40, 0xFFFu, 0.37), *task = write_run("runs/other", 0, 40, 0xFFFu, 0.37);
    write_record(other, "squad", "vera", 0);
    write_record(task, "gsm8k", "lora", 0);
    snprintf(pair, sizeof pair, "%s/s0/eval,%s", lora, other);
    assert_input_error(compare(&c, 2, base, pair, NULL, false), "differ in more than the training seed");
    assert_input_error(compare(&c, 2, base, task, NULL, false),
                       "answered different questions: \"task\" is squad there, gsm8k here");
    assert_input_error(compare(&c, 2, base, dir, NULL, false), "holds no samples.jsonl");
    free(base);
    free(lora);
    free(other);
    free(task);
}

static void metrics_must_be_the_same(void **state)
{
    (void)state;
    char      *a = write_run("m", 0, 4, 0x3u, 0.37), *file = path_join(dir, "only.jsonl"), *text;
    comparison c;
    text =
        "{\"id\": \"q0\", \"scores\": {\"em\": 100}}\n{\"id\": \"q1\", \"scores\": {\"em\": 0}}\n{\"id\": \"q2\", \"scores\": {\"em\": 0}}\n"
        "{\"id\": \"q3\", \"scores\": {\"em\": 0}}\n";
    assert_ok(file_write_atomic(file, text, strlen(text)));
    assert_ok(compare(&c, 2, a, file, NULL, false)); /* f1 is left out with a warning */
    assert_int_equal(c.n_metrics, 1);
    comparison_free(&c);
    text =
        "{\"id\": \"q0\", \"scores\": {\"own\": 1}}\n{\"id\": \"q1\", \"scores\": {\"own\": 0}}\n{\"id\": \"q2\", \"scores\": {\"own\": 0}}\n"
        "{\"id\": \"q3\", \"scores\": {\"own\": 0}}\n";
    assert_ok(file_write_atomic(file, text, strlen(text)));
    assert_input_error(compare(&c, 2, a, file, NULL, false), "no metric that every other system has (em, f1)");
    free(a);
    free(file);
}

/* A corpus metric is compared through its counts. What sacreBLEU would print is shown beside it,
 * with the signature. */
static void corpus_metrics_come_with_sacrebleus_numbers(void **state)
{
    (void)state;
    char *path[2] = { path_join(dir, "one.jsonl"), path_join(dir, "two.jsonl") };
    for (int k = 0; k < 2; k++) {
        str text = { 0 };
        for (int i = 0; i < 30; i++)
            str_printf(
                &text,
                "{\"id\": %d, \"scores\": {\"bleu\": 0}, \"stats\": {\"bleu\": [10, 11, %d, %d, 2, 1, 10, 9, 8, 7]}}\n",
                i, 6 + (i + k) % 3, 4 + i * (k + 1) % 2);
        assert_ok(file_write_atomic(path[k], text.s, text.n));
        str_free(&text);
    }
    comparison c;
    assert_ok(compare(&c, 2, path[0], path[1], NULL, false));
    const compare_score *s = &c.metrics[0].scores[1];
    assert_false(s->flips);
    assert_string_equal(s->range.rule, "bootstrap");
    assert_within(fabs(s->difference_error - s->test.error), 0);
    assert_within(fabs(s->p - s->test.p_randomisation), 0);
    json       *j   = compare_json(&c, true);
    const json *own = json_find(json_at(json_find(json_find(json_find(j, "metrics"), "bleu"), "systems"), 1),
                                "sacrebleu");
    assert_string_equal(json_find(own, "signature_bootstrap")->valuestring,
                        "BLEU|nrefs:var|bs:200|seed:12345|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0");
    assert_within(fabs(json_find(own, "p_randomisation")->valuedouble - s->test.sacrebleu_p_randomisation), 0);
    /* the ids are numbers, as in the logs */
    assert_true(json_is_number(json_find(json_find(j, "items")->child, "id")));
    json_free(j);
    comparison_free(&c);
    free(path[0]);
    free(path[1]);
}

/* Compares the harness's own logs: three-shot HellaSwag with itself. */
static void logs_of_the_harness_are_compared(void **state)
{
    (void)state;
    need_data(log, "lm-eval-reference/logs/samples_hellaswag_3shot_2026-11-23T19-07-21.508005.jsonl");
    need_data(said, "lm-eval-reference/logs/results_2026-11-23T19-07-21.508005.json");
    comparison c;
    assert_ok(compare(&c, 2, log, log, NULL, false));
    json       *results = read_json(said);
    const json *scores  = at(results, "results/hellaswag_3shot");
    assert_int_equal(c.n_metrics, 2);
    assert_within(fabs(c.metrics[0].scores[1].value - number_at(scores, "acc,none")), 1e-12);
    assert_within(fabs(c.metrics[1].scores[1].value - number_at(scores, "acc_norm,none")), 1e-12);
    assert_within(fabs(c.metrics[1].scores[1].error - number_at(scores, "acc_norm_stderr,none")), 1e-12);
    json_free(results);
    assert_int_equal(c.metrics[0].scores[1].verdict, VERDICT_IDENTICAL);
    comparison_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(right_and_wrong_items_are_counted_and_named, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(many_systems_are_adjusted, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(items_must_be_the_same, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(seeds_are_a_variance_of_their_own, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(metrics_must_be_the_same, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(corpus_metrics_come_with_sacrebleus_numbers, make_dir, remove_dir),
        reference_test(logs_of_the_harness_are_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
