#include "reports/limit.h"
#include "reports/peers.h"
#include "reports/quality.h"
#include "reports/report.h"
#include "reports/reproduce.h"
#include "reports/test_reports.h"

static void seeds_become_one_point_with_students_interval(void **state)
{
    (void)state;
    static const double v[] = { 60, 62, 64 };
    json               *r[4];
    for (int i = 0; i < 3; i++) r[i] = eval_record("lora", 8, i, v[i], 1000, "squad");
    r[3] = eval_record(NULL, 0, 0, 10, 0, "squad");
    quality q;
    quality_from_records(&q, r, 4);
    assert_int_equal(q.n, 2);
    assert_string_equal(q.points[0].method, "base");
    /* one run has no interval over seeds, and is ranked by that of its items */
    assert_true(isnan(q.points[0].half));
    assert_within(fabs(quality_half(&q.points[0]) - 1.959963984540054 * 1.5), 1e-12);
    assert_int_equal(q.points[1].n_runs, 3);
    assert_within(fabs(q.points[1].mean - 62), 1e-12);
    assert_within(fabs(q.points[1].half - 4.303 * 2 / sqrt(3.0)), 1e-12);
    /* The two sources of variance, in columns of their own. */
    assert_within(fabs(q.points[1].seed_sd - 2), 1e-12);
    assert_within(fabs(q.points[1].item_error - 1.5), 1e-12);
    assert_true(isnan(q.points[0].seed_sd));
    table t;
    str   csv = { 0 };
    quality_table(&q, &t);
    table_csv(&t, &csv);
    assert_non_null(strstr(csv.s, "score,95 % half-width over seeds,item stderr,seed sd,seeds,"));
    assert_non_null(strstr(csv.s, ",62,4.968676")); /* in full */
    assert_non_null(strstr(csv.s, ",1.5,2,3,"));
    assert_non_null(strstr(csv.s, ",10,,1.5,,1,"));
    str_free(&csv);
    table_free(&t);
    quality_free(&q);
    for (int i = 0; i < 4; i++) json_free(r[i]);
}

static void front_never_ranks_what_intervals_cannot_separate(void **state)
{
    (void)state;
    json   *r[] = { eval_record("lora", 8, 0, 80.0, 1000, "squad"), eval_record("vera", 8, 0, 79.0, 2000, "squad"),
                    eval_record("tied-lora", 8, 0, 60.0, 3000, "squad"),
                    eval_record("adalora", 8, 0, 10.0, 500, "squad") };
    quality q;
    quality_from_records(&q, r, 4);
    assert_string_equal(q.points[0].method, "adalora");
    assert_true(q.points[0].on_front);  /* the cheapest */
    assert_true(q.points[1].on_front);  /* the best */
    assert_true(q.points[2].on_front);  /* worse by 1 with half-widths of 2.9: not separated */
    assert_false(q.points[3].on_front); /* dearer and separably worse */
    assert_false(quality_separated(&q.points[1], &q.points[2]));
    q.points[2].item_half = NAN;
    assert_false(quality_separated(&q.points[1], &q.points[2]));
    quality_free(&q);
    for (int i = 0; i < 4; i++) json_free(r[i]);
}

