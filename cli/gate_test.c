/* `tiebreak gate`: verdicts and exit statuses from files, and what may not pass silently. */
#include <sys/stat.h>
#include <sys/wait.h>

#include "cli/test_verb.h"
#include "core/test_record.h"
#include "gate/test_gbench.h"

static char *dir;

static int set_up(void **state)
{
    dir = test_tmpdir();
    return 0;
}

static int tear_down(void **state)
{
    test_rmdir(dir);
    return 0;
}

static char *folder(const char *name) { return path_join(dir, name); }

/* Runs the verb with folders of the test's in place of @A and @B. */
static json *gate(const char *a, const char *b, const char *more, int *rc)
{
    char words[1024];
    snprintf(words, sizeof words, "%s/%s %s/%s --json %s", dir, a, dir, b, more);
    error_clear();
    return test_verb_json(&verb_gate, words, rc);
}

static const json *case_named(const json *j, const char *name)
{
    for (const json *c = json_items(json_find(j, "cases")); c; c = c->next)
        if (!strcmp(json_text(json_find(c, "name")), name)) return c;
    return NULL;
}

static void assert_case(const json *j, const char *name, const char *kind, const char *verdict)
{
    const json *c = case_named(j, name);
    if (!c) fail_msg("no case %s", name);
    assert_string_equal(json_text(json_find(c, "kind")), kind);
    assert_string_equal(json_text(json_find(c, "verdict")), verdict);
}

static bool list_has(const json *j, const char *key, const char *part)
{
    for (const json *t = json_items(json_find(j, key)); t; t = t->next)
        if (strstr(json_text(t), part)) return true;
    return false;
}

static void write_side(const char *name, const test_report *t, int n, int cases, double percent)
{
    char *path = folder(name);
    test_side(path, t, n, cases, percent);
    free(path);
}

/* The base runs at even seconds and the head at odd ones, so they are interleaved. */
static test_report at(int64_t second)
{
    test_report t = TEST_REPORT;
    t.second      = second;
    return t;
}

/* --- times */

static void times_are_judged_by_the_margin(void **state)
{
    const test_report a = at(0), b = at(1);
    int               rc;
    write_side("t-base", &a, 8, 3, 0);
    write_side("t-same", &b, 8, 3, 0);
    write_side("t-slow", &b, 8, 3, 10);
    write_side("t-fast", &b, 8, 3, -10);
    write_side("t-edge", &b, 8, 3, 3);
    json *j = gate("t-base", "t-same", "", &rc);
    assert_int_equal(rc, OK);
    assert_string_equal(json_text(json_find(j, "verdict")), "pass");
    assert_int_equal(json_size(json_find(j, "cases")), 3);
    assert_int_equal(json_size(json_find(j, "notes")), 0);
    assert_case(j, "BM_case/0", "time", "equivalent");
    const json *c = case_named(j, "BM_case/0");
    assert_true(json_number(json_find(c, "margin")) == 3);
    assert_true(json_number(json_find(c, "n_base")) == 8 && json_number(json_find(c, "n_head")) == 8);
    assert_within(fabs(json_number(json_find(c, "change"))), 1);
    assert_within(json_number(json_find(c, "low")), json_number(json_find(c, "change")));
    assert_within(json_number(json_find(c, "change")), json_number(json_find(c, "high")));
    json_free(j);

    j = gate("t-base", "t-slow", "", &rc);
    assert_int_equal(rc, ERR_FAILED);
    assert_string_equal(json_text(json_find(j, "verdict")), "regressed");
    assert_string_equal(json_text(json_find(json_at(json_find(j, "cases"), 0), "name")),
                        "BM_case/0"); /* the worst first */
    assert_case(j, "BM_case/0", "time", "regressed");
    assert_case(j, "BM_case/1", "time", "equivalent");
    assert_within(fabs(json_number(json_find(case_named(j, "BM_case/0"), "change")) - 10), 1.5);
    assert_non_null(strstr(error_text(), "BM_case/0"));
    json_free(j);

    j = gate("t-base", "t-fast", "", &rc);
    assert_int_equal(rc, OK);
    assert_case(j, "BM_case/0", "time", "improved");
    json_free(j);

    j = gate("t-base", "t-edge", "", &rc);
    assert_int_equal(rc, ERR_INCONCLUSIVE);
    assert_case(j, "BM_case/0", "time", "inconclusive");
    assert_string_equal(json_text(json_find(j, "verdict")), "inconclusive");
    json_free(j);
    j = gate("t-base", "t-edge", "--allow-inconclusive", &rc);
    assert_int_equal(rc, OK);
    assert_string_equal(json_text(json_find(j, "verdict")), "pass");
    json_free(j);
    j = gate("t-base", "t-edge", "--margin 8", &rc);
    assert_int_equal(rc, OK);
    json_free(j);
    j = gate("t-base", "t-slow", "--only case/[12]", &rc);
    assert_int_equal(rc, OK);
    assert_int_equal(json_size(json_find(j, "cases")), 2);
    json_free(j);
    j = gate("t-base", "t-slow", "--only nothing", &rc);
    assert_int_equal(rc, ERR_INPUT);
    assert_null(j);
    assert_null(gate("t-base", "t-slow", "--only (", &rc));
    assert_int_equal(rc, ERR_INPUT);
}

