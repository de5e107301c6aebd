#include "core/file.h"
#include "core/stats.h"
#include "core/test_record.h"
#include "reports/limit.h"
#include "reports/peers.h"
#include "reports/quality.h"
#include "reports/report.h"
#include "reports/reproduce.h"

static json *number(double x) { return json_of_number(x); }
static json *text(const char *s) { return json_of_text(s); }

static json *eval_record(const char *method, int64_t rank, int64_t seed, double value, double trainable,
                         const char *task)
{
    json *r = test_record(method ? "eval-full" : "eval-base"), *metrics = json_object(), *em = json_object();
    json *asked = test_record_part(r, field_record_asked), *result = test_record_part(r, field_record_result);
    json *adapter = test_record_part(asked, field_asked_adapter);
    test_record_set(asked, field_asked_task, text(task));
    if (method) {
        test_record_set(adapter, field_adapter_method, text(method));
        test_record_set(adapter, field_adapter_rank, rank < 0 ? json_null() : number((double)rank));
        test_record_set(adapter, field_adapter_sites, text("qkv"));
        test_record_set(adapter, field_adapter_seed, number((double)seed));
    }
    record_put_number(em, field_metric_value, value);
    record_put_number(em, field_metric_stderr, 1.5);
    record_put_text(em, field_metric_better, "higher");
    record_put_text(em, field_metric_signature, "squad-em|rules:v1.1");
    json_set(metrics, "em", em);
    test_record_set(result, field_result_metrics, metrics);
    test_record_set(result, field_result_trainable, number(trainable));
    test_record_set(result, field_result_adapter_bytes, number(4 * trainable));
    return test_record_sign(r);
}

/* A record of the oldest form, which has no floors. */
static json *bench_record(const char *method, bool tied, int64_t rank, double over)
{
    json *r = test_record("bench-first"), *asked = test_record_part(r, field_record_asked),
         *result = test_record_part(r, field_record_result);
    test_record_set(asked, field_bench_case_op, text("fwd"));
    test_record_set(asked, field_bench_case_method, text(method));
    test_record_set(asked, field_bench_case_tied, json_of_bool(tied));
    test_record_set(asked, field_bench_case_rank, number((double)rank));
    test_record_set(result, field_timing_base_ns, json_of_numbers((double[]) { 1000, 1001, 1002, 1003, 1004 }, 5));
    test_record_set(result, field_timing_overhead, number(over));
    test_record_set(result, field_timing_overhead_low, number(over - 0.01));
    test_record_set(result, field_timing_overhead_high, number(over + 0.02));
    return test_record_sign(r);
}

static void seeds_become_one_point_with_students_interval(void **state)
{
    (void)state;
    static const double v[] = { 60, 62, 64 };
    json               *r[4];
    for (int i = 0; i < 3; i++) r[i] = eval_record("lora", 8, i, v[i], 1000, "squad");
    r[3] = eval_record(NULL, 0, 0, 10, 0, "squad");
    quality q;
    assert_ok(quality_from_records(&q, r, 4));
    assert_int_equal(q.n, 2);
    assert_string_equal(q.points[0].method, "base");
    /* one run: the items' error */
    assert_within(fabs(q.points[0].half - 1.959963984540054 * 1.5), 1e-12);
    assert_int_equal(q.points[1].n_seeds, 3);
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
    assert_non_null(strstr(csv.s, "score,95 % half-width,item stderr,seed sd,seeds,"));
    assert_non_null(strstr(csv.s, ",62,5,1.5,2,3,"));
    assert_non_null(strstr(csv.s, ",10,2.9,1.5,-,1,"));
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
    assert_ok(quality_from_records(&q, r, 4));
    assert_string_equal(q.points[0].method, "adalora");
    assert_true(q.points[0].on_front);  /* the cheapest */
    assert_true(q.points[1].on_front);  /* the best */
    assert_true(q.points[2].on_front);  /* worse by 1 with half-widths of 2.9: not separated */
    assert_false(q.points[3].on_front); /* dearer and separably worse */
    assert_false(quality_separated(&q.points[1], &q.points[2]));
    q.points[2].half = NAN;
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
    assert_ok(quality_from_records(&a, old, 7));
    assert_ok(quality_from_records(&b, fresh, 3));
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
    str   md = { 0 }, csv = { 0 }, html = { 0 };
    table_init(&t, "x", "T", NULL, "a|b#");
    table_row(&t);
    table_cells(&t, "%s<%d>|%s", "p|q", 1, "1,\"2\"");
    table_markdown(&t, &md);
    table_csv(&t, &csv);
    table_html(&t, &html);
    assert_non_null(strstr(md.s, "| a | b |\n|---|---:|\n| p\\|q<1> | 1,\"2\" |"));
    assert_string_equal(csv.s, "a,b\np|q<1>,\"1,\"\"2\"\"\"\n");
    assert_non_null(strstr(html.s, "<td>p|q&lt;1&gt;</td><td class=\"n\">1,&quot;2&quot;</td>"));
    str_free(&md);
    str_free(&csv);
    str_free(&html);
    table_free(&t);
}

