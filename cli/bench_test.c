/* `tiebreak bench`: which cases a filter names, and that --json is whole whatever becomes of a
 * case. */
#include <sys/resource.h>
#include <sys/wait.h>

#include "bench/case.h"
#include "cli/test_verb.h"
#include "core/record.h"

static char *dir;

static int set_up(void **state)
{
    (void)state;
    dir = test_tmpdir();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_rmdir(dir);
    return 0;
}

static json *bench(int *rc, const char *format, ...) __attribute__((format(printf, 2, 3)));
static json *bench(int *rc, const char *format, ...)
{
    char    words[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    error_clear();
    return test_verb_json(&verb_bench, words, rc);
}

static int size_of(const json *j, const char *key) { return json_size(json_find(j, key)); }

/* Every name that --list prints names its case alone, a + in it or not. */
static void a_name_matches_itself(void **state)
{
    (void)state;
    int   rc;
    json *all = bench(&rc, "--list --json --filter shape=mini");
    assert_int_equal(rc, OK);
    assert_true(size_of(all, "cases") > 50);
    int i = 0;
    for (const json *name = json_items(json_find(all, "cases")); name; name = name->next, i++) {
        if (i % 7 != 0) continue;
        json *one = bench(&rc, "--list --json --filter %s", json_text(name));
        assert_int_equal(rc, OK);
        assert_int_equal(size_of(one, "cases"), 1);
        assert_string_equal(json_text(json_at(json_find(one, "cases"), 0)), json_text(name));
        json_free(one);
    }
    json_free(all);
    assert_null(bench(&rc, "--list --filter fwd+bwd/none"));
    assert_int_equal(rc, ERR_INPUT);
    assert_non_null(strstr(error_text(), "the + in it is an operator"));
}

#define CASES "^decode/lora/r=(2|8)/shape=mini/site=qkv/tokens=8/device=cpu/dtype=f32$ --min-time-s 0 --json"

/* What stands is taken over into the JSON; what another machine or build wrote is refused, and
 * stays as it is. */
static void resumed_records_are_of_this_machine(void **state)
{
    (void)state;
    int   rc;
    json *first = bench(&rc, "--out %s/r --filter " CASES, dir);
    assert_int_equal(rc, OK);
    assert_int_equal(size_of(first, "records"), 2);
    json *again = bench(&rc, "--resume --out %s/r --filter " CASES, dir);
    assert_int_equal(rc, OK);
    assert_true(json_number(json_find(again, "resumed")) == 2);
    assert_true(json_equal(json_find(first, "records"), json_find(again, "records")));
    json_free(again);

    char        path[512], name[64];
    str         before = { 0 }, after = { 0 };
    json       *other = json_copy(json_at(json_find(first, "records"), 0));
    const char *id    = json_text(json_find(other, "id"));
    snprintf(name, sizeof name, "bench-%s.json", id);
    snprintf(path, sizeof path, "%s/r/%s", dir, name);
    json_replace((json *)(uintptr_t)json_find(other, "where"), "cpu", json_of_text("another"));
    assert_ok(record_write(other, path));
    assert_ok(file_read(path, 1 << 20, &before));
    again = bench(&rc, "--resume --out %s/r --filter " CASES, dir);
    assert_int_equal(rc, ERR_INPUT);
    assert_non_null(strstr(error_text(), "of another machine or build (cpu is \"another\" there"));
    assert_ok(file_read(path, 1 << 20, &after));
    assert_string_equal(before.s, after.s);
    json_free(again);
    json_free(other);
    json_free(first);
    str_free(&before);
    str_free(&after);
}

static int with_again(const json *j)
{
    int n = 0;
    for (const json *r = json_items(json_find(j, "records")); r; r = r->next)
        n += record_get(record_get(r, field_record_result), field_timing_again) != NULL;
    return n;
}

/* The faster of two variants is measured again, once, and its record on disk says so; one alone was
 * not chosen among others. */
static void the_fastest_variant_is_measured_again(void **state)
{
    (void)state;
    static const char two[] =
        "--device cuda-emulated --min-time-s 0 --json --filter "
        "^decode/lora/r=8/shape=mini/site=qkv/tokens=8/.*/mode=hot/variant=(base-first|merged|graph)$";
    static const char one[] = "--device cuda-emulated --min-time-s 0 --json --filter "
                              "^decode/lora/r=8/shape=mini/site=qkv/tokens=8/.*/mode=hot/variant=(base-first|merged)$";
    int               rc;
    if (!backend_find("cuda-emulated")) skip_because("%s", error_text());
    json *alone = bench(&rc, "%s", one);
    assert_int_equal(rc, OK);
    assert_int_equal(with_again(alone), 0); /* merged weights serve one adapter */
    json_free(alone);
    json *first = bench(&rc, "--out %s/again %s", dir, two);
    assert_int_equal(rc, OK);
    assert_int_equal(size_of(first, "records"), 3);
    assert_int_equal(with_again(first), 1);
    json *resumed = bench(&rc, "--resume --out %s/again %s", dir, two);
    assert_int_equal(rc, OK);
    assert_true(json_number(json_find(resumed, "resumed")) == 3);
    assert_int_equal(with_again(resumed), 1);
    for (const json *a = json_items(json_find(first, "records")), *b = json_items(json_find(resumed, "records")); a;
         a = a->next, b = b->next)
        assert_true(json_equal(record_get(a, field_record_result), record_get(b, field_record_result)));
    json_free(first);
    json_free(resumed);
}

/* Records that were written before a sample had calls and an empty interval. */
static void older_records_are_read(void **state)
{
    (void)state;
    json  **records;
    int64_t n, older = 0;
    assert_ok(record_scan(&records, &n, "reports/measured/mini/bench"));
    for (int64_t i = 0; i < n; i++) {
        const json *result = record_get(records[i], field_record_result);
        older += !record_get(result, field_timing_calls) && record_number(result, field_timing_overhead) > -1;
        json_free(records[i]);
    }
    free(records);
    assert_true(older > 0);
}

/* Runs bench in a process of its own, with what it prints in a file. */
static pid_t start(const char *words, const char *file, rlim_t memory)
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child) return child;
    char  copy[1024], *argv[TEST_VERB_ARGS] = { 0 };
    int   argc = 0;
    FILE *out = freopen(file, "w", stdout), *quiet = freopen("/dev/null", "w", stderr);
    snprintf(copy, sizeof copy, "bench %s", words);
    for (char *w = strtok(copy, " "); w; w = strtok(NULL, " ")) argv[argc++] = w;
    if (memory) setrlimit(RLIMIT_AS, &(struct rlimit) { memory, memory });
    int rc = out && quiet ? verb_bench.run(argc, argv) : 99;
    fflush(stdout);
    _exit(rc);
}

