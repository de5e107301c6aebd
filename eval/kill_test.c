/* A cell that is killed (kill -9) ten times at random moments, and gone on with, ends with the same
 * bytes as one that was left alone. */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "core/progress.h"
#include "core/rng.h"
#include "eval/cell.h"
#include "metrics/test_lines.h"

static const char *const self = "/proc/self/exe";

/* The child process runs one cell. */
static int run_cell(char **args)
{
    json        *record;
    eval_request q  = { .model   = args[0],
                        .task    = args[1],
                        .prompt  = "lm-eval",
                        .data    = args[2],
                        .out     = args[3],
                        .limit   = strtoll(args[4], NULL, 10),
                        .batch   = 2,
                        .threads = 1,
                        .quiet   = true };
    int          rc = eval_run(&q, &record);
    if (rc) fprintf(stderr, "%s\n", error_text());
    json_free(record);
    return rc;
}

typedef struct {
    const char *task, *data;
    const char *limit;
} workload;

static pid_t start(const char *base, workload w, const char *out)
{
    pid_t child = fork();
    if (child) return child;
    execl(self, "kill_test", "--cell", base, w.task, w.data, out, w.limit, (char *)NULL);
    _exit(127);
}

static int finish(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0) continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void sleep_s(double s)
{
    struct timespec t = { (time_t)s, (long)((s - (double)(time_t)s) * 1e9) };
    nanosleep(&t, NULL);
}

static str read_whole(const char *dir, const char *name)
{
    str   text = { 0 };
    char *path = path_join(dir, name);
    assert_ok(file_read(path, 64 << 20, &text));
    free(path);
    return text;
}

/* The result without what depends on the clock and the machine. */
static json *scores_of(const char *dir)
{
    static const char *const measured[] = { "wall_s", "tokens_per_s", "peak_bytes" };
    json                    *record;
    char                    *path = path_join(dir, "record.json");
    assert_ok(json_read_file(&record, path, 1 << 20));
    json *result = cJSON_Duplicate(at(record, "result"), true);
    for (size_t i = 0; i < sizeof measured / sizeof *measured; i++)
        cJSON_DeleteItemFromObjectCaseSensitive(result, measured[i]);
    json_free(record);
    free(path);
    return result;
}

static void assert_same_end(const char *a, const char *b)
{
    str   x = read_whole(a, "samples.jsonl"), y = read_whole(b, "samples.jsonl");
    json *p = scores_of(a), *q = scores_of(b);
    char *log = path_join(b, "journal.jsonl");
    assert_true(x.n == y.n && !memcmp(x.s, y.s, x.n));
    assert_true(cJSON_Compare(p, q, true));
    assert_false(file_exists(log));
    str_free(&x);
    str_free(&y);
    json_free(p);
    json_free(q);
    free(log);
}

/* Makes ten kills that hit a running cell (fewer under a sanitizer); a run that was done before its
 * kill is checked and begun again. The machine's pace decides where the kills fall, and must not
 * change what comes out. */
static void check_kills(const char *base, workload w, uint64_t seed)
{
    char  *dir = test_tmpdir(), *alone = path_join(dir, "alone"), *killed = path_join(dir, "killed"), again[1024];
    rng    r       = rng_seed(seed);
    double started = clock_s();
    int    hits = 0, ends = 0, midway = 0;
    assert_int_equal(finish(start(base, w, alone)), OK);
    double whole = clock_s() - started;
    snprintf(again, sizeof again, "rm -rf '%s'", killed);
    while (hits < test_part(10)) {
        char *log   = path_join(killed, "journal.jsonl");
        pid_t child = start(base, w, killed);
        sleep_s(0.5 * whole * rng_uniform(&r));
        kill(child, SIGKILL);
        int rc = finish(child);
        if (rc == OK) {
            assert_same_end(alone, killed);
            assert_int_equal(system(again), 0);
            ends++;
        } else {
            assert_int_equal(rc, -SIGKILL);
            hits++;
            midway += file_exists(log);
        }
        free(log);
    }
    assert_int_equal(finish(start(base, w, killed)), OK);
    assert_same_end(alone, killed);
    print_message("%s: seed %llu: %d kills, %d of them midway, %d runs ended before theirs\n", w.task,
                  (unsigned long long)seed, hits, midway, ends);
    free(alone);
    free(killed);
    test_rmdir(dir);
}

static void killed_runs_end_with_the_same_bytes(void **state)
{
    (void)state;
    need_data(base, "models/stories260K-hf");
    need_data(questions, "lm-eval-reference/data/gsm8k.docs.jsonl");
    need_data(choices, "lm-eval-reference/data/hellaswag.docs.jsonl");
    check_kills(base, (workload) { "gsm8k", questions, "20" }, 1);
    check_kills(base, (workload) { "hellaswag", choices, "48" }, 2);
}

int main(int argc, char **argv)
{
    if (argc == 7 && !strcmp(argv[1], "--cell")) return run_cell(argv + 2);
    const struct CMUnitTest tests[] = { cmocka_unit_test(killed_runs_end_with_the_same_bytes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
