#include "core/file.h"
#include "core/record.h"
#include "core/test.h"

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

static void records_round_trip_and_edits_are_caught(void **state)
{
    (void)state;
    char *dir = test_tmpdir(), *path = path_join(dir, "record.json"), *other = path_join(dir, "config.json");
    json *r = record_new("eval", asked_xy(false), json_object(), "cpu", 2);
    assert_ok(record_write(r, path));
    json_free(r);
    assert_ok(file_write_atomic(other, "{\"model_type\": \"llama\"}", 23));
    json  **all;
    int64_t n;
    assert_ok(record_scan(&all, &n, dir));
    assert_int_equal(n, 1); /* other JSON files are not records */
    assert_string_equal(json_find(all[0], "kind")->valuestring, "eval");
    json_free(all[0]);
    free(all);

    str text = { 0 };
    assert_ok(file_read(path, 1 << 20, &text));
    char *at = strstr(text.s, "0.25");
    assert_non_null(at);
    at[2] = '9';
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(id_depends_on_content_not_on_key_order),
        cmocka_unit_test(records_round_trip_and_edits_are_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
