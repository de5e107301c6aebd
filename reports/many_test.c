/* As many tasks, machines, methods and labels as there are: none is left out without a word, and a
 * picture can still be read. */
#include "reports/plot_private.h"
#include "reports/report.h"
#include "reports/test_reports.h"

typedef struct {
    char *dir, *runs, *out;
    int   n;
} world;

static world begin(void)
{
    world w = { .dir = test_tmpdir() };
    w.runs = path_join(w.dir, "runs"), w.out = path_join(w.dir, "out");
    assert_ok(file_make_dirs(w.runs));
    return w;
}

static str read_out(const world *w, const char *name)
{
    char *path = path_join(w->out, name);
    str   text = { 0 };
    assert_ok(file_read(path, 64u << 20, &text));
    free(path);
    return text;
}

static void end(world *w)
{
    test_rmdir(w->dir);
    free(w->runs);
    free(w->out);
}

static void need_gnuplot(void)
{
    if (system("command -v gnuplot >/dev/null 2>&1")) skip_because("gnuplot is not on this machine");
}

static int count(const char *text, const char *part)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, part)); at++) n++;
    return n;
}

/* 40 tasks are 40 columns and 40 pictures; 70 machines are 70 rows. */
static void tasks_and_machines(void **state)
{
    (void)state;
    need_gnuplot();
    world         w = begin();
    report_counts c;
    for (int i = 0; i < 70; i++) {
        char task[32], cpu[32];
        snprintf(task, sizeof task, "task%02d", i % 40);
        snprintf(cpu, sizeof cpu, "cpu%02d", i);
        json *r = eval_record("lora", 8, i / 40, i, 24576, task);
        test_record_set(test_record_part(r, field_record_where), field_where_cpu, text(cpu));
        put(w.runs, &w.n, r);
    }
    assert_ok(report_write(w.runs, w.out, NULL, &c));
    assert_int_equal(c.plots, 40);
    str summary = read_out(&w, "summary.csv"), machines = read_out(&w, "machines.csv");
    *strchr(summary.s, '\n') = 0;
    assert_int_equal(count(summary.s, ", em, 0..100"), 40);
    assert_int_equal(count(machines.s, "\n"), 71);
    str_free(&summary);
    str_free(&machines);
    end(&w);
}

/* 70 methods: each curve's colour and marker are its own, what is not drawn is said, and all stand
 * in the table. A name as long as a method's spec is cut in the legend. */
static void methods(void **state)
{
    (void)state;
    need_gnuplot();
    static const char spec[] = "A=tied:train:xavier,u=layer:train:ones,B=layer:train:zero,v=layer:train:ones,s=1";
    world             w      = begin();
    report_counts     c;
    for (int i = 0; i < 70; i++) {
        char name[32];
        snprintf(name, sizeof name, "method%02d", i);
        put(w.runs, &w.n, eval_record(i == 1 ? spec : name, 8, 1, 20 + i, 1000 * (i + 1), "squad"));
    }
    assert_ok(report_write(w.runs, w.out, NULL, &c));
    str page = read_out(&w, "index.html"), rows = read_out(&w, "quality.csv"),
        script = read_out(&w, "plots/quality-base-squad.gp");
    assert_non_null(strstr(page.s, "22 more points, of other methods than the 48 drawn, stand in the table"));
    assert_int_equal(count(rows.s, "\n"), 71);
    assert_non_null(strstr(rows.s, spec));
    assert_null(strstr(script.s, spec));
    assert_non_null(strstr(script.s, "title 'A=tied:train:xavier,u=la... (2)'"));
    for (int i = 0; i < PLOT_CURVES; i++)
        for (int k = 0; k < i; k++)
            assert_true(strcmp(plot_color(i), plot_color(k)) || plot_marker(i) != plot_marker(k));
    str_free(&page);
    str_free(&rows);
    str_free(&script);
    end(&w);
}

/* A task's name of 230 bytes names a file; two that are cut alike are two files; where no point can
 * stand on the axis the reason stands in the picture's place. */
