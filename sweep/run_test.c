/* What a sweep says of its cells. This program stands for tiebreak: called as `train` or `eval` it
 * ends as the method's name says. */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "core/file.h"
#include "core/test_record.h"
#include "sweep/run.h"

static const char *option_of(char **argv, const char *name)
{
    for (; *argv; argv++)
        if (!strcmp(*argv, name)) return argv[1];
    return "";
}

/* `eval` writes a record whose score is ten times the seed. */
static int child(char **argv)
{
    const char *method = option_of(argv, "--method"), *out = option_of(argv, "--out");
    if (!strcmp(method, "killed")) {
        signal(SIGXFSZ, SIG_DFL);
        raise(SIGXFSZ);
    }
    if (!strcmp(method, "slow")) pause();
    if (!strcmp(method, "busy")) return ERR_BUSY;
    if (!strcmp(method, "failed")) {
        puts("first words\nthe reason");
        return ERR_FAILED;
    }
    if (strcmp(argv[1], "eval") != 0) return OK;
    json       *r = test_record("eval-full"), *metrics = json_object(), *em = json_object();
    char       *path = path_join(out, "record.json");
    const char *seed = strstr(out, "/s");
    record_put_number(em, field_metric_value, 10 * strtod(seed + 2, NULL));
    record_put_number(em, field_metric_stderr, 1);
    record_put_text(em, field_metric_better, "higher");
    record_put_text(em, field_metric_signature, "em");
    json_set(metrics, "em", em);
    test_record_set(test_record_part(r, field_record_result), field_result_metrics, metrics);
    int rc = file_make_dirs(out) || record_write(r, path);
    json_free(r);
    free(path);
    return rc;
}

static grid_use use_of(const char *name)
{
    (void)name;
    return GRID_TRAIN;
}

static char *dir, *out;

static grid grid_of(const char *seeds, const char *methods)
{
    char *path = path_join(dir, "g.json");
    str   text = { 0 };
    grid  g;
    str_printf(
        &text,
        "{\"model\":\"b\",\"seeds\":%s,\"tasks\":[{\"task\":\"t\",\"train\":\"a\",\"test\":\"c\"}],\"methods\":[%s]}",
        seeds, methods);
    assert_ok(file_write_atomic(path, text.s, text.n));
    assert_ok(grid_read(&g, &(grid_request) { path, out, 0, 0, use_of, NULL }));
    str_free(&text);
    free(path);
    return g;
}

/* What `call` writes to the stream of this descriptor. */
static str caught(int fd, void (*call)(void *ctx), void *ctx)
{
    char *path = path_join(dir, "caught");
    int   keep = dup(fd), file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    str   text = { 0 };
    fflush(NULL);
    dup2(file, fd);
    call(ctx);
    fflush(NULL);
    dup2(keep, fd);
    close(keep);
    close(file);
    assert_ok(file_read(path, 1 << 20, &text));
    free(path);
    return text;
}

typedef struct {
    grid    g;
    shard   s;
    int     rc;
    int64_t done;
} sweeping;
static void run_it(void *ctx)
{
    sweeping *w = ctx;
    w->rc       = sweep_run(&w->g, w->s, out, &w->done);
}
static void print_it(void *ctx)
{
    sweeping *w = ctx;
    sweep_print_scores(&w->g, w->s, out);
}

static void a_cell_ends_as_it_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        int         rc;
        const char *words;
    } cases[] = { { "killed", ERR_FAILED, "t/killed/s1 failed: killed by signal 25 (File size limit exceeded)" },
                  { "failed", ERR_FAILED, "t/failed/s1 failed: the reason (log: " },
                  { "busy", ERR_BUSY, "t/busy/s1 is being worked on by another process" },
                  { "fine", OK, "" } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char method[64];
        snprintf(method, sizeof method, "{\"method\":\"%s\"}", cases[i].method);
        sweeping w    = { .g = grid_of("[1]", method), .s = { 0, 1 } };
        str      said = caught(2, run_it, &w);
        assert_int_equal(w.rc, cases[i].rc);
        assert_int_equal(w.done, cases[i].rc == OK);
        if (!strstr(str_c(&said), cases[i].words)) fail_msg("\"%s\" lacks \"%s\"", str_c(&said), cases[i].words);
        str_free(&said);
        grid_free(&w.g);
    }
}

