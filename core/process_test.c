#include "core/process.h"

#include "core/file.h"
#include "core/test.h"

static void output_and_status_come_back(void **state)
{
    (void)state;
    static const struct {
        const char *command;
        int         status;
        const char *log;
    } cases[] = {
        { "echo said; echo complained >&2", 0, "said\ncomplained\n" },
        { "exit 3", 3, "" },
        { "kill -9 $$", 128 + 9, "" },
    };
    char *dir = test_tmpdir(), *log = path_join(dir, "log"), *nowhere = path_join(dir, "no/log");
    int   status;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        str   text = { 0 };
        char *copy = strdup(cases[i].command);
        assert_ok(
            process_run("sh", (char *[]) { (char[]) { "sh" }, (char[]) { "-c" }, copy, NULL }, NULL, log, &status));
        assert_ok(file_read(log, 1000, &text));
        assert_int_equal(status, cases[i].status);
        assert_string_equal(str_c(&text), cases[i].log);
        str_free(&text);
        free(copy);
    }
    char *const none[] = { (char[]) { "no-such-program" }, NULL };
    assert_ok(process_run(none[0], none, NULL, log, &status));
    assert_int_equal(status, 127);
    assert_int_equal(process_run("sh", none, NULL, nowhere, &status), ERR_FAILED);
    assert_non_null(strstr(error_text(), "cannot be written"));
    free(nowhere);
    free(log);
    test_rmdir(dir);
}

static void it_runs_as_it_is_told(void **state)
{
    char       *dir = test_tmpdir(), *log = path_join(dir, "log");
    str         text = { 0 }, want = { 0 };
    process_end end;
    const int   core   = process_last_core();
    char *const argv[] = { (char[]) { "sh" }, (char[]) { "-c" },
                           (char[]) { "pwd; echo $TIEBREAK_WORD; grep Cpus_allowed_list /proc/self/status; exit 5" },
                           NULL };
    assert_true(core >= 0);
    assert_ok(process_run_as(
        "sh", argv, log,
        &(process_options) { .dir = dir, .variable = "TIEBREAK_WORD", .value = "a b", .pinned = true, .core = core },
        &end));
    assert_ok(file_read(log, 1000, &text));
    str_printf(&want, "%s\na b\nCpus_allowed_list:\t%d\n", dir, core);
    assert_string_equal(str_c(&text), want.s);
    assert_int_equal(end.status, 5);
    assert_true(end.wall_s > 0 && end.cpu_s >= 0);
    assert_string_equal(process_end_text(5), "exit status 5");
    assert_string_equal(process_end_text(128 + 9), "killed by signal 9 (Killed)");
    assert_non_null(strstr(process_end_text(127), "not there"));
    assert_true(process_machine_busy_s() > 0);
    str_free(&text);
    str_free(&want);
    free(log);
    test_rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(output_and_status_come_back),
                                        cmocka_unit_test(it_runs_as_it_is_told) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
