/* What a folder says of a cell: new, begun, finished, another's. */
#include "core/file.h"
#include "core/record.h"
#include "core/test.h"
#include "train/folder.h"

static json *cell(double lr, const char *method)
{
    json *j = json_object(), *a = json_object();
    json_set_str(j, "task", "gsm8k");
    json_set_str(a, "method", method);
    json_set_num(a, "lr", lr);
    json_set(j, "adapter", a);
    return j;
}

static folder_state look(const char *dir, const json *asked, json **record)
{
    folder_state s;
    assert_ok(folder_look(&s, record, dir, asked));
    return s;
}

static void life_of_a_cell(void **state)
{
    (void)state;
    char *tmp = test_tmpdir(), *dir = path_join(tmp, "a/b"), *checkpoint = path_join(dir, "checkpoint.safetensors"),
         *cell_path = path_join(dir, "cell.json");
    json *asked     = cell(1e-3, "lora"), *record;
    assert_int_equal(look(dir, asked, &record), FOLDER_NEW);
    assert_ok(folder_begin(dir, asked));
    assert_int_equal(look(dir, asked, &record), FOLDER_STARTED);
    assert_null(record);
    int first, second;
    assert_ok(folder_lock(&first, dir));
    assert_int_equal(folder_lock(&second, dir), ERR_FAILED);
    close(first);
    close(second);
    assert_ok(folder_lock(&first, dir));
    close(first);
    assert_ok(file_write_atomic(checkpoint, "x", 1));

    json *done = record_new("train", cJSON_Duplicate(asked, true), json_object(), "cpu", 1);
    assert_ok(folder_finish(dir, done));
    assert_int_equal(look(dir, asked, &record), FOLDER_FINISHED);
    assert_true(cJSON_Compare(record, done, true));
    assert_false(file_exists(checkpoint));
    assert_false(file_exists(cell_path));
    json_free(done);
    json_free(record);
    json_free(asked);
    free(checkpoint);
    free(cell_path);
    free(dir);
    test_rmdir(tmp);
}

static void another_cell_is_refused(void **state)
{
    (void)state;
    char        *dir   = test_tmpdir();
    json        *asked = cell(1e-3, "lora"), *other = cell(2e-3, "vera"), *record;
    folder_state s;
    assert_ok(folder_begin(dir, asked));
    assert_input_error(
        folder_look(&s, &record, dir, other),
        "an unfinished run of another cell: adapter.method is \"lora\" there and \"vera\" here; adapter.lr is 0.001 there and 0.002 here");
    json *done = record_new("train", cJSON_Duplicate(asked, true), json_object(), "cpu", 1);
    assert_ok(folder_finish(dir, done));
    assert_input_error(folder_look(&s, &record, dir, other), "the finished adapter of another cell");
    json_free(done);
    done       = record_new("eval", cJSON_Duplicate(asked, true), json_object(), "cpu", 1);
    char *path = path_join(dir, "record.json");
    assert_ok(record_write(done, path));
    assert_input_error(folder_look(&s, &record, dir, asked), "another kind (eval)");
    json_free(done);
    json_free(asked);
    json_free(other);
    free(path);
    test_rmdir(dir);
}

static void foreign_files_are_refused(void **state)
{
    (void)state;
    char        *dir = test_tmpdir(), *path = path_join(dir, "thesis.tex");
    json        *asked = cell(1e-3, "lora"), *record;
    folder_state s;
    assert_ok(file_write_atomic(path, "x", 1));
    assert_input_error(folder_look(&s, &record, dir, asked), "not a training cell's (thesis.tex)");
    assert_input_error(folder_look(&s, &record, path, asked), "is a file");
    assert_true(file_exists(path));
    json_free(asked);
    free(path);
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
    const struct CMUnitTest tests[] = { cmocka_unit_test(life_of_a_cell), cmocka_unit_test(another_cell_is_refused),
                                        cmocka_unit_test(foreign_files_are_refused),
                                        cmocka_unit_test(differences_are_counted) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