static void reruns_agree_unless_seeds_cannot_explain_the_gap(void **state)
{
    (void)state;
    static const double seeds[] = { 60, 62, 64 };
    json               *old[8], *fresh[3];
    for (int i = 0; i < 3; i++) old[i] = eval_record("lora", 8, i, seeds[i], 1000, "squad");
    for (int i = 0; i < 3; i++) old[3 + i] = eval_record("vera", 8, i, 30 + 0.1 * i, 500, "squad");
    old[6]   = eval_record(NULL, 0, 0, 10, 0, "squad");
    fresh[0] = eval_record("lora", 8, 7, 58, 1000, "squad"); /* 4 below the mean: t = -1.73, df 2 */
    fresh[1] = eval_record("vera", 8, 7, 25, 500, "squad");  /* 5.1 below with sd 0.1 */
    fresh[2] = eval_record(NULL, 0, 0, 10, 0, "squad");
    quality      a, b;
    reproduction r;
    quality_from_records(&a, old, 7);
    quality_from_records(&b, fresh, 3);
    reproduce(&r, &b, &a);
    assert_int_equal(r.n, 3);
    assert_int_equal(r.differ, 1);
    for (size_t i = 0; i < r.n; i++) {
        if (!strcmp(r.cells[i].here->method, "lora"))
            assert_within(fabs(r.cells[i].p - stats_t_pvalue(4 / (2 * sqrt(4.0 / 3)), 2)), 1e-12);
        if (!strcmp(r.cells[i].here->method, "base")) assert_within(fabs(r.cells[i].p - 1), 0);
        assert_true((r.cells[i].adjusted < 0.05) == !strcmp(r.cells[i].here->method, "vera"));
    }
    reproduction_free(&r);
    quality_free(&a);
    quality_free(&b);
    for (int i = 0; i < 7; i++) json_free(old[i]);
    for (int i = 0; i < 3; i++) json_free(fresh[i]);
}

static void tables_escape_what_their_format_needs(void **state)
{
    (void)state;
    table t;
    str   plain = { 0 }, md = { 0 }, csv = { 0 }, html = { 0 };
    table_init(&t, "x", "T", NULL, "a|b#");
    table_row(&t);
    table_cells(&t, "%s<%d>|%s", "p|q", 1, "1,\"2\"");
    table_plain(&t, &plain);
    table_markdown(&t, &md);
    table_csv(&t, &csv);
    table_html(&t, &html);
    assert_string_equal(plain.s, "a           b\np|q<1>  1,\"2\"\n");
    assert_non_null(strstr(md.s, "| a | b |\n|---|---:|\n| p\\|q\\<1\\> | 1,\"2\" |"));
    assert_string_equal(csv.s, "a,b\np|q<1>,\"1,\"\"2\"\"\"\n");
    assert_non_null(strstr(html.s, "<td>p|q&lt;1&gt;</td><td class=\"n\">1,&quot;2&quot;</td>"));
    str_free(&plain);
    str_free(&md);
    str_free(&csv);
    str_free(&html);
    table_free(&t);
}

/* --- a row is what it says: of the field's cases each stands for one way to hide a difference */

static json *with_asked(json *r, record_field f, json *value)
{
    test_record_set(test_record_part(r, field_record_asked), f, value);
    return test_record_sign(r);
}

static json *with_adapter(json *r, record_field f, json *value)
{
    test_record_set(test_record_part(test_record_part(r, field_record_asked), field_asked_adapter), f, value);
    return test_record_sign(r);
}

/* The summary of n records as CSV; frees the records. Caller frees the text. */
static str summary_of(json **r, int n, quality *q)
{
    table t;
    str   csv = { 0 };
    quality_from_records(q, r, n);
    quality_summary(q, &t);
    table_csv(&t, &csv);
    table_free(&t);
    return csv;
}

static void check_summary(json **r, int n, const char *const *want)
{
    quality q;
    str     csv = summary_of(r, n, &q);
    for (; *want; want++)
        if (!strstr(csv.s, *want)) fail_msg("\"%s\" is not in\n%s", *want, csv.s);
    str_free(&csv);
    quality_free(&q);
    for (int i = 0; i < n; i++) json_free(r[i]);
}
#define SUMMARY(r, ...) check_summary(r, sizeof(r) / sizeof *(r), (const char *const[]) { __VA_ARGS__, NULL })