static void repetitions_in_one_process_are_no_replicates(void **state)
{
    test_report a = at(0), b = at(1);
    int         rc;
    a.repetitions = b.repetitions = 100;
    write_side("r-base", &a, 1, 1, 0);
    write_side("r-slow", &b, 1, 1, 50);
    json *j = gate("r-base", "r-slow", "", &rc);
    assert_int_equal(rc, ERR_INCONCLUSIVE);
    assert_case(j, "BM_case/0", "time", "inconclusive");
    assert_true(json_is_null(json_find(case_named(j, "BM_case/0"), "low")));
    assert_true(json_number(json_find(case_named(j, "BM_case/0"), "needs")) == 5);
    json_free(j);
    j = gate("r-base", "r-slow", "--noise 1", &rc);
    assert_int_equal(rc, ERR_FAILED);
    assert_case(j, "BM_case/0", "time", "regressed");
    json_free(j);
}

static void what_cannot_be_compared_is_an_error_by_name(void **state)
{
    test_report a = at(0), b = at(1);
    int         rc;
    write_side("f-base", &a, 6, 2, 0);
    static const struct {
        const char *name, *says;
        const char *host, *build;
        double      mhz;
        bool        scaling;
    } others[] = { { "f-host", "another machine", "other", "release", 2400, false },
                   { "f-debug", "another build type", "box", "debug", 2400, false },
                   { "f-mhz", "another clock policy", "box", "release", 3600, false },
                   { "f-scaling", "another clock policy", "box", "release", 2400, true } };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        b      = at(1);
        b.host = others[i].host, b.build = others[i].build, b.mhz = others[i].mhz, b.scaling = others[i].scaling;
        write_side(others[i].name, &b, 6, 2, 0);
        json *j = gate("f-base", others[i].name, "", &rc);
        assert_int_equal(rc, ERR_INPUT);
        assert_true(list_has(j, "errors", others[i].says));
        assert_int_equal(json_size(json_find(j, "errors")), 1); /* said once for all cases */
        assert_string_equal(json_text(json_find(j, "verdict")), "inconclusive");
        json_free(j);
    }
    /* A case of BASE that HEAD lacks; one that is new is said. */
    b = at(1);
    write_side("f-fewer", &b, 6, 1, 0);
    json *j = gate("f-base", "f-fewer", "", &rc);
    assert_int_equal(rc, ERR_INPUT);
    assert_true(list_has(j, "missing", "BM_case/1"));
    assert_non_null(strstr(error_text(), "BM_case/1"));
    json_free(j);
    j = gate("f-fewer", "f-base", "", &rc);
    assert_int_equal(rc, OK);
    assert_true(list_has(j, "new", "BM_case/1"));
    json_free(j);
    /* An empty side, one that is not there. */
    char *empty = folder("f-empty");
    assert_ok(file_make_dirs(empty));
    assert_null(gate("f-base", "f-empty", "", &rc));
    assert_int_equal(rc, ERR_INPUT);
    assert_non_null(strstr(error_text(), "f-empty"));
    assert_null(gate("f-none", "f-base", "", &rc));
    assert_int_equal(rc, ERR_INPUT);
    free(empty);
    /* Files that ran one side after the other. */
    b = at(3600);
    write_side("f-late", &b, 6, 2, 0);
    j = gate("f-base", "f-late", "", &rc);
    assert_int_equal(rc, OK);
    assert_true(list_has(j, "notes", "not interleaved"));
    json_free(j);
    /* A baseline of another time; 2026-11-20 is the day of all of them. */
    j = gate("f-base", "f-late", "--max-age-days 36500", &rc);
    assert_int_equal(rc, OK);
    json_free(j);
}

