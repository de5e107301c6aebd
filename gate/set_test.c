/* What is read of files: Google Benchmark's of three ages, broken ones, records, sample logs. */
#include "gate/set.h"

#include "core/memory.h"
#include "core/test_record.h"
#include "gate/date.h"
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

static gate_set fresh(void) { return (gate_set) { .field = "real_time" }; }

static const gate_sample *find(const gate_set *s, const char *part)
{
    for (size_t i = 0; i < s->n_samples; i++)
        if (!strcmp(s->samples[i].part, part)) return &s->samples[i];
    return NULL;
}

static char *write_text(const char *name, const char *text)
{
    char *path = path_join(dir, name);
    assert_ok(file_write_atomic(path, text, strlen(text)));
    return path;
}

/* --- Google Benchmark */

static void reports_of_every_age_say_the_same(void **state)
{
    for (int form = FORM_2018; form <= FORM_2025; form++) {
        gate_set    s    = fresh();
        test_report t    = TEST_REPORT;
        json       *list = json_array();
        char       *path = path_join(dir, "r.json");
        t.form           = (test_form)form;
        t.unit           = form == FORM_2018 ? "us" : "ms";
        t.aggregates     = true;
        test_benchmark(list, &t, "BM_sort<int, 3>/64", 2);
        t.aggregates = false;
        test_benchmark(list, &t, "BM_geo_mean", 3);
        test_write_report(dir, "r.json", &t, list);
        assert_ok(gate_set_read(&s, path));
        assert_int_equal(s.n_files, 1);
        assert_int_equal(s.n_samples, 2);
        const gate_sample *x = find(&s, "BM_sort<int, 3>/64");
        assert_non_null(x);
        assert_int_equal(x->kind, GATE_TIME);
        assert_null(x->problem);
        assert_within(fabs(x->process.value - log(2.02 * (form == FORM_2018 ? 1e3 : 1e6))), 1e-12);
        assert_within(fabs(x->process.error - log(1.02) / 2), 1e-12); /* half of the range of three */
        assert_non_null(find(&s, "BM_geo_mean"));
        assert_int_equal(s.files[0].made, gate_date("2026-11-20"));
        assert_string_equal(s.files[0].facts[FACT_BUILD], "release");
        gate_set_free(&s);
        s.field = "cpu_time";
        assert_ok(gate_set_read(&s, path));
        assert_within(fabs(find(&s, "BM_geo_mean")->process.value - log(1.515 * (form == FORM_2018 ? 1e3 : 1e6))),
                      1e-12);
        gate_set_free(&s);
        free(path);
    }
}

static void entries_without_a_time_are_problems_of_their_case(void **state)
{
    for (int form = FORM_2018; form <= FORM_2025; form++) {
        gate_set    s    = fresh();
        test_report t    = TEST_REPORT;
        json       *list = json_array(), *failed, *skipped;
        char       *path = path_join(dir, "r.json");
        t.form           = (test_form)form;
        t.no_samples     = true;
        test_benchmark(list, &t, "BM_only", 2);
        t.no_samples = false;
        test_benchmark(list, &t, "BM_zero", 0);
        failed = test_entry(&t, "BM_failed", NULL, 0, 1);
        json_set_bool(failed, "error_occurred", true);
        json_set_str(failed, "error_message", "no such device");
        json_push(list, failed);
        skipped = test_entry(&t, "BM_skipped", NULL, 0, 1);
        json_set_bool(skipped, "skipped", true);
        json_set_str(skipped, "skip_message", "needs a GPU");
        json_push(list, skipped);
        test_write_report(dir, "r.json", &t, list);
        assert_ok(gate_set_read(&s, path));
        assert_non_null(strstr(find(&s, "BM_only")->problem, "aggregates without their samples"));
        assert_non_null(strstr(find(&s, "BM_zero")->problem, "real_time of 0 ns"));
        assert_non_null(strstr(find(&s, "BM_failed")->problem, "no such device"));
        assert_non_null(strstr(find(&s, "BM_skipped")->problem, "needs a GPU"));
        gate_set_free(&s);
        free(path);
    }
}