static void what_differs_makes_another_row(void **state)
{
    (void)state;
    json *rates[] = { with_adapter(lora(1, 13), field_adapter_lr, number(0.001)),
                      with_adapter(lora(1, 39), field_adapter_lr, number(0.01)),
                      with_adapter(lora(2, 41), field_adapter_lr, number(0.01)) };
    SUMMARY(rates, "method,rank,sites,trained parameters,kept parameters,settings,\"squad, em, 0..100\"\n",
            ",lr 0.001,13 (1)\n", ",lr 0.01,40 +- 13 (2)\n");
    json *steps[] = { with_adapter(lora(1, 0), field_adapter_steps, number(20)),
                      with_adapter(lora(1, 22.5), field_adapter_steps, number(60)) };
    SUMMARY(steps, ",steps 20,0 (1)\n", ",steps 60,22.5 (1)\n");
    json *limits[] = { lora(1, 38), with_asked(lora(1, 80), field_asked_limit, number(5)) };
    SUMMARY(limits, "\"squad, em (limit 5), 0..100\"", ",38 (1),80 (1)\n");
    json *versions[] = { lora(1, 38), with_asked(lora(1, 50), field_asked_task_version, number(9)) };
    SUMMARY(versions, "task_version 9", ",38 (1),50 (1)\n");
    json *devices[] = { lora(1, 38), with_asked(lora(1, 39), field_asked_dtype, text("bf16")) };
    SUMMARY(devices, ",dtype bf16,39 (1)\n", ",,38 (1)\n");

    json *bases[] = { lora(1, 21), lora(1, 61) }, *base = json_object();
    record_put_text(base, field_source_name, "base");
    record_put_text(base, field_source_sha256, "00000000ffffffff");
    with_asked(bases[1], field_asked_base, base);
    SUMMARY(bases, "kept parameters,base,", "base 00000000,61 (1)\n", ",21 (1)\n");
    /* Tasks may be trained with settings of their own: one row. */
    json *tasks[] = { lora(1, 38),
                      with_adapter(eval_record("lora", 8, 1, 50, 24576, "gsm8k"), field_adapter_lr, number(7)) };
    SUMMARY(tasks, "kept parameters,\"gsm8k, em, 0..100\",\"squad, em, 0..100\"\n", ",50 (1),38 (1)\n");
}

static void one_run_counts_once(void **state)
{
    (void)state;
    json   *r[] = { lora(1, 38), lora(1, 38), lora(2, 40), lora(2, 41) };
    quality q;
    str     csv = summary_of(r, 4, &q);
    assert_non_null(strstr(csv.s, ",39 +- 13 (2)\n"));
    assert_int_equal(q.copies, 2);
    assert_int_equal(q.conflicts, 1); /* seed 2 says two things: the first counts */
    str_free(&csv);
    quality_free(&q);
    for (int i = 0; i < 4; i++) json_free(r[i]);
}

/* One of three trained seeds was scored. */
static void seeds_without_a_score_are_told(void **state)
{
    (void)state;
    json   *r[4] = { lora(1, 38) };
    quality q;
    table   t;
    str     unscored = { 0 };
    for (int s = 1; s <= 3; s++) {
        json *train = test_record("train-adalora"), *asked = test_record_part(train, field_record_asked),
             *eval_asked = test_record_part(r[0], field_record_asked),
             *adapter    = json_copy(record_get(eval_asked, field_asked_adapter));
        json_free(json_take(adapter, "sha256"));
        test_record_set(adapter, field_adapter_seed, number(s));
        test_record_set(asked, field_asked_adapter, adapter);
        test_record_set(asked, field_asked_base, json_copy(record_get(eval_asked, field_asked_base)));
        test_record_set(test_record_part(train, field_record_result), field_result_trainable, number(36936));
        r[s] = test_record_sign(train);
    }
    str csv = summary_of(r, 4, &q);
    /* trained and kept numbers apart, as AdaLoRA has them */
    if (!strstr(csv.s, ",36936,24576,38 (1 of 3)\n")) fail_msg("%s", csv.s);
    quality_unscored_table(&q, &t);
    table_csv(&t, &unscored);
    assert_int_equal(t.n_rows, 2);
    assert_non_null(strstr(unscored.s, ",2,"));
    assert_non_null(strstr(unscored.s, ",3,"));
    str_free(&csv);
    str_free(&unscored);
    table_free(&t);
    quality_free(&q);
    for (int i = 0; i < 4; i++) json_free(r[i]);
}