/* --- acknowledgements */

static void acknowledge(const char *text)
{
    char *path = folder("acks");
    assert_ok(file_write_atomic(path, text, strlen(text)));
    free(path);
}

static void a_regression_is_accepted_with_a_reason_until_a_day(void **state)
{
    const test_report a = at(0), b = at(1);
    char              more[300];
    int               rc;
    write_side("k-base", &a, 8, 2, 0);
    write_side("k-slow", &b, 8, 2, 10);
    write_side("k-one", &b, 8, 1, 0);
    snprintf(more, sizeof more, "--ack %s/acks", dir);
    acknowledge("# name, day, reason\r\n\n  \nBM_case/0\t2999-01-01   the checked path costs that\r\n");
    json *j = gate("k-base", "k-slow", more, &rc);
    assert_int_equal(rc, OK);
    assert_string_equal(json_text(json_find(j, "verdict")), "pass");
    assert_case(j, "BM_case/0", "time", "regressed");
    assert_string_equal(json_text(json_find(json_find(case_named(j, "BM_case/0"), "accepted"), "reason")),
                        "the checked path costs that");
    json_free(j);
    /* It covers no other case, and a removed one only by its name. */
    acknowledge("BM_case/1 2999-01-01 gone for good\n");
    j = gate("k-base", "k-slow", more, &rc);
    assert_int_equal(rc, ERR_FAILED);
    assert_true(list_has(j, "notes", "not needed"));
    json_free(j);
    j = gate("k-base", "k-one", more, &rc);
    assert_int_equal(rc, OK);
    assert_true(list_has(j, "notes", "gone for good"));
    json_free(j);
    static const struct {
        const char *text, *says;
    } wrong[] = {
        { "BM_case/0 2020-01-01 for a while\n", "line 1: the acknowledgement of \"BM_case/0\" expired on 2020-01-01" },
        { "\nBM_other 2999-01-01 who knows\n", "line 2: \"BM_other\" is the name of no case" },
        { "BM<a, 2026-01> b 2999-01-01 on 2020-01-01\n", "line 1: \"BM<a, 2026-01> b\" is the name of no case" }
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        acknowledge(wrong[i].text);
        j = gate("k-base", "k-slow", more, &rc);
        assert_int_equal(rc, ERR_INPUT);
        assert_true(list_has(j, "errors", wrong[i].says));
        json_free(j);
    }
    static const struct {
        const char *text, *says;
    } unreadable[] = { { "BM_case/0 because\n", "line 1" },
                       { "BM_case/0 2999-02-30 no such day\n", "line 1: \"2999-02-30\": is no day" },
                       { "BM_case/0 2999-01-01\n", "gives no reason" },
                       { "BM_case/0 2999-01-01 \n", "gives no reason" },
                       { "a 2999-01-01 x\na 2999-01-02 y\n", "line 2: \"a\": stands on line 1" },
                       { "a\x01 2999-01-01 x\n", "line 1" } };
    for (size_t i = 0; i < sizeof unreadable / sizeof *unreadable; i++) {
        acknowledge(unreadable[i].text);
        assert_null(gate("k-base", "k-slow", more, &rc));
        assert_int_equal(rc, ERR_INPUT);
        if (!strstr(error_text(), unreadable[i].says)) fail_msg("%s: %s", unreadable[i].says, error_text());
    }
}

