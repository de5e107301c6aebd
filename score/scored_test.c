/* Sample logs give the scores that were printed beside them, and a fault in one is named. */
#include "core/file.h"
#include "core/stats.h"
#include "score/scored.h"
#include "metrics/test_lines.h"

static const char *metric_name(const scored *s, int m) { return s->metrics.rows[m].name; }

static double value(const scored *s, const char *name)
{
    for (int m = 0; m < s->metrics.n; m++)
        if (!strcmp(metric_name(s, m), name)) return metric_value(&s->metrics.rows[m], s->stats[m], s->n);
    return NAN;
}

static double error(const scored *s, const char *name)
{
    for (int m = 0; m < s->metrics.n; m++)
        if (!strcmp(metric_name(s, m), name)) return metric_stderr(&s->metrics.rows[m], s->stats[m], s->n);
    return NAN;
}

/* Compares with what the harness itself says of the log, in the results file of the same run. */
static void check_harness_log(const char *log, const char *results, const char *task, const char *const *names,
                              int64_t filters)
{
    scored s;
    json  *said = read_json(results);
    assert_ok(scored_read(&s, log));
    json *lines = read_lines(log);
    assert_int_equal(s.n * filters, json_size(lines));
    assert_true(s.numbers);
    assert_int_equal(strtol(s.ids[s.n - 1], NULL, 10), s.n - 1);
    json_free(lines);
    int count = 0;
    for (; names[2 * count]; count++) {
        char key[128], field[64];
        snprintf(field, sizeof field, "%s", names[2 * count + 1]);
        char *comma = strchr(field, ',');
        snprintf(key, sizeof key, "results/%s/%s", task, names[2 * count + 1]);
        assert_within(fabs(value(&s, names[2 * count]) - number_at(said, key)), 1e-12);
        snprintf(key, sizeof key, "results/%s/%.*s_stderr%s", task, (int)(comma - field), field, comma);
        assert_within(fabs(error(&s, names[2 * count]) - number_at(said, key)), 1e-12);
    }
    assert_int_equal(s.metrics.n, count);
    scored_free(&s);
    json_free(said);
}

static void logs_of_the_harness_give_its_results(void **state)
{
    (void)state;
    need_data(gsm8k, "lm-eval-reference/logs/samples_gsm8k_2026-11-23T19-07-49.959289.jsonl");
    need_data(gsm8k_results, "lm-eval-reference/logs/results_2026-11-23T19-07-49.959289.json");
    static const char *const filters[] = { "exact_match,strict-match", "exact_match,strict-match",
                                           "exact_match,flexible-extract", "exact_match,flexible-extract", NULL };
    check_harness_log(gsm8k, gsm8k_results, "gsm8k", filters, 2);
    need_data(hellaswag, "lm-eval-reference/logs/samples_hellaswag_3shot_2026-11-23T19-07-21.508005.jsonl");
    need_data(hellaswag_results, "lm-eval-reference/logs/results_2026-11-23T19-07-21.508005.json");
    static const char *const choices[] = { "acc", "acc,none", "acc_norm", "acc_norm,none", NULL };
    check_harness_log(hellaswag, hellaswag_results, "hellaswag_3shot", choices, 1);
}

static char *dir, *path;

static int set_up(void **state)
{
    (void)state;
    dir  = test_tmpdir();
    path = path_join(dir, "samples.jsonl");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(path);
    test_rmdir(dir);
    return 0;
}

static void log_is(const char *text) { assert_ok(file_write_atomic(path, text, strlen(text))); }

static void our_own_lines_keep_scores_and_counts(void **state)
{
    (void)state;
    scored s;
    log_is("{\"id\":\"q1\",\"scores\":{\"em\":100,\"f1\":100,\"bleu\":50},\"stats\":{\"bleu\":[5,5,5,4,3,2,5,4,3,2]}}\n"
           "{\"id\":\"q2\",\"scores\":{\"em\":0,\"f1\":50,\"bleu\":0},\"stats\":{\"bleu\":[3,4,1,0,0,0,3,2,1,0]}}\n");
    assert_ok(scored_read(&s, dir)); /* a run's folder */
    assert_int_equal(s.n, 2);
    assert_int_equal(s.metrics.n, 3);
    assert_false(s.numbers);
    assert_string_equal(s.ids[1], "q2");
    assert_within(fabs(value(&s, "em") - 50), 0);
    assert_within(fabs(value(&s, "f1") - 75), 0);
    assert_within(fabs(error(&s, "f1") - 25), 1e-12);
    /* hypothesis 8, reference 9, matches 6 4 3 2 of 8 6 4 2: BP = exp(1 - 9/8), precisions 3/4 2/3
     * 3/4 1. */
    assert_within(fabs(value(&s, "bleu") - 100 * exp(-1.0 / 8) * pow(0.75 * (2.0 / 3) * 0.75, 0.25)), 1e-10);
    scored_free(&s);
}

