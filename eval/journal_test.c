#include "eval/journal.h"

#include "core/file.h"
#include "core/memory.h"
#include "core/str.h"
#include "core/test.h"

static const char cell[] = "0123456789abcdef";

static finished_item made(double a, double b, const char *sample)
{
    static double stats[2];
    stats[0] = a;
    stats[1] = b;
    return (finished_item) {
        .cut = 1, .prompt_tokens = 20, .completion_tokens = 3, .stats = stats, .sample = mem_strdup(sample)
    };
}

static void append(const char *path, const char *text)
{
    FILE *f = fopen(path, "ab");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void a_killed_run_finds_what_was_finished(void **state)
{
    (void)state;
    char   *dir = test_tmpdir(), *path = path_join(dir, "journal.jsonl");
    journal j;
    assert_ok(journal_open(&j, path, cell, "batch 0", 4, 2));
    assert_ok(journal_add(&j, 2, made(1 / 3., -0x1.fffffffffffffp+1000, "{\"id\":\"x\",\"sample\":\"ü \\\"\"}")));
    assert_ok(journal_add(&j, 0, made(0, 7, "{}")));
    journal_close(&j);
    append(path, "{\"item\":1,\"cut\":0,\"seen\":2,\"made\":0,\"stats\":[1,2],\"sam");

    assert_ok(journal_open(&j, path, cell, "batch 0", 4, 2));
    assert_true(j.items[0].finished && !j.items[1].finished && j.items[2].finished && !j.items[3].finished);
    assert_true(j.items[2].stats[0] == 1 / 3. && j.items[2].stats[1] == -0x1.fffffffffffffp+1000);
    assert_string_equal(j.items[2].sample, "{\"id\":\"x\",\"sample\":\"ü \\\"\"}");
    assert_int_equal(j.items[2].prompt_tokens, 20);
    /* The torn line is gone, and the file goes on after the last whole one. */
    assert_ok(journal_add(&j, 1, made(5, 6, "{\"n\":1}")));
    journal_close(&j);
    assert_ok(journal_open(&j, path, cell, "batch 0", 4, 2));
    assert_true(j.items[1].finished && j.items[1].stats[1] == 6);
    journal_close(&j);
    free(path);
    test_rmdir(dir);
}

static void another_cell_is_refused_another_plan_begins_anew(void **state)
{
    (void)state;
    char   *dir = test_tmpdir(), *path = path_join(dir, "journal.jsonl");
    journal j;
    assert_ok(journal_open(&j, path, cell, "batch 0", 4, 2));
    assert_ok(journal_add(&j, 3, made(1, 2, "{}")));
    journal_close(&j);
    assert_input_error(journal_open(&j, path, "fedcba9876543210", "batch 0", 4, 2), "another cell");
    journal_close(&j);
    assert_ok(journal_open(&j, path, cell, "batch 8", 4, 2));
    assert_false(j.items[3].finished);
    journal_close(&j);
    /* A first line cut short is begun anew; somebody else's file is not touched. */
    assert_int_equal(truncate(path, 20), 0);
    assert_ok(journal_open(&j, path, cell, "batch 8", 4, 2));
    journal_close(&j);
    assert_int_equal(truncate(path, 0), 0);
    append(path, "Dear diary\n");
    assert_input_error(journal_open(&j, path, cell, "batch 8", 4, 2), "not a journal");
    journal_close(&j);
    free(path);
    test_rmdir(dir);
}

static void damaged_lines_end_what_is_believed(void **state)
{
    static const char *const lines[] = { "nonsense\n",
                                         "{\"item\":9,\"cut\":0,\"seen\":0,\"made\":0,\"stats\":[1,2],\"sample\":{}}\n",
                                         "{\"item\":1,\"cut\":0,\"seen\":0,\"made\":0,\"stats\":[1],\"sample\":{}}\n",
                                         "{\"item\":1,\"stats\":[1,2],\"sample\":{}}\n", "\n" };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char   *dir = test_tmpdir(), *path = path_join(dir, "journal.jsonl");
        journal j;
        assert_ok(journal_open(&j, path, cell, "p", 4, 2));
        assert_ok(journal_add(&j, 0, made(1, 2, "{}")));
        journal_close(&j);
        append(path, lines[i]);
        append(path, "{\"item\":2,\"cut\":0,\"seen\":0,\"made\":0,\"stats\":[1,2],\"sample\":{}}\n");
        assert_ok(journal_open(&j, path, cell, "p", 4, 2));
        assert_true(j.items[0].finished && !j.items[1].finished && !j.items[2].finished);
        journal_close(&j);
        free(path);
        test_rmdir(dir);
    }
}

static void one_process_at_a_time(void **state)
{
    (void)state;
    char   *dir = test_tmpdir(), *path = path_join(dir, "journal.jsonl");
    journal a, b;
    assert_ok(journal_open(&a, path, cell, "p", 4, 2));
    assert_int_equal(journal_open(&b, path, cell, "p", 4, 2), ERR_FAILED);
    assert_non_null(strstr(error_text(), "another process"));
    journal_close(&b);
    journal_close(&a);
    assert_ok(journal_open(&a, path, cell, "p", 4, 2));
    journal_close(&a);
    free(path);
    test_rmdir(dir);
}

static void without_a_path_nothing_is_written(void **state)
{
    (void)state;
    journal j;
    assert_ok(journal_open(&j, NULL, NULL, "p", 2, 2));
    assert_ok(journal_add(&j, 1, made(1, 2, "{}")));
    assert_true(j.items[1].finished);
    journal_close(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_run_finds_what_was_finished),
        cmocka_unit_test(another_cell_is_refused_another_plan_begins_anew),
        cmocka_unit_test(damaged_lines_end_what_is_believed),
        cmocka_unit_test(one_process_at_a_time),
        cmocka_unit_test(without_a_path_nothing_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
