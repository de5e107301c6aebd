/* What a folder says of a cell: new, started, finished, another's. */
#include <fcntl.h>

#include "core/cell.h"
#include "core/file.h"
#include "core/test_record.h"

static json *config(double lr, const char *method)
{
    json *j = json_object(), *a = json_object();
    json_set_str(j, "task", "gsm8k");
    json_set_str(a, "method", method);
    json_set_num(a, "lr", lr);
    json_set(j, "adapter", a);
    return j;
}

static cell look(record_kind kind, const char *dir, json *asked)
{
    cell c;
    assert_ok(cell_look(&c, kind, dir, asked));
    return c;
}

static void refused(record_kind kind, const char *dir, json *asked, const char *part)
{
    cell c;
    assert_input_error(cell_look(&c, kind, dir, asked), part);
    cell_close(&c);
}

static int finish(cell *c) { return cell_finish(c, json_object(), "cpu", 1, NULL); }

static bool there(const char *dir, const char *name)
{
    char *path = path_join(dir, name);
    bool  yes  = file_exists(path);
    free(path);
    return yes;
}

static void put(const char *dir, const char *name)
{
    char *path = path_join(dir, name);
    assert_ok(file_make_dirs(dir));
    assert_ok(file_write_atomic(path, "x", 1));
    free(path);
}

static void life_of_a_cell(void **state)
{
    (void)state;
    static const char *const unfinished[] = {
        [RECORD_TRAIN] = "checkpoint.safetensors", [RECORD_EVAL] = "journal.jsonl"
    };
    for (record_kind kind = RECORD_TRAIN; kind <= RECORD_EVAL; kind++) {
        char *tmp = test_tmpdir(), *dir = path_join(tmp, "a/b");
        cell  c = look(kind, dir, config(1e-3, "lora"));
        assert_int_equal(c.state, CELL_NEW);
        assert_ok(cell_begin(&c));
        cell second = look(kind, dir, config(1e-3, "lora"));
        assert_int_equal(second.state, CELL_STARTED);
        error_clear();
        assert_int_equal(cell_begin(&second), ERR_BUSY);
        assert_non_null(strstr(error_text(), "another process is"));
        cell_close(&second);
        cell_close(&c);

        c = look(kind, dir, config(1e-3, "lora"));
        assert_int_equal(c.state, CELL_STARTED);
        assert_ok(cell_begin(&c));
        put(dir, unfinished[kind]);
        put(dir, "adapter.json.tmp.17");
        put(dir, "result.txt");
        assert_ok(finish(&c));
        assert_int_equal(c.state, CELL_FINISHED);
        assert_non_null(c.record);
        cell_close(&c);
        assert_true(there(dir, "record.json") && there(dir, "result.txt"));
        assert_false(there(dir, unfinished[kind]) || there(dir, "cell.json") || there(dir, "adapter.json.tmp.17"));
        free(dir);
        test_rmdir(tmp);
    }
}

static void another_cell_is_refused(void **state)
{
    (void)state;
    char *dir = test_tmpdir();
    cell  c   = look(RECORD_TRAIN, dir, config(1e-3, "lora"));
    assert_ok(cell_begin(&c));
    refused(RECORD_TRAIN, dir, config(2e-3, "vera"),
            "an unfinished run of another cell: adapter.method is \"lora\" there and \"vera\" here; adapter.lr is "
            "0.001 there and 0.002 here");
    cell_close(&c);
    test_rmdir(dir);
}