static json *many_adapters_record(void)
{
    json *r     = gpu_record("the host, emulated", "lora", "gather", 0.2, 0.01),
         *asked = test_record_part(r, field_record_asked);
    test_record_set(asked, field_bench_case_tokens, number(64));
    test_record_set(asked, field_bench_case_adapters, number(64));
    test_record_set(asked, field_bench_case_popularity, text("different"));
    return test_record_sign(r);
}

/* A table as CSV; caller frees. */
static str csv_of(void (*make)(const overhead *o, bool emulated, table *t), bool emulated, json **records, int n)
{
    overhead o;
    table    t;
    str      csv = { 0 };
    overhead_from_records(&o, records, n);
    make(&o, emulated, &t);
    table_csv(&t, &csv);
    table_free(&t);
    overhead_free(&o);
    return csv;
}

static void the_floor_table_is_of_real_gpus_and_its_best_serves_any_adapter(void **state)
{
    (void)state;
    json *r[] = { gpu_record("GPU X", "lora", "eager", 0.30, 0.001),
                  gpu_record("GPU X", "lora", "augmented-k", 0.019, 0.002),
                  gpu_record("GPU X", "lora", "merged", 0.0, 0.001),
                  gpu_record("the host, emulated", "vera", "augmented-k", 0.0, 0.001) };
    str   csv = csv_of(limit_table, false, r, 4), rehearsal = csv_of(limit_table, true, r, 4);
    assert_non_null(strstr(csv.s, "GPU X,\"prefill, T = 4096\",qkv,12288x4096,bf16,lora,16,1.002,-,augmented-k cold,"));
    assert_non_null(strstr(csv.s, "+1.9 / -"));
    assert_null(strstr(csv.s, "vera"));
    assert_non_null(strstr(rehearsal.s, "vera"));
    assert_null(strstr(rehearsal.s, "lora,"));
    str_free(&csv);
    str_free(&rehearsal);
    for (int i = 0; i < 4; i++) json_free(r[i]);
}

/* The best of a row is the one measured again, not the least of the others, and is shown by that.
 * Kernels stand where a record has them, launches in older ones. */
static void the_winner_is_shown_as_measured_again(void **state)
{
    (void)state;
    json *r[]    = { gpu_record("GPU X", "lora", "split-k", 0.018, 0.002),
                     gpu_record("GPU X", "lora", "augmented-k", 0.019, 0.002) };
    json *result = test_record_part(r[1], field_record_result), *again = json_copy(result);
    test_record_set(again, field_timing_overhead, number(0.021));
    test_record_set(again, field_timing_overhead_low, number(0.020));
    test_record_set(again, field_timing_overhead_high, number(0.022));
    json_free(json_take(again, record_key(field_timing_base_ns)));
    json_free(json_take(again, record_key(field_timing_case_ns)));
    record_put(result, field_timing_again, again);
    for (int i = 0; i < 2; i++)
        test_record_set(test_record_part(r[i], field_record_result), field_timing_launches, number(3));
    test_record_set(result, field_timing_kernels, number(5));
    str csv = csv_of(limit_table, false, r, 2);
    if (!strstr(csv.s, "augmented-k cold,") || !strstr(csv.s, "+2.1 (+2.0 .. +2.2)")) fail_msg("%s", csv.s);
    if (!strstr(csv.s, "+1.8 / - · 3") || !strstr(csv.s, "+1.9 / - · 5")) fail_msg("%s", csv.s);
    str_free(&csv);
    for (int i = 0; i < 2; i++) json_free(r[i]);
}