/* --- scores and counts */

/* A folder of a record and its sample log: n items, of which the first `right` are right. */
static void write_eval(const char *name, int n, int right, double trainable, bool log)
{
    json *record = test_record("eval-full"), *result = test_record_part(record, field_record_result),
         *metrics = json_object(), *score = json_object();
    char *at = folder(name), *path = path_join(at, "record.json"), *samples = path_join(at, "samples.jsonl");
    str   lines = { 0 };
    record_put_number(score, field_metric_value, (double)right / n);
    record_put_number(score, field_metric_stderr, 0.01);
    record_put_text(score, field_metric_better, "higher");
    record_put_text(score, field_metric_signature, "gsm8k|filter:strict|version:lm-eval-3");
    json_set(metrics, "exact_match", score);
    test_record_set(result, field_result_metrics, metrics);
    test_record_set(result, field_result_trainable, json_of_number(trainable));
    test_record_set(result, field_result_samples, json_of_text("samples.jsonl"));
    for (int i = 0; i < n; i++)
        str_printf(&lines, "{\"id\": \"q%d\", \"scores\": {\"exact_match\": %d}}\n", i, i < right);
    assert_ok(file_make_dirs(at));
    assert_ok(record_write(record, path));
    if (log) assert_ok(file_write_atomic(samples, lines.s, lines.n));
    json_free(record);
    str_free(&lines);
    free(samples);
    free(path);
    free(at);
}

static const char *score_name(const json *j)
{
    for (const json *c = json_items(json_find(j, "cases")); c; c = c->next)
        if (!strcmp(json_text(json_find(c, "kind")), "score")) return json_text(json_find(c, "name"));
    fail_msg("no score");
    return NULL;
}

static void scores_are_judged_in_points_on_the_same_items(void **state)
{
    int rc;
    write_eval("s-base", 1000, 600, 100, true);
    write_eval("s-worse", 1000, 500, 100, true);
    write_eval("s-same", 1000, 600, 100, true);
    write_eval("s-near", 1000, 590, 100, true);
    write_eval("s-fewer", 999, 590, 100, true);
    write_eval("s-bare", 1000, 600, 100, false);
    json *j = gate("s-base", "s-worse", "", &rc);
    assert_int_equal(rc, ERR_FAILED);
    const json *c = case_named(j, score_name(j));
    assert_string_equal(json_text(json_find(c, "verdict")), "regressed");
    assert_within(fabs(json_number(json_find(c, "change")) + 10), 1e-9); /* points, more is better */
    assert_true(json_number(json_find(c, "n_base")) == 1000 && json_number(json_find(c, "margin")) == 1);
    assert_string_equal(json_text(json_find(c, "test")), "McNemar mid-p");
    json_free(j);
    j = gate("s-worse", "s-base", "", &rc);
    assert_int_equal(rc, OK);
    assert_string_equal(json_text(json_find(case_named(j, score_name(j)), "verdict")), "improved");
    json_free(j);
    j = gate("s-base", "s-same", "", &rc);
    assert_int_equal(rc, OK);
    assert_string_equal(json_text(json_find(case_named(j, score_name(j)), "verdict")), "equivalent");
    assert_true(json_size(json_find(j, "unjudged")) > 0); /* throughput of one run a side: said */
    json_free(j);
    j = gate("s-base", "s-near", "", &rc);
    assert_int_equal(rc, ERR_INCONCLUSIVE);
    json_free(j);
    j = gate("s-base", "s-near", "--score-margin 3", &rc);
    assert_int_equal(rc, OK);
    json_free(j);
    assert_null(gate("s-base", "s-fewer", "", &rc));
    assert_int_equal(rc, ERR_INPUT);
    assert_non_null(strstr(error_text(), "the items must be the same"));
    j = gate("s-base", "s-bare", "", &rc);
    assert_int_equal(rc, ERR_INPUT);
    assert_true(list_has(j, "errors", "a score without its items"));
    json_free(j);
}