static void numbers_that_json_has_not_are_read(void **state)
{
    gate_set s    = fresh();
    char    *path = write_text(
           "nan.json",
           "{\"context\": {}, \"benchmarks\": ["
              "{\"name\": \"NaN \\\" Infinity\", \"real_time\": 2, \"zero\": NaN, \"x\": -Infinity},"
              "{\"name\": \"a\", \"run_name\": \"a\", \"run_type\": \"iteration\", \"real_time\": 3, \"y\": Infinity},"
              "{\"name\": \"a_cv\", \"run_name\": \"a\", \"run_type\": \"aggregate\", \"real_time\": -NaN}]}");
    assert_ok(gate_set_read(&s, path));
    assert_int_equal(s.n_samples, 2);
    assert_within(fabs(find(&s, "NaN \" Infinity")->process.value - log(2)), 1e-12);
    gate_set_free(&s);
    free(path);
    path = write_text("nan.json", "{\"context\": {}, \"benchmarks\": [{\"name\": \"a\", \"real_time\": NaN}]}");
    assert_input_error(gate_set_read(&s, path), "benchmarks[0]: \"real_time\"");
    gate_set_free(&s);
    free(path);
}

static void broken_files_name_file_place_and_reason(void **state)
{
    static const struct {
        const char *text, *says;
    } files[] = {
        { "", "is empty" },
        { "{\"context\": {\"date\": \"2026", "line 1" },
        { "{\"context\": {}, \"benchmarks\": [", "line 1" },
        { "[1, 2]", "neither a record of this program nor a report" },
        { "{\"a\": 1}", "neither a record of this program nor a report" },
        { "{\"context\": {}}", "\"benchmarks\"" },
        { "{\"benchmarks\": []}", "\"context\"" },
        { "{\"context\": {}, \"benchmarks\": {}}", "\"benchmarks\"" },
        { "{\"context\": {}, \"benchmarks\": []}", "no benchmark ran" },
        { "{\"context\": {}, \"benchmarks\": [7]}", "benchmarks[0]: must be an object" },
        { "{\"context\": {}, \"benchmarks\": [{}]}", "benchmarks[0]: \"name\"" },
        { "{\"context\": {}, \"benchmarks\": [{\"name\": \"\", \"real_time\": 1}]}", "is empty" },
        { "{\"context\": {}, \"benchmarks\": [{\"name\": \"a\"}]}", "benchmarks[0]: \"real_time\"" },
        { "{\"context\": {}, \"benchmarks\": [{\"name\": \"a\", \"real_time\": \"1\"}]}", "\"real_time\"" },
        { "{\"context\": {}, \"benchmarks\": [{\"name\": \"a\", \"real_time\": 1, \"time_unit\": \"h\"}]}",
          "ns, us, ms or s" },
        { "{\"context\": {}, \"benchmarks\": [{\"name\": \"a\", \"run_type\": \"x\", \"real_time\": 1}]}",
          "iteration or aggregate" },
        { "{\"context\": {}, \"benchmarks\": [{\"name\": \"a\\u001b[31m\", \"real_time\": 1}]}", "control character" },
        { "{\"context\": {\"host_name\": 3}, \"benchmarks\": [{\"name\": \"a\", \"real_time\": 1}]}", "\"host_name\"" },
        { "{\"schema\": \"tiebreak-record/1\"}", "\"kind\"" },
        { "{\"schema\": \"tiebreak-record/9\"}", "\"schema\"" },
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        gate_set s    = fresh();
        char    *path = write_text("broken.json", files[i].text);
        assert_input_error(gate_set_read(&s, path), files[i].says);
        assert_non_null(strstr(error_text(), "broken.json"));
        gate_set_free(&s);
        free(path);
    }
    gate_set s = fresh();
    assert_input_error(gate_set_read(&s, "/nonexistent/x.json"), "/nonexistent/x.json");
    assert_input_error(gate_set_read(&s, "/nonexistent"), "/nonexistent");
    /* Refused by its size, before it is read. */
    char *huge = write_text("huge.json", "{");
    assert_int_equal(truncate(huge, (off_t)300 << 20), 0);
    assert_input_error(gate_set_read(&s, huge), "huge.json");
    assert_int_equal(unlink(huge), 0);
    free(huge);
    gate_set_free(&s);
}