static json *peer_record(const char *method, const char *precision, double ratio, bool rehearsal)
{
    json *asked = json_object(), *result = json_object();
    json_set_str(asked, "comparison", "layer");
    json_set_str(asked, "method", method);
    json_set_str(asked, "precision", precision);
    json_set_str(asked, "op", "fwd+bwd");
    json_set_num(result, "ratio", ratio);
    json_set_num(result, "ratio_low", ratio - 0.05);
    json_set_num(result, "ratio_high", ratio + 0.05);
    json *r = record_new(RECORD_BENCH, asked, result, "GPU X", 1, NULL);
    test_record_set(r, field_record_kind, text("peer"));
    if (rehearsal) json_set_bool(test_record_part(r, field_record_where), "rehearsal", true);
    return r;
}

static void other_code_beside_ours(void **state)
{
    (void)state;
    json *r[] = { peer_record("lora", "default", 1.4, false), peer_record("tied-lora", "default", 3, true) };
    table t;
    str   csv = { 0 };
    peers_table(r, 2, &t);
    table_csv(&t, &csv);
    assert_non_null(strstr(csv.s, "\"layer, fwd+bwd\",,lora,default,default,eager,GPU X,1.400,1.350,1.450,"));
    assert_non_null(strstr(csv.s, "REHEARSAL, nothing measured: layer"));
    table_free(&t);
    str_free(&csv);
    for (int i = 0; i < 2; i++) json_free(r[i]);
}

static void a_folder_of_records_becomes_a_page(void **state)
{
    (void)state;
    if (system("command -v gnuplot >/dev/null 2>&1")) skip_because("gnuplot is not on this machine");
    char *dir = test_tmpdir(), *runs = path_join(dir, "runs"), *out = path_join(dir, "out"),
         *page      = path_join(out, "index.html");
    int           k = 0;
    report_counts c;
    assert_ok(file_make_dirs(runs));
    assert_input_error(report_write(runs, out, NULL, &c), "holds no record");
    for (int s = 0; s < 3; s++) {
        put(runs, &k, eval_record("lora", 8, s, 60 + s, 12288, "squad"));
        put(runs, &k, eval_record("lora", 2, s, 50 + 2 * s, 3072, "squad"));
        put(runs, &k, eval_record("tied-lora", 8, s, 55 + s, 4096, "squad"));
        put(runs, &k, eval_record("full", -1, s, 70 + s, 900000, "squad"));
    }
    put(runs, &k, eval_record(NULL, 0, 0, 12, 0, "squad"));
    for (int r = 2; r <= 128; r *= 4) {
        put(runs, &k, bench_record("lora", false, r, 0.05 + 0.003 * r));
        put(runs, &k, bench_record("vera", true, r, 0.06 + 0.003 * r));
    }
    put(runs, &k, gpu_record("the host, emulated", "lora", "eager", 0.3, 0.01));
    put(runs, &k, gpu_record("the host, emulated", "lora", "augmented-k", 0.1, 0.01));
    put(runs, &k, many_adapters_record()); /* a panel of nothing but many adapters has no plot */
    char *begun = path_join(runs, "begun"), *cell = path_join(begun, "cell.json");
    json *asked = json_object(), *adapter = json_object();
    record_put_text(asked, field_asked_task, "squad");
    record_put_text(adapter, field_adapter_method, "lora");
    record_put_count(adapter, field_adapter_rank, 8);
    record_put_count(adapter, field_adapter_seed, 3);
    record_put(asked, field_asked_adapter, adapter);
    assert_ok(file_make_dirs(begun));
    assert_ok(json_write_file(asked, cell));
    json_free(asked);
    free(cell);
    free(begun);
    assert_ok(report_write(runs, out, NULL, &c));
    assert_int_equal(c.records, k);
    assert_int_equal(c.plots, 3);
    char *table_file = path_join(out, "unfinished.csv");
    str   listed     = { 0 };
    assert_ok(file_read(table_file, 1 << 16, &listed));
    assert_non_null(strstr(listed.s, "/runs/begun,squad,lora,8,,,3\n"));
    str_free(&listed);
    free(table_file);
    str html = { 0 };
    assert_ok(file_read(page, 8 << 20, &html));
    int svgs = 0;
    for (const char *s = html.s; (s = strstr(s, "<svg")); s++) svgs++;
    assert_int_equal(svgs, 3);
    assert_non_null(strstr(html.s, "REHEARSAL"));
    assert_null(strstr(html.s, "<?xml"));
    assert_null(strstr(html.s, "http://localhost"));
    assert_non_null(strstr(html.s, "Pareto front"));
    const char *keep = getenv("TIEBREAK_KEEP_REPORT"); /* a folder to look at the page by eye */
    if (keep) {
        char command[512];
        snprintf(command, sizeof command, "cp -r '%s' '%s'", out, keep);
        assert_int_equal(system(command), 0);
    }
    str_free(&html);
    free(page);
    free(out);
    free(runs);
    test_rmdir(dir);
}