static void a_count_may_not_change_without_a_word(void **state)
{
    int rc;
    write_eval("c-base", 10, 6, 100, true);
    write_eval("c-more", 10, 6, 104, true);
    write_eval("c-less", 10, 6, 96, true);
    json *j = gate("c-base", "c-more", "--only trainable", &rc);
    assert_int_equal(rc, ERR_FAILED);
    const json *c = json_at(json_find(j, "cases"), 0);
    assert_string_equal(json_text(json_find(c, "kind")), "exact");
    assert_string_equal(json_text(json_find(c, "verdict")), "regressed");
    assert_true(json_number(json_find(c, "base")) == 100 && json_number(json_find(c, "head")) == 104);
    json_free(j);
    j = gate("c-base", "c-less", "--only trainable", &rc);
    assert_int_equal(rc, ERR_FAILED);
    assert_string_equal(json_text(json_find(json_at(json_find(j, "cases"), 0), "verdict")), "changed");
    json_free(j);
    j = gate("c-base", "c-base", "--only trainable", &rc);
    assert_int_equal(rc, OK);
    json_free(j);
}

static void logs_of_the_harness_are_compared_by_task(void **state)
{
    static const char *const sides[] = { "h-base", "h-worse" };
    int                      rc;
    for (int side = 0; side < 2; side++) {
        char *at = folder(sides[side]), *path;
        char  file[80];
        str   lines = { 0 };
        snprintf(file, sizeof file, "samples_arc_easy_2026-11-2%dT10-00-00.123456.jsonl", side);
        path = path_join(at, file);
        for (int i = 0; i < 400; i++)
            str_printf(&lines, "{\"doc_id\": %d, \"filter\": \"none\", \"metrics\": [\"acc\"], \"acc\": %d.0}\n", i,
                       i < (side ? 200 : 300));
        assert_ok(file_make_dirs(at));
        assert_ok(file_write_atomic(path, lines.s, lines.n));
        str_free(&lines);
        free(path);
        free(at);
    }
    json *j = gate("h-base", "h-worse", "", &rc);
    assert_int_equal(rc, ERR_FAILED);
    assert_case(j, "arc_easy/acc", "score", "regressed");
    json_free(j);
    j = gate("h-base", "h-worse", "--max-age-days 1", &rc); /* or a day of 2026 is not long ago */
    json_free(j);
    j = gate("h-base", "h-base", "", &rc);
    assert_int_equal(rc, OK);
    assert_case(j, "arc_easy/acc", "score", "equivalent");
    json_free(j);
}

static void another_dtype_is_an_error_by_name(void **state)
{
    int   rc;
    json *record = test_record("train-bf16");
    char *a = folder("d-base"), *b = folder("d-head"), *in_a = path_join(a, "1.json"), *in_b = path_join(b, "1.json");
    assert_ok(file_make_dirs(a));
    assert_ok(file_make_dirs(b));
    assert_ok(record_write(record, in_a));
    json *asked = test_record_part(record, field_record_asked);
    test_record_set(asked, field_asked_dtype, json_of_text("f32"));
    assert_ok(record_write(test_record_sign(record), in_b));
    json *j = gate("d-base", "d-head", "", &rc);
    assert_int_equal(rc, ERR_INPUT);
    assert_true(list_has(j, "errors", "another dtype: \"bf16\""));
    json_free(j);
    json_free(record);
    free(in_a);
    free(in_b);
    free(a);
    free(b);
}