static void a_folder_is_searched_and_what_is_passed_over_is_said(void **state)
{
    gate_set    s   = fresh();
    char       *sub = path_join(dir, "many"), *deep = path_join(sub, "deep"), *none = path_join(dir, "none"), *path;
    test_report t    = TEST_REPORT;
    json       *list = json_array(), *again = json_array();
    str         bytes = { 0 };
    test_benchmark(list, &t, "BM_a", 1);
    test_benchmark(again, &t, "BM_a", 1);
    test_write_report(sub, "1.json", &t, list);
    test_write_report(deep, "copy.json", &t, again);
    path = path_join(sub, "other.json");
    assert_ok(file_write_atomic(path, "{\"x\": 1}", 8));
    char *link = path_join(sub, "link.json"), *loop = path_join(sub, "loop");
    assert_int_equal(symlink("1.json", link), 0);
    assert_int_equal(symlink(".", loop), 0);
    assert_ok(gate_set_read(&s, sub));
    assert_int_equal(s.n_files, 1);
    assert_int_equal(s.copies, 2);
    free(link);
    free(loop);
    assert_int_equal(s.skipped, 1);
    assert_string_equal(s.first_skipped, path);
    gate_set_free(&s);
    /* One that is cut off is an error in a folder, too. */
    free(path);
    path = path_join(sub, "2.json");
    assert_ok(file_write_atomic(path, "{\"context\": {", 13));
    assert_input_error(gate_set_read(&s, sub), "2.json");
    gate_set_free(&s);
    assert_ok(file_make_dirs(none));
    assert_input_error(gate_set_read(&s, none), "holds nothing to compare");
    gate_set_free(&s);
    str_free(&bytes);
    free(path);
    free(none);
    free(deep);
    free(sub);
}

/* --- dates */

static void dates_are_read_in_every_form(void **state)
{
    static const struct {
        const char *text;
        int64_t     seconds;
    } dates[] = {
        { "1970-01-01", 0 },
        { "1970-01-02T00:00:01Z", 86401 },
        { "1970-01-02T01:00:00+01:00", 86400 },
        { "1970-01-01T23:30:00-0030", 86400 },
        { "1970/01/02-00:00:00", 86400 },
        { "1970-01-02 00:00:00", 86400 },
        { "1970-01-02T00-00-05.123456.jsonl", 86405 },
        { "2026-02-30", -1 },
        { "2026-13-01", -1 },
        { "2026-1-1", -1 },
        { "1969-12-31", -1 },
        { "2026-01-01T25:00:00", -1 },
        { "yesterday", -1 },
        { "", -1 },
        { "2026", -1 },
    };
    for (size_t i = 0; i < sizeof dates / sizeof *dates; i++)
        assert_int_equal(gate_date(dates[i].text), dates[i].seconds);
}

/* --- records */

/* Writes the record into the folder under a name. */
static void put_record(const char *folder, const char *name, const json *record)
{
    char *path = path_join(folder, name);
    assert_ok(file_make_dirs(folder));
    assert_ok(record_write(record, path));
    free(path);
}

static json *numbers(double a, double b, double c) { return json_of_numbers((const double[]) { a, b, c }, 3); }