static void perplexities_come_back_from_what_a_line_says(void **state)
{
    (void)state;
    scored s;
    log_is(
        "{\"id\":\"0\",\"target\":\" ab c\",\"loglikelihood\":-4.5,\"tokens\":3,\"scores\":{\"loss\":1.5,\"byte_perplexity\":2}}\n"
        "{\"id\":\"1\",\"target\":\"xyz\",\"loglikelihood\":-5.5,\"tokens\":2,\"scores\":{\"loss\":2.75,\"byte_perplexity\":2}}\n");
    assert_ok(scored_read(&s, path));
    assert_within(fabs(value(&s, "loss") - 2), 1e-15);
    assert_within(fabs(value(&s, "byte_perplexity") - exp(10.0 / 8)), 1e-14);
    scored_free(&s);
}

static void pairs_in_the_harness_log_are_scored_anew(void **state)
{
    (void)state;
    scored s;
    log_is(
        "{\"doc_id\":3,\"filter\":\"none\",\"metrics\":[\"bleu\",\"byte_perplexity\",\"exact\"],\"bleu\":[[\"a b c d e\"],\"a b c d e\"],"
        "\"byte_perplexity\":[-2.5,10],\"exact\":[{},{}]}\n"
        "{\"doc_id\":1,\"filter\":\"none\",\"metrics\":[\"bleu\",\"byte_perplexity\",\"exact\"],\"bleu\":[\"f g h i j k\",\"f g h i j k\"],"
        "\"byte_perplexity\":[-1.5,10],\"exact\":[{},{}]}\n");
    assert_ok(scored_read(&s, path));
    assert_int_equal(s.metrics.n, 2);
    assert_int_equal(s.n_refs, 1);
    assert_string_equal(s.ids[0], "3");
    assert_within(fabs(value(&s, "bleu") - 100), 1e-10);
    assert_within(fabs(value(&s, "byte_perplexity") - exp(4.0 / 20)), 1e-15);
    scored_free(&s);
}

/* A record beside the log says by which rules it was made. */
static void a_run_signs_as_its_record_does(void **state)
{
    (void)state;
    static const char *const signatures[] = {
        "squad-em|rules:v2.0", "BLEU|nrefs:3|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0",
        "rouge1|case:lower|version:rouge_score-0.1.2|refs:mean|stem:porter-nltk"
    };
    static const char record[] =
        "{\"result\":{\"metrics\":{\"em\":{\"signature\":\"squad-em|rules:v2.0\"},"
        "\"bleu\":{\"signature\":\"BLEU|nrefs:3|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0\"},"
        "\"rouge1\":{\"signature\":\"rouge1|case:lower|version:rouge_score-0.1.2|refs:mean|stem:porter-nltk\"}}}}";
    scored s;
    char  *beside = path_join(dir, "record.json");
    assert_ok(file_write_atomic(beside, record, sizeof record - 1));
    log_is(
        "{\"id\":\"q\",\"scores\":{\"em\":100,\"bleu\":5,\"rouge1\":0.5},\"stats\":{\"bleu\":[5,5,5,4,3,2,5,4,3,2]}}\n");
    assert_ok(scored_read(&s, dir));
    for (int m = 0; m < 3; m++) {
        str sign = { 0 };
        metric_signature(&s.metrics.rows[m], s.n_refs, &sign);
        assert_string_equal(str_c(&sign), signatures[m]);
        str_free(&sign);
    }
    assert_string_equal(metric_name(&s, 0), "em");
    assert_within(fabs(value(&s, "em") - 100), 0);
    scored_free(&s);
    assert_ok(file_write_atomic(beside, "{", 1));
    assert_input_error(scored_read(&s, dir), "record.json");
    free(beside);
}

