/* Ids, the list of fields, and records of every kind and age. */
#include "core/record.h"

#include <unistd.h>

#include "core/file.h"
#include "core/test_record.h"

/* Every form that a version of this program has written: the file, its kind and its id. */
static const struct {
    const char *name;
    record_kind kind;
    const char *id;
} records[] = {
    { "train-adalora", RECORD_TRAIN, "4e3cd7c200c67312" },  { "train-bf16", RECORD_TRAIN, "627d9160adb259d9" },
    { "eval-base", RECORD_EVAL, "d2db111513a016e2" },       { "eval-full", RECORD_EVAL, "c687c6425753b292" },
    { "eval-fewshot", RECORD_EVAL, "79158ac8845807c6" },    { "eval-served", RECORD_EVAL, "7dd49787524697b6" },
    { "eval-served-ids", RECORD_EVAL, "12cbde6607547957" }, { "bench-first", RECORD_BENCH, "0142b055af48ce1c" },
    { "bench-clock", RECORD_BENCH, "95178f303ecad7a7" },    { "bench-floor", RECORD_BENCH, "596a7d9cd747b04b" },
    { "bench-variant", RECORD_BENCH, "4a0af8ace0fb7900" },
};
enum { RECORDS = sizeof records / sizeof *records };

static json *asked_xy(bool swapped)
{
    json *a = json_object();
    if (swapped) json_set_num(a, "y", 0.25);
    json_set_str(a, "x", "lora");
    if (!swapped) json_set_num(a, "y", 0.25);
    return a;
}

static void id_depends_on_content_not_on_key_order(void **state)
{
    (void)state;
    json *a = asked_xy(false), *b = asked_xy(true);
    char  ia[17], ib[17];
    record_id(a, ia);
    record_id(b, ib);
    assert_string_equal(ia, ib);
    json_set_int(b, "seed", 2);
    record_id(b, ib);
    assert_string_not_equal(ia, ib);
    json_free(a);
    json_free(b);
}

/* --- ids are for ever: printf '%s' TEXT | sha256sum | cut -c1-16 of the text with sorted keys */

static void assert_id(json *asked, const char *want)
{
    char id[17];
    record_id(asked, id);
    assert_string_equal(id, want);
    json_free(asked);
}

static void ids_stay_what_they_are(void **state)
{
    (void)state;
    json *adapter = json_object(), *train = json_object(), *eval = json_object(), *bench = json_object();
    record_put_text(adapter, field_adapter_method, "lora");
    record_put_count(adapter, field_adapter_rank, 8);
    record_put_number(adapter, field_adapter_lr, 3e-3);
    record_put_number(adapter, field_adapter_alpha, NAN);
    record_put(train, field_asked_base, record_named("runs/base//", "00ff"));
    record_put_text(train, field_asked_task, "gsm8k");
    record_put(train, field_asked_adapter, adapter);
    assert_id(train, "6553a4abeb8c51c9");
    record_put(eval, field_asked_base, record_named("base", NULL));
    record_put_text(eval, field_asked_task, "squad \"v2\"");
    record_put_count_or_null(eval, field_asked_limit, 10);
    record_put_count_or_null(eval, field_asked_max_new_tokens, 0);
    record_put(eval, field_asked_adapter, NULL);
    assert_id(eval, "c50c278909eb080d");
    record_put_text(bench, field_bench_case_op, "fwd+bwd");
    record_put_flag(bench, field_bench_case_tied, true);
    record_put_count(bench, field_bench_case_d_out, 12288);
    assert_id(bench, "597289585b71fbdb");
}

/* --- files */

static void records_round_trip_and_edits_are_caught(void **state)
{
    (void)state;
    char *dir = test_tmpdir(), *path = path_join(dir, "record.json"), *other = path_join(dir, "config.json");
    json *r = test_record("train-adalora");
    assert_ok(record_write(r, path));
    json_free(r);
    assert_ok(file_write_atomic(other, "{\"model_type\": \"llama\"}", 23));
    json  **all;
    int64_t n;
    assert_ok(record_scan(&all, &n, dir));
    assert_int_equal(n, 1); /* other JSON files are not records */
    assert_int_equal(record_kind_of(all[0]), RECORD_TRAIN);
    json_free(all[0]);
    free(all);

    str text = { 0 };
    assert_ok(file_read(path, 1 << 20, &text));
    char *at = strstr(text.s, "\"rank\": 12");
    assert_non_null(at);
    at[8] = '9';
    assert_ok(file_write_atomic(path, text.s, text.n));
    assert_input_error(record_scan(&all, &n, dir), "was edited");
    *strchr(text.s, '}') = ' ';
    assert_ok(file_write_atomic(path, text.s, text.n / 2));
    assert_input_error(record_scan(&all, &n, dir), "record.json: line");
    assert_input_error(record_scan(&all, &n, "/nowhere"), "/nowhere");
    str_free(&text);
    free(path);
    free(other);
    test_rmdir(dir);
}

/* Every member of an object is in the list: what this program writes, it documents. */
static void assert_known(const json *object, const str *page, const char *where)
{
    for (const json *m = json_members(object); m; m = m->next) {
        char mark[64];
        snprintf(mark, sizeof mark, "\n| `%s` |", m->string);
        if (!strstr(page->s, mark)) fail_msg("%s: \"%s\" is not in core/record_fields.def", where, m->string);
        if (strcmp(m->string, "metrics") && strcmp(m->string, "gpu")) assert_known(m, page, where);
    }
}