/* --- what is written */

static str text_of(const char *name)
{
    char *path = folder(name);
    str   text = { 0 };
    assert_ok(file_read(path, 1 << 20, &text));
    free(path);
    return text;
}

static void reports_hold_the_worst_first_and_escape_names(void **state)
{
    char        words[1024], *a = folder("w-base"), *b = folder("w-head"), *summary = folder("summary");
    test_report t       = at(0);
    str         printed = { 0 };
    for (int i = 0; i < 6; i++) {
        char  file[32];
        json *base = json_array(), *head = json_array();
        snprintf(file, sizeof file, "%d.json", i);
        test_benchmark(base, &t, "BM<a, b>|x & \"y\"", 100 + 0.1 * i);
        test_benchmark(head, &t, "BM<a, b>|x & \"y\"", 120 + 0.1 * i);
        test_benchmark(base, &t, "BM_fine", 100 + 0.1 * i);
        test_benchmark(head, &t, "BM_fine", 100.2 + 0.1 * i);
        test_write_report(a, file, &t, base);
        test_write_report(b, file, &t, head);
        t.second++;
    }
    setenv("GITHUB_STEP_SUMMARY", summary, 1);
    snprintf(words, sizeof words, "%s %s --github --markdown %s/w.md --junit %s/w.xml", a, b, dir, dir);
    assert_int_equal(test_verb(&verb_gate, words, &printed), ERR_FAILED);
    unsetenv("GITHUB_STEP_SUMMARY");
    str markdown = text_of("w.md"), junit = text_of("w.xml"), appended = text_of("summary");
    assert_non_null(strstr(printed.s, "::error title=BM<a%2C b>|x & \"y\"::BM<a, b>|x & \"y\" regressed: +"));
    assert_non_null(strstr(printed.s, "equivalent  BM_fine")); /* numbers of what passes, too */
    assert_non_null(strstr(printed.s, "Margin 3 %"));
    assert_non_null(strstr(markdown.s, "| regressed | BM\\<a, b\\>\\|x \\& \"y\" |"));
    const char *open = strstr(markdown.s, "<details>");
    assert_non_null(open);
    assert_non_null(strstr(open, "BM\\_fine"));
    assert_true(strstr(markdown.s, "regressed | BM") < open);
    assert_string_equal(markdown.s, appended.s);
    assert_non_null(strstr(junit.s, "tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\""));
    assert_non_null(strstr(junit.s, "name=\"BM&lt;a, b&gt;|x &amp; &quot;y&quot;\"><failure message="));
    str_free(&markdown);
    str_free(&junit);
    str_free(&appended);
    str_free(&printed);
    free(summary);
    free(a);
    free(b);
}

static void reports_say_why_nothing_was_judged(void **state)
{
    char words[512], *broken = folder("broken.json");
    str  printed = { 0 };
    assert_ok(file_write_atomic(broken, "{\"context\": ", 12));
    snprintf(words, sizeof words, "%s %s --github --markdown %s/e.md --junit %s/e.xml", broken, broken, dir, dir);
    assert_int_equal(test_verb(&verb_gate, words, &printed), ERR_INPUT);
    str markdown = text_of("e.md"), junit = text_of("e.xml");
    assert_non_null(strstr(printed.s, "::error title=gate::"));
    assert_non_null(strstr(printed.s, "broken.json: line 1"));
    assert_non_null(strstr(markdown.s, "broken.json: line 1"));
    assert_non_null(strstr(junit.s, "errors=\"1\""));
    assert_non_null(strstr(error_text(), "broken.json"));
    str_free(&markdown);
    str_free(&junit);
    str_free(&printed);
    free(broken);
}

/* --- programs, pins */