static void the_harness_says_which_way_is_better(void **state)
{
    (void)state;
    scored            s;
    static const char results[] = "{\"higher_is_better\":{\"my_task\":{\"ter\":false,\"acc\":true}}}";
    static const char line[] = "{\"doc_id\":0,\"filter\":\"f\",\"metrics\":[\"ter\",\"acc\"],\"ter\":3.5,\"acc\":1}\n";
    char             *beside = path_join(dir, "results_2026-01-31T10-00-00.5.json"),
         *log                = path_join(dir, "samples_my_task_2026-01-31T10-00-00.5.jsonl");
    assert_ok(file_write_atomic(beside, results, sizeof results - 1));
    assert_ok(file_write_atomic(log, line, sizeof line - 1));
    assert_ok(scored_read(&s, dir)); /* the only log of the folder */
    assert_string_equal(metric_name(&s, 0), "ter,f");
    assert_false(s.metrics.rows[0].higher);
    assert_true(s.metrics.rows[1].higher);
    scored_free(&s);
    free(beside);
    free(log);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "", "holds no item" },
        { "\n\n", "holds no item" },
        { "{\"id\":\"a\",\"scores\":{\"em\":1}}\n{\"id\":\"a\",\"scores\":{\"em\":1}}\n",
          "line 2: the id \"a\" stands in a line before" },
        { "{\"id\":\"a\",\"scores\":{\"em\":1}}\n{\"id\":\"b\",\"scores\":{\"f1\":1}}\n",
          "line 2: \"f1\": the lines before have no such metric" },
        { "{\"id\":\"a\",\"scores\":{\"em\":1,\"f1\":2}}\n{\"id\":\"b\",\"scores\":{\"f1\":1}}\n",
          "the item \"b\" has no \"em\"" },
        { "{\"id\":\"a\",\"scores\":{\"em\":1}}\n{\"doc_id\":1,\"metrics\":[]}\n", "line 2: \"id\" is missing" },
        { "{\"id\":\"a\",\"scores\":{\"em\":null}}\n", "line 1: \"em\": null: must be a finite number" },
        { "{\"id\":\"a\",\"scores\":{\"em\":1e999}}\n", "must be a finite number" },
        { "{\"id\":\"a\",\"scores\":{\"em\":\"1\"}}\n", "line 1: \"em\": \"1\": must be a finite number" },
        { "{\"id\":\"a\",\"scores\":{\"em\":NaN}}\n", "line 1: holds NaN" },
        { "{\"id\":\"a\",\"scores\":[1]}\n", "\"scores\": [1]: must be an object" },
        { "{\"id\":\"a\",\"scores\":{\"em\":1},\"scores\":{\"em\":0}}\n", "\"scores\" stands there twice" },
        { "{\"id\":\"a\",\"scores\":{\"em\":1,\"em\":0}}\n", "has \"em\" twice" },
        { "{\"id\":\"a\",\"scores\":{}}\n", "holds no metric" },
        { "{\"id\":\"a\",\"scores\":{\"bleu\":3}}\n", "its counts are not under \"stats\"" },
        { "{\"id\":\"a\",\"scores\":{\"bleu\":3},\"stats\":{\"bleu\":[1,2]}}\n", "must be 10 finite numbers" },
        { "{\"id\":\"a\",\"prediction\":\"x\"}\n", "\"scores\" is missing" },
        { "[1]\n", "must be an object" },
        { "{\"doc_id\":0,\"filter\":\"none\",\"metrics\":[\"acc\"]}\n", "\"acc\" is missing, though" },
        { "{\"doc_id\":0,\"filter\":\"none\",\"metrics\":[\"acc\"],\"acc\":1}\n{\"doc_id\":0,\"filter\":\"none\",\"metrics\":[\"acc\"],\"acc\":1}\n",
          "line 2: the item \"0\" has \"acc\" twice" },
        { "{\"doc_id\":0,\"filter\":\"a\",\"metrics\":[\"m\"],\"m\":1}\n{\"doc_id\":1,\"filter\":\"b\",\"metrics\":[\"m\"],\"m\":1}\n",
          "the item \"0\" has no \"m,b\"" },
        { "{\"doc_id\":0,\"metrics\":[\"squad\"],\"squad\":[{},{}]}\n",
          "no metric that is a number for each item, only squad" },
        { "{\"id\":\"a\",\"scores\":{\"em\":1}}\n{\"id\":\"\xff\"}\n", "line 2, column 8: not valid UTF-8" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scored s;
        log_is(cases[i].text);
        assert_input_error(scored_read(&s, path), cases[i].message);
    }
    scored s;
    remove(path);
    assert_input_error(scored_read(&s, path), "not found");
    assert_input_error(scored_read(&s, dir), "holds neither samples.jsonl nor samples_*.jsonl");
}

static void json_holds_metrics_and_items(void **state)
{
    (void)state;
    scored s;
    str    text = { 0 };
    json  *parsed;
    log_is(
        "{\"id\":7,\"scores\":{\"em\":100,\"f1\":33.333333333333336}}\n{\"id\":8,\"scores\":{\"em\":0,\"f1\":0.1}}\n");
    assert_ok(scored_read(&s, path));
    scored_print_json(&s, true, NULL, &text);
    assert_ok(json_parse(&parsed, text.s, text.n, "text"));
    assert_within(fabs(number_at(parsed, "metrics/em/value") - 50), 0);
    assert_within(fabs(number_at(parsed, "metrics/em/stderr") - 50), 1e-12);
    assert_within(fabs(number_at(parsed, "metrics/f1/value") - (33.333333333333336 + 0.1) / 2), 1e-12);
    assert_string_equal(json_text(at(parsed, "metrics/em/interval_rule")), "wilson");
    assert_string_equal(json_text(at(parsed, "metrics/f1/interval_rule")), "normal");
    assert_int_equal(json_size(at(parsed, "metrics/f1/interval")), 2);
    assert_int_equal(json_size(at(parsed, "metrics/f1")), 5);
    assert_non_null(strstr(
        text.s,
        "\"items\":[\n{\"id\":7,\"em\":100,\"f1\":33.333333333333336},\n{\"id\":8,\"em\":0,\"f1\":0.10000000000000001}]}\n"));
    json_free(parsed);
    str_free(&text);
    scored_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        reference_test(logs_of_the_harness_give_its_results),
        cmocka_unit_test_setup_teardown(our_own_lines_keep_scores_and_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(perplexities_come_back_from_what_a_line_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pairs_in_the_harness_log_are_scored_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_signs_as_its_record_does, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_harness_says_which_way_is_better, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(json_holds_metrics_and_items, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