static void records_of_every_age_are_read(void **state)
{
    (void)state;
    str page = { 0 };
    record_fields_print(&page);
    for (int i = 0; i < RECORDS; i++) {
        json *r = test_record(records[i].name);
        assert_int_equal(record_kind_of(r), records[i].kind);
        assert_string_equal(record_text(r, field_record_id, ""), records[i].id);
        assert_known(r, &page, records[i].name);
        json_free(r);
    }
    json  **all;
    int64_t n;
    assert_ok(record_scan(&all, &n, TEST_RECORDS));
    assert_int_equal(n, RECORDS); /* the list above holds them all */
    for (int64_t i = 0; i < n; i++) json_free(all[i]);
    free(all);
    str_free(&page);
}

/* A file's bytes are those that any version writes: members in the order they were set, numbers as
 * short as they read back. */
static void writing_gives_the_same_bytes(void **state)
{
    (void)state;
    char *dir = test_tmpdir(), *path = path_join(dir, "copy.json");
    for (int i = 0; i < RECORDS; i++) {
        str   was = { 0 }, is = { 0 };
        char  source[128];
        json *r = test_record(records[i].name);
        snprintf(source, sizeof source, TEST_RECORDS "/%s.json", records[i].name);
        assert_ok(record_write(r, path));
        assert_ok(file_read(source, 1 << 20, &was));
        assert_ok(file_read(path, 1 << 20, &is));
        assert_string_equal(is.s, was.s);
        json_free(r);
        str_free(&was);
        str_free(&is);
    }
    free(path);
    test_rmdir(dir);
}

/* --- the check */

static void refused(json *record, const char *path, const char *message)
{
    assert_ok(record_write(test_record_sign(record), path));
    json *again;
    assert_input_error(record_read(&again, path), message);
    assert_null(again);
    json_free(record);
}

static void members_are_checked_by_file_and_name(void **state)
{
    (void)state;
    char *dir = test_tmpdir(), *path = path_join(dir, "r.json");
    json *r = test_record("eval-fewshot");
    json_free(json_take(test_record_part(r, field_record_asked), "task"));
    refused(r, path, "r.json: asked: \"task\" is missing");
    r = test_record("eval-fewshot");
    json_free(json_take(test_record_part(test_record_part(r, field_record_asked), field_asked_adapter), "train"));
    refused(r, path, "r.json: asked: adapter: \"train\" is missing");
    r = test_record("eval-fewshot");
    test_record_set(test_record_part(r, field_record_result), field_result_n, json_of_number(1.5));
    refused(r, path, "r.json: result: \"n\": 1.5: must be a whole number, 0..");
    r            = test_record("eval-fewshot");
    json *metric = (json *)(uintptr_t)json_members(
        record_get(test_record_part(r, field_record_result), field_result_metrics));
    test_record_set(metric, field_metric_value, json_of_text("high"));
    refused(r, path, "r.json: result: metrics.exact_match: \"value\"");
    r = test_record("bench-floor");
    test_record_set(test_record_part(r, field_record_result), field_timing_base_ns, json_array());
    refused(r, path, "r.json: result: \"base_ns\": must be an array of numbers, one at least");
    r = test_record("train-bf16");
    test_record_set(test_record_part(r, field_record_where), field_where_dirty, json_null());
    refused(r, path, "r.json: where: \"dirty\"");

    /* What the list does not have is passed over, and so is a kind that it does not know. */
    r = test_record("bench-floor");
    json_set_str(test_record_part(r, field_record_result), "mood", "fine");
    assert_ok(record_write(r, path));
    json_free(r);
    assert_ok(record_read(&r, path));
    test_record_set(r, field_record_kind, json_of_text("peer"));
    test_record_set(r, field_record_where, json_object());
    assert_ok(record_write(r, path));
    json_free(r);
    assert_ok(record_read(&r, path));
    assert_int_equal(record_kind_of(r), RECORD_OTHER);
    json_free(r);
    free(path);
    test_rmdir(dir);
}

/* --- the documentation */

static void a_summary_is_flat(void **state)
{
    (void)state;
    static const record_field asked[] = { field_asked_task };
    json                     *record = test_record("eval-base"), *j = record_summary(record, asked, 1, "runs/a");
    const json               *result = record_get(record, field_record_result);
    assert_string_equal(json_text(json_find(j, "task")),
                        record_text(record_get(record, field_record_asked), asked[0], ""));
    assert_string_equal(json_text(json_find(j, "id")), record_text(record, field_record_id, ""));
    assert_string_equal(json_text(json_find(j, "out")), "runs/a");
    assert_int_equal(json_size(j), json_size(result) + 3);
    for (const json *m = json_members(result); m; m = m->next) assert_true(json_equal(m, json_find(j, m->string)));
    json_free(j);
    json_free(record);
}

static void the_page_in_the_repository_is_the_list(void **state)
{
    (void)state;
    str page = { 0 }, file = { 0 };
    record_fields_print(&page);
    assert_ok(file_read("core/RECORDS.md", 1 << 20, &file));
    if (strcmp(page.s, file.s)) fail_msg("core/RECORDS.md is another: build/tiebreak info --records >core/RECORDS.md");
    str_free(&page);
    str_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(id_depends_on_content_not_on_key_order),
        cmocka_unit_test(ids_stay_what_they_are),
        cmocka_unit_test(records_round_trip_and_edits_are_caught),
        cmocka_unit_test(records_of_every_age_are_read),
        cmocka_unit_test(writing_gives_the_same_bytes),
        cmocka_unit_test(members_are_checked_by_file_and_name),
        cmocka_unit_test(a_summary_is_flat),
        cmocka_unit_test(the_page_in_the_repository_is_the_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