/* The same bench cases on one machine, six processes a side: changed, the same, or inconclusive, as
 * the gate says; another machine's are not compared, and one process says nothing. */
static void bench_cases_are_compared_on_one_machine(void **state)
{
    (void)state;
    enum { PROCESSES = 6, CASES = 4, RECORDS = PROCESSES * CASES + 1 };
    static const struct {
        const char *variant, *gpu_there;
        double      here, there, noise;
    } cases[CASES] = { { "a", "GPU X", 0.30, 0.305, 0.001 },
                       { "b", "GPU X", 0.30, 0.10, 0.001 },
                       { "c", "GPU X", 0.30, 0.29, 0.2 },
                       { "d", "GPU Y", 0.30, 0.10, 0.001 } };
    json *here[RECORDS], *there[RECORDS];
    int   n = 0;
    for (int c = 0; c < CASES; c++)
        for (int i = 0; i < PROCESSES; i++, n++) {
            char         created[] = "2026-01-01T00:00:00Z";
            const double off       = cases[c].noise * (i - 2.5);
            created[18]            = (char)('0' + i);
            here[n]                = gpu_record("GPU X", "lora", cases[c].variant, cases[c].here + off, 0.01);
            there[n] = gpu_record(cases[c].gpu_there, "lora", cases[c].variant, cases[c].there + off, 0.01);
            test_record_set(here[n], field_record_created, json_of_text(created));
            test_record_set(there[n], field_record_created, json_of_text(created));
        }
    here[n]  = gpu_record("GPU X", "lora", "e", 0.3, 0.01);
    there[n] = gpu_record("GPU X", "lora", "e", 0.9, 0.01);
    overhead a, b;
    table    t;
    str      csv = { 0 };
    overhead_from_records(&a, here, RECORDS);
    overhead_from_records(&b, there, RECORDS);
    overhead_verdicts v = overhead_against(&a, &b, &t);
    table_csv(&t, &csv);
    assert_int_equal(v.compared, 4);
    assert_int_equal(v.differ, 1);
    assert_int_equal(v.inconclusive, 2);
    assert_non_null(strstr(csv.s, "equivalent"));
    assert_non_null(strstr(csv.s, "regressed"));
    str_free(&csv);
    table_free(&t);
    overhead_free(&a);
    overhead_free(&b);
    for (int i = 0; i < RECORDS; i++) json_free(here[i]), json_free(there[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeds_become_one_point_with_students_interval),
        cmocka_unit_test(front_never_ranks_what_intervals_cannot_separate),
        cmocka_unit_test(reruns_agree_unless_seeds_cannot_explain_the_gap),
        cmocka_unit_test(tables_escape_what_their_format_needs),
        cmocka_unit_test(what_differs_makes_another_row),
        cmocka_unit_test(one_run_counts_once),
        cmocka_unit_test(seeds_without_a_score_are_told),
        cmocka_unit_test(the_floor_table_is_of_real_gpus_and_its_best_serves_any_adapter),
        cmocka_unit_test(other_code_beside_ours),
        cmocka_unit_test(a_folder_of_records_becomes_a_page),
        cmocka_unit_test(the_winner_is_shown_as_measured_again),
        cmocka_unit_test(bench_cases_are_compared_on_one_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