static void put(const char *dir, int *k, json *r)
{
    char name[64];
    snprintf(name, sizeof name, "r%03d.json", (*k)++);
    char *path = path_join(dir, name);
    assert_ok(record_write(r, path));
    json_free(r);
    free(path);
}

static json *gpu_record(const char *gpu, const char *method, const char *variant, double over, double half)
{
    json *r = bench_record(method, false, 16, over), *asked = test_record_part(r, field_record_asked),
         *result = test_record_part(r, field_record_result), *facts = json_object();
    test_record_set(asked, field_bench_case_device, text(strstr(gpu, "emulated") ? "cuda-emulated" : "cuda"));
    test_record_set(asked, field_bench_case_dtype, text("bf16"));
    test_record_set(asked, field_bench_case_tokens, number(4096));
    test_record_set(asked, field_bench_case_d_in, number(4096));
    test_record_set(asked, field_bench_case_d_out, number(12288));
    test_record_set(asked, field_bench_case_mode, text("cold"));
    test_record_set(asked, field_bench_case_variant, text(variant));
    test_record_set(result, field_timing_overhead_low, number(over - half));
    test_record_set(result, field_timing_overhead_high, number(over + half));
    test_record_set(result, field_timing_same_bits, json_of_bool(true));
    json_set_str(facts, "name", gpu);
    test_record_set(test_record_part(r, field_record_where), field_where_gpu, facts);
    return test_record_sign(r);
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
    assert_non_null(strstr(csv.s, "\"prefill, T = 4096\",12288x4096,bf16,lora,16,1.002,-,augmented-k cold,"));
    assert_non_null(strstr(csv.s, "+1.9 / -"));
    assert_null(strstr(csv.s, "vera"));
    assert_non_null(strstr(rehearsal.s, "vera"));
    assert_null(strstr(rehearsal.s, "lora,"));
    str_free(&csv);
    str_free(&rehearsal);
    for (int i = 0; i < 4; i++) json_free(r[i]);
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
    assert_ok(report_write(runs, out, NULL, &c));
    assert_int_equal(c.records, k);
    assert_int_equal(c.plots, 3);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeds_become_one_point_with_students_interval),
        cmocka_unit_test(front_never_ranks_what_intervals_cannot_separate),
        cmocka_unit_test(reruns_agree_unless_seeds_cannot_explain_the_gap),
        cmocka_unit_test(tables_escape_what_their_format_needs),
        cmocka_unit_test(the_floor_table_is_of_real_gpus_and_its_best_serves_any_adapter),
        cmocka_unit_test(other_code_beside_ours),
        cmocka_unit_test(a_folder_of_records_becomes_a_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