/* What a run that ended with this status has printed. */
static json *ended(pid_t child, const char *file, int wanted)
{
    int   status;
    str   text = { 0 };
    json *j;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), wanted);
    assert_ok(file_read(file, 16u << 20, &text));
    assert_ok(json_parse(&j, str_c(&text), text.n, "stdout"));
    str_free(&text);
    return j;
}

static json *finished(pid_t child, const char *file) { return ended(child, file, ERR_FAILED); }

/* A kernel loses the device in the second of three cases: the first is measured, the second is
 * named, also in the file of --current, and the third is not begun. The fault is the emulator's. */
static void a_lost_device_ends_the_run(void **state)
{
    (void)state;
    char words[1024], file[512], current[512];
    str  name = { 0 };
    snprintf(file, sizeof file, "%s/lost", dir);
    snprintf(current, sizeof current, "%s/current", dir);
    snprintf(words, sizeof words,
             "--device cuda-emulated --dtype bf16 --min-time-s 0 --json --current %s "
             "--filter ^decode/lora/r=8/shape=mini/site=qkv/tokens=8/.*/mode=hot/variant=(base-first|decode|graph)$",
             current);
    setenv("TIEBREAK_EMULATE_FAULT", "lost:decode_shrink_kernel", 1);
    json *j = ended(start(words, file, 0), file, ERR_DEVICE);
    unsetenv("TIEBREAK_EMULATE_FAULT");
    assert_true(json_number(json_find(j, "cases")) == 3);
    assert_int_equal(size_of(j, "records") + size_of(j, "failed"), 2);
    assert_int_equal(size_of(j, "failed"), 1);
    const char *failed = json_text(json_find(json_at(json_find(j, "failed"), 0), "case"));
    assert_non_null(strstr(failed, "variant=decode"));
    assert_ok(file_read(current, 1024, &name));
    assert_string_equal(str_c(&name), failed);
    str_free(&name);
    json_free(j);
}

/* Interrupted once the first record lies there: what was measured is printed. */
static void an_interrupt_keeps_what_was_measured(void **state)
{
    (void)state;
    char words[1024], file[512], out[512];
    snprintf(file, sizeof file, "%s/interrupted", dir);
    snprintf(out, sizeof out, "%s/i", dir);
    snprintf(words, sizeof words, "--out %s --filter shape=mini --min-time-s 0.3 --json", out);
    pid_t   child = start(words, file, 0);
    json  **records;
    int64_t n = 0;
    for (int tries = 0; n == 0 && tries < 6000; tries++) {
        usleep(10000);
        if (!file_is_dir(out)) continue;
        assert_ok(record_scan(&records, &n, out));
        for (int64_t i = 0; i < n; i++) json_free(records[i]);
        free(records);
    }
    assert_true(n > 0);
    kill(child, SIGINT);
    json *j = finished(child, file);
    assert_true(json_is_true(json_find(j, "interrupted")));
    assert_true(size_of(j, "records") >= n && size_of(j, "records") < json_number(json_find(j, "cases")));
    assert_int_equal(size_of(j, "failed"), 0);
    json_free(j);
}

/* A case too large for the memory there is: it is named, and those before it are printed. */
static void want_of_memory_keeps_what_was_measured(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip_because("a limit on addresses leaves none to the sanitizer; scripts/test runs this without it");
#endif
    char file[512];
    snprintf(file, sizeof file, "%s/memory", dir);
    json *j = finished(start("--filter ^decode/lora/r=2/shape=(mini|llama2-7b)/site=qkv/tokens=8/device=cpu/dtype=f32$ "
                             "--min-time-s 0 --threads 1 --json",
                             file, 300u << 20),
                       file);
    assert_int_equal(size_of(j, "records"), 1);
    assert_int_equal(size_of(j, "failed"), 1);
    const json *failed = json_at(json_find(j, "failed"), 0);
    assert_non_null(strstr(json_text(json_find(failed, "case")), "shape=llama2-7b"));
    assert_string_equal(json_text(json_find(failed, "error")), "out of memory");
    json_free(j);
}

int main(void)
{
    /* Those that fork come first: OpenMP's threads do not survive in a child. */
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_lost_device_ends_the_run),
                                        cmocka_unit_test(an_interrupt_keeps_what_was_measured),
                                        cmocka_unit_test(want_of_memory_keeps_what_was_measured),
                                        cmocka_unit_test(a_name_matches_itself),
                                        cmocka_unit_test(the_fastest_variant_is_measured_again),
                                        cmocka_unit_test(older_records_are_read),
                                        cmocka_unit_test(resumed_records_are_of_this_machine) };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