static void put_file(const char *name, const char *text)
{
    char *path = folder(name);
    assert_ok(file_write_atomic(path, text, strlen(text)));
    free(path);
}

static json *gate_words(int *rc, const char *format, ...)
{
    char    words[1500];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    error_clear();
    return test_verb_json(&verb_gate, words, rc);
}

/* A program that takes what it writes from a template; its times differ from process to process. */
static void programs_are_run_in_turn(void **state)
{
    int rc;
    put_file("template", "{\"context\":{\"library_build_type\":\"release\"},\"benchmarks\":["
                         "{\"name\":\"BM_z\",\"run_name\":\"BM_z\",\"run_type\":\"iteration\",\"real_time\":1000.PID,"
                         "\"cpu_time\":1,\"time_unit\":\"ns\"}]}");
    put_file("program", "#!/bin/sh\nsed \"s/PID/$$/\" \"$1\" >\"$2\"\n");
    char *program = folder("program");
    assert_int_equal(chmod(program, 0755), 0);
    json *j = gate_words(&rc, "--run %s %s --json --budget-s 1 --samples %s/kept -- %s/template {out}", program,
                         program, dir, dir);
    assert_int_equal(rc, OK);
    assert_case(j, "BM_z", "time", "equivalent");
    assert_true(list_has(j, "notes", "blocks of four processes"));
    json_free(j);
    free(program);
}

static void a_side_is_judged_by_pins_alone(void **state)
{
    int rc;
    put_file("run.counts", "loop/allocations 0\nfile/bytes 98308\n");
    put_file("pins.txt", "file/bytes 98304\nloop/allocations 0\n");
    json *j = gate_words(&rc, "%s/run.counts --pins %s/pins.txt --json", dir, dir);
    assert_int_equal(rc, ERR_FAILED);
    assert_case(j, "file/bytes", "exact", "regressed");
    assert_case(j, "loop/allocations", "exact", "equivalent");
    json_free(j);
    j = gate_words(&rc, "%s/run.counts --pins %s/pins.txt --update-pins", dir, dir);
    assert_int_equal(rc, OK);
    json_free(j);
    j = gate_words(&rc, "%s/run.counts --pins %s/pins.txt --json", dir, dir);
    assert_int_equal(rc, OK);
    json_free(j);
}

static void what_does_not_go_together_is_refused(void **state)
{
    static const struct {
        const char *words, *part;
    } cases[] = {
        { "x", "HEAD is missing" },
        { "x y -- z", "there is no --run" },
        { "x --update-pins", "needs --pins" },
        { "x y --pins p --update-pins", "one side" },
        { "x --pins p --ack a", "--ack" },
        { "--run /bin/true /bin/true --samples /proc/no", "/proc/no" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int   rc;
        json *j = gate_words(&rc, "%s", cases[i].words);
        if (rc == OK || !strstr(error_text(), cases[i].part))
            fail_msg("%s: %d, \"%s\"", cases[i].words, rc, error_text());
        json_free(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_judged_by_the_margin),
        cmocka_unit_test(repetitions_in_one_process_are_no_replicates),
        cmocka_unit_test(what_cannot_be_compared_is_an_error_by_name),
        cmocka_unit_test(a_regression_is_accepted_with_a_reason_until_a_day),
        cmocka_unit_test(scores_are_judged_in_points_on_the_same_items),
        cmocka_unit_test(a_count_may_not_change_without_a_word),
        cmocka_unit_test(logs_of_the_harness_are_compared_by_task),
        cmocka_unit_test(another_dtype_is_an_error_by_name),
        cmocka_unit_test(reports_hold_the_worst_first_and_escape_names),
        cmocka_unit_test(reports_say_why_nothing_was_judged),
        cmocka_unit_test(programs_are_run_in_turn),
        cmocka_unit_test(a_side_is_judged_by_pins_alone),
        cmocka_unit_test(what_does_not_go_together_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