/* One of three seeds fails: the table says 2 of 3, and +- is half of a 95 % interval: 10 and 20
 * have 12.706 * 7.07 / sqrt 2. The shard's cells alone stand in it, however many labels there
 * are. */
static void the_table_is_of_what_ran(void **state)
{
    (void)state;
    sweeping w = { .g = grid_of("[1,2,3]", "{\"method\":\"fine\"}"), .s = { 0, 1 } };
    char    *last;
    str      said = caught(2, run_it, &w), table, path = { 0 };
    str_free(&said);
    assert_int_equal(w.done, 3);
    str_printf(&path, "%s/t/fine/s3/eval/record.json", out);
    assert_int_equal(unlink(path.s), 0);
    table = caught(1, print_it, &w);
    if (!strstr(table.s, "15 +- 64 (2 of 3)\n")) fail_msg("%s", table.s);
    assert_non_null(strstr(table.s, "mean over seeds +- half of its 95 % interval"));
    str_free(&table);
    str_free(&path);
    grid_free(&w.g);

    str methods = { 0 };
    for (int i = 0; i < 300; i++)
        str_printf(&methods, "%s{\"method\":\"fine\",\"name\":\"label%03d\"}", i ? "," : "", i);
    w     = (sweeping) { .g = grid_of("[1]", methods.s), .s = { 299, 300 } };
    said  = caught(2, run_it, &w);
    table = caught(1, print_it, &w);
    last  = strstr(table.s, "label299");
    assert_non_null(last);
    assert_non_null(strstr(last, "10 (1)\n"));
    assert_null(strstr(table.s, "label298"));
    str_free(&said);
    str_free(&table);
    w.s   = (shard) { 0, 1 };
    table = caught(1, print_it, &w);
    for (int i = 0; i < 300; i++) {
        char label[32];
        snprintf(label, sizeof label, "label%03d ", i);
        if (!strstr(table.s, label)) fail_msg("%s is not in the table", label);
    }
    str_free(&table);
    str_free(&methods);
    grid_free(&w.g);
}

/* A sweep that is ended takes its child with it. */
static void no_child_outlives_its_sweep(void **state)
{
    (void)state;
    sweeping w     = { .g = grid_of("[1]", "{\"method\":\"slow\"}"), .s = { 0, 1 } };
    pid_t    sweep = fork(), child_pid = 0;
    char     list[64];
    if (!sweep) {
        run_it(&w);
        _exit(0);
    }
    snprintf(list, sizeof list, "/proc/%d/task/%d/children", (int)sweep, (int)sweep);
    for (int tries = 0; tries < 3000 && !child_pid; tries++) {
        FILE *f        = fopen(list, "r");
        char  line[32] = "";
        if (f && fgets(line, sizeof line, f)) child_pid = (pid_t)strtol(line, NULL, 10);
        if (f) fclose(f);
        usleep(10000);
    }
    if (!child_pid) {
        kill(sweep, SIGKILL);
        waitpid(sweep, NULL, 0);
        grid_free(&w.g);
        skip_because("this kernel does not list a process's children");
    }
    usleep(200000); /* until it has become this program again */
    assert_int_equal(kill(sweep, SIGTERM), 0);
    assert_int_equal(waitpid(sweep, NULL, 0), sweep);
    int tries = 0;
    while (!kill(child_pid, 0) && tries++ < 3000) usleep(10000);
    assert_true(tries < 3000);
    grid_free(&w.g);
}

static int set_up(void **state)
{
    (void)state;
    dir = test_tmpdir();
    out = path_join(dir, "out");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_rmdir(dir);
    free(out);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && (!strcmp(argv[1], "train") || !strcmp(argv[1], "eval"))) return child(argv);
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_cell_ends_as_it_is_told),
                                        cmocka_unit_test(the_table_is_of_what_ran),
                                        cmocka_unit_test(no_child_outlives_its_sweep) };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