static void a_bench_record_is_one_process_and_on_a_gpu_its_overhead_counts(void **state)
{
    for (int on_gpu = 0; on_gpu < 2; on_gpu++) {
        gate_set s      = fresh();
        json    *record = test_record("bench-clock"), *result = test_record_part(record, field_record_result),
             *where  = test_record_part(record, field_record_where);
        char *folder = path_join(dir, on_gpu ? "gpu" : "cpu");
        test_record_set(result, field_timing_base_ns, numbers(100, 100, 100));
        test_record_set(result, field_timing_case_ns, numbers(110, 120, 150));
        if (on_gpu) {
            json *gpu = json_format("{'name':%s,'power_limit_w':%s,'sm_clock_max_mhz':%s}", "a GPU", "700", "1980");
            test_record_set(where, field_where_gpu, gpu);
            test_record_set(result, field_timing_settled_mhz, json_of_number(1900));
            test_record_set(result, field_timing_base_mhz, numbers(1900, 1890, 1900));
            test_record_set(result, field_timing_case_mhz, numbers(1900, 1900, 1000)); /* the last one throttled */
        }
        put_record(folder, "b.json", record);
        assert_ok(gate_set_read(&s, folder));
        const char        *name = record_text(record_get(record, field_record_asked), field_bench_case_case, "");
        const gate_sample *x    = find(&s, name);
        assert_non_null(x);
        assert_null(x->problem);
        assert_within(fabs(x->process.value - (on_gpu ? (log(1.1) + log(1.2)) / 2 : log(120))), 1e-12);
        assert_string_equal(x->unit, on_gpu ? "of base" : "ns");
        if (on_gpu) {
            assert_string_equal(s.files[0].facts[FACT_POWER], "power_limit_w 700");
            assert_string_equal(s.files[0].facts[FACT_CLOCK], "sm_clock_max_mhz 1980");
        }
        gate_set_free(&s);
        /* A rehearsal measured nothing. */
        test_record_set(where, field_where_rehearsal, json_of_bool(true));
        put_record(folder, "b.json", record);
        assert_ok(gate_set_read(&s, folder));
        assert_non_null(strstr(find(&s, name)->problem, "rehearsal"));
        gate_set_free(&s);
        json_free(record);
        free(folder);
    }
}

static void cells_are_named_by_what_tells_them_apart(void **state)
{
    gate_set base = fresh(), head = fresh();
    json    *record = test_record("train-adalora"), *asked = test_record_part(record, field_record_asked),
         *adapter = test_record_part(asked, field_asked_adapter);
    char *a = path_join(dir, "names-a"), *b = path_join(dir, "names-b"), whole[200];
    put_record(a, "1.json", record);
    put_record(b, "1.json", record);
    assert_ok(gate_set_read(&base, a));
    assert_ok(gate_set_read(&head, b));
    gate_set_names(&base, &head);
    snprintf(whole, sizeof whole, "train/%s/trainable", record_text(asked, field_asked_task, ""));
    size_t found = 0;
    for (size_t i = 0; i < base.n_samples; i++) found += !strcmp(base.samples[i].name, whole);
    assert_int_equal(found, 1);
    gate_set_free(&base);
    gate_set_free(&head);
    /* Another rate on one side: both sides' names say theirs. */
    test_record_set(adapter, field_adapter_lr, json_of_number(0.5));
    test_record_sign(record);
    put_record(b, "2.json", record);
    assert_ok(gate_set_read(&base, a));
    assert_ok(gate_set_read(&head, b));
    gate_set_names(&base, &head);
    found = 0;
    for (size_t i = 0; i < head.n_samples; i++) found += strstr(head.samples[i].name, " (lr 0.5)/trainable") != NULL;
    assert_int_equal(found, 1);
    found = 0;
    for (size_t i = 0; i < base.n_samples; i++) found += strstr(base.samples[i].name, " (lr ") != NULL;
    assert_int_equal(found, base.n_samples);
    gate_set_free(&base);
    gate_set_free(&head);
    json_free(record);
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_of_every_age_say_the_same),
        cmocka_unit_test(entries_without_a_time_are_problems_of_their_case),
        cmocka_unit_test(numbers_that_json_has_not_are_read),
        cmocka_unit_test(broken_files_name_file_place_and_reason),
        cmocka_unit_test(a_folder_is_searched_and_what_is_passed_over_is_said),
        cmocka_unit_test(dates_are_read_in_every_form),
        cmocka_unit_test(a_bench_record_is_one_process_and_on_a_gpu_its_overhead_counts),
        cmocka_unit_test(cells_are_named_by_what_tells_them_apart),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