static void names_and_numbers_that_no_picture_takes(void **state)
{
    (void)state;
    need_gnuplot();
    char          name[231];
    world         w = begin();
    report_counts c;
    memset(name, 't', sizeof name - 1), name[sizeof name - 1] = 0;
    put(w.runs, &w.n, eval_record("lora", 8, 1, 20, 1000, name));
    name[229] = 'u';
    put(w.runs, &w.n, eval_record("lora", 8, 1, 20, 1000, name));
    put(w.runs, &w.n, eval_record("lora", 8, 1, 38.5, 0, "squad"));
    assert_ok(report_write(w.runs, w.out, NULL, &c));
    assert_int_equal(c.plots, 2);
    str page = read_out(&w, "index.html");
    assert_int_equal(count(page.s, "<svg"), 2);
    assert_int_equal(count(page.s, "No picture: no point has a number of trained parameters above 0"), 1);
    assert_non_null(strstr(page.s, ">38.5 (1)<"));
    str_free(&page);
    end(&w);
}

/* Records made by `eval --metrics f1` beside plain ones: a column and a picture a metric. */
static void metrics_asked_for(void **state)
{
    (void)state;
    need_gnuplot();
    world         w = begin();
    report_counts c;
    for (int i = 0; i < 2; i++) {
        json *r       = eval_record(i ? "vera" : "lora", 8, 1, 20 + i, 1000 + i, "squad"),
             *metrics = test_record_part(test_record_part(r, field_record_result), field_result_metrics),
             *f1      = json_object();
        record_put_number(f1, field_metric_value, 30 + i);
        record_put_number(f1, field_metric_stderr, 1);
        record_put_text(f1, field_metric_better, "higher");
        record_put_text(f1, field_metric_signature, "squad-f1|rules:v1.1");
        json_set(metrics, "f1", f1);
        if (i) {
            json_free(json_take(metrics, "em"));
            test_record_set(test_record_part(r, field_record_asked), field_asked_metrics, text("f1"));
        }
        put(w.runs, &w.n, test_record_sign(r));
    }
    assert_ok(report_write(w.runs, w.out, NULL, &c));
    assert_int_equal(c.plots, 2);
    str summary = read_out(&w, "summary.csv");
    assert_non_null(strstr(summary.s, "\"squad, em, 0..100\",\"squad, f1, 0..100\"\n"));
    assert_non_null(strstr(summary.s, "lora,8,qkv,1000,1000,20 (1),30 (1)\n"));
    assert_non_null(strstr(summary.s, "vera,8,qkv,1001,1001,-,31 (1)\n"));
    str_free(&summary);
    end(&w);
}

/* Bench cases of two machines: a row and a picture each. */
static void machines_of_bench_cases(void **state)
{
    (void)state;
    need_gnuplot();
    world         w = begin();
    report_counts c;
    for (int m = 0; m < 2; m++)
        for (int rank = 2; rank <= 8; rank *= 2) {
            json *r = bench_record("lora", false, rank, 0.1 + m);
            test_record_set(test_record_part(r, field_record_where), field_where_cpu, text(m ? "EPYC" : "M9"));
            put(w.runs, &w.n, json_copy(r));
            put(w.runs, &w.n, r); /* a copy counts once */
        }
    assert_ok(report_write(w.runs, w.out, NULL, &c));
    assert_int_equal(c.plots, 2);
    str rows = read_out(&w, "overhead.csv"), page = read_out(&w, "report.md");
    assert_int_equal(count(rows.s, "\nEPYC,"), 3);
    assert_int_equal(count(rows.s, "\nM9,"), 3);
    assert_non_null(strstr(page.s, "6 bench records stand there more than once and count once"));
    str_free(&rows);
    str_free(&page);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(tasks_and_machines), cmocka_unit_test(methods),
                                        cmocka_unit_test(names_and_numbers_that_no_picture_takes),
                                        cmocka_unit_test(metrics_asked_for),
                                        cmocka_unit_test(machines_of_bench_cases) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