/* A finished cell is its record; another's is refused, and so is a record of another kind. */
static void a_finished_cell_is_its_record(void **state)
{
    (void)state;
    static const struct {
        record_kind kind;
        const char *name, *message;
    } cells[] = {
        { RECORD_TRAIN, "train-adalora",
          "the finished adapter of another cell: task is \"dialogsum\" there and \"squad\" here." },
        { RECORD_EVAL, "eval-base", "another finished cell: task is \"gsm8k\" there and \"squad\" here." },
    };
    for (int i = 0; i < 2; i++) {
        char *dir = test_tmpdir(), *path = path_join(dir, "record.json");
        json *r = test_record(cells[i].name), *asked = json_copy(record_get(r, field_record_asked));
        assert_ok(record_write(r, path));
        cell c = look(cells[i].kind, dir, json_copy(asked));
        assert_int_equal(c.state, CELL_FINISHED);
        assert_true(json_equal(c.record, r));
        cell_close(&c);
        refused(cells[1 - i].kind, dir, json_copy(asked), i ? "another kind (eval)" : "another kind (train)");
        test_record_set(asked, field_asked_task, json_of_text("squad"));
        refused(cells[i].kind, dir, asked, cells[i].message);
        json_free(r);
        free(path);
        test_rmdir(dir);
    }
}

static void foreign_files_are_refused(void **state)
{
    (void)state;
    char *dir = test_tmpdir(), *path = path_join(dir, "thesis.tex");
    put(dir, "thesis.tex");
    refused(RECORD_TRAIN, dir, config(1, "lora"), "not a training cell's (thesis.tex)");
    refused(RECORD_TRAIN, path, config(1, "lora"), "is a file");
    assert_true(file_exists(path));
    cell c = look(RECORD_EVAL, dir, config(1, "lora")); /* it overwrites nothing but samples */
    assert_int_equal(c.state, CELL_NEW);
    cell_close(&c);
    put(dir, "samples.jsonl");
    refused(RECORD_EVAL, dir, config(1, "lora"), "samples of an unknown run");
    put(dir, "journal.jsonl"); /* what is left of a run before folders had cell.json */
    c = look(RECORD_EVAL, dir, config(1, "lora"));
    assert_int_equal(c.state, CELL_NEW);
    cell_close(&c);
    free(path);
    test_rmdir(dir);
}

/* Cases share a folder, and a broken record does not stand in the way of a new one. */
static void bench_cases_share_a_folder(void **state)
{
    (void)state;
    char *dir = test_tmpdir(), name[32];
    cell  c   = look(RECORD_BENCH, dir, config(1, "lora"));
    assert_int_equal(c.state, CELL_NEW);
    assert_ok(cell_begin(&c));
    assert_ok(finish(&c));
    snprintf(name, sizeof name, "bench-%s.json", c.id);
    assert_true(there(dir, name));
    assert_false(there(dir, "cell.json"));
    cell_close(&c);
    put(dir, name);
    c = look(RECORD_BENCH, dir, config(1, "lora"));
    assert_int_equal(c.state, CELL_NEW);
    cell_close(&c);
    c = look(RECORD_BENCH, NULL, config(1, "lora")); /* a record that is written nowhere */
    assert_ok(cell_begin(&c));
    assert_ok(finish(&c));
    assert_non_null(c.record);
    cell_close(&c);
    test_rmdir(dir);
}

static void differences_are_counted(void **state)
{
    (void)state;
    str   text = { 0 };
    json *a = json_object(), *b = json_object();
    for (char c = 'a'; c < 'f'; c++) json_set_int(a, (char[]) { c, 0 }, c), json_set_int(b, (char[]) { c, 0 }, c + 1);
    json_set_int(a, "only", 1);
    cell_difference(a, b, &text);
    assert_string_equal(text.s,
                        "a is 97 there and 98 here; b is 98 there and 99 here; c is 99 there and 100 here; and 3 more");
    str_free(&text);
    json_free(a);
    json_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(life_of_a_cell),
                                        cmocka_unit_test(another_cell_is_refused),
                                        cmocka_unit_test(a_finished_cell_is_its_record),
                                        cmocka_unit_test(foreign_files_are_refused),
                                        cmocka_unit_test(bench_cases_share_a_folder),
                                        cmocka_unit_test(differences_are_counted) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
