/* tiebreak bench: time adapter kernels beside their base GEMM, one record a case. */
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/case.h"
#include "bench/gbench.h"
#include "cli/verbs.h"
#include "core/error.h"
#include "core/file.h"
#include "core/progress.h"
#include "core/cell.h"
#include "kernels/facts.h"

static struct {
    const char *filter, *device, *dtype, *out, *benchmark_json;
    double      min_time_s;
    int64_t     threads, seed;
    bool        list, json, filter_given, resume;
} o;

static int select_cases(bench_spec *specs, int64_t *n)
{
    regex_t re;
    int     bad = regcomp(&re, o.filter, REG_EXTENDED | REG_NOSUB);
    if (bad) {
        char why[128];
        regerror(bad, &re, why, sizeof why);
        return input_error(
            "bench: --filter %s: %s; it is an extended regular expression over the names that --list prints", o.filter,
            why);
    }
    int64_t kept = 0;
    for (int64_t i = 0; i < *n; i++)
        if (regexec(&re, specs[i].name, 0, NULL, 0) == 0) specs[kept++] = specs[i];
    regfree(&re);
    *n = kept;
    return kept ? OK
                : input_error(
                      "bench: --filter %s: no case has such a name; `tiebreak bench --list --filter .` shows them all",
                      o.filter);
}

static void print_result(const char *name, const json *result)
{
    printf("%-96s %10.1f %+8.1f %%  %+.1f .. %+.1f %%\n", name,
           record_number(result, field_timing_base_ns_median) / 1e3, 100 * record_number(result, field_timing_overhead),
           100 * record_number(result, field_timing_overhead_low),
           100 * record_number(result, field_timing_overhead_high));
    fflush(stdout);
}

/* What became of the cases that were not measured. */
typedef struct {
    int64_t failed, before, skipped;
    str     reasons; /* of those that failed */
} tally;

/* A case that fails or is refused is counted; an error is a record that cannot be written. */
static int run_case(const bench_spec *spec, const backend *be, json *all, tally *t)
{
    json       *asked = NULL, *result = NULL;
    cell        c   = { 0 };
    const char *why = bench_refusal(spec, be);
    if (why) {
        fprintf(stderr, "bench: SKIP %s: the variant %s\n", spec->name, why);
        t->skipped++;
        return OK;
    }
    int rc = bench_asked(spec, be, &asked);
    if (!rc) rc = cell_look(&c, RECORD_BENCH, o.out, asked);
    bool before = !rc && o.resume && c.state == CELL_FINISHED;
    t->before += before;
    if (!rc && !before) rc = bench_measure(spec, be, o.min_time_s, (uint64_t)o.seed, &result);
    if (rc) {
        t->failed++;
        str_item(&t->reasons, "; ", error_text());
        rc = OK;
    } else if (!before) {
        if (!o.json) print_result(spec->name, result);
        rc = cell_finish(&c, result, be->params->name, be->threads(be), backend_facts(be));
        json_push(all, cell_take_record(&c));
    }
    cell_close(&c);
    return rc;
}

static int run_cases(const bench_spec *specs, int64_t n, const backend *be, json *all)
{
    progress p  = progress_start("bench", n, "case", false);
    tally    t  = { 0 };
    int      rc = OK;
    if (!o.json) printf("%-96s %10s %9s  95 %% interval\n", "case", "base us", "overhead");
    for (int64_t i = 0; i < n && !rc; i++) {
        progress_update(&p, i, specs[i].name);
        rc = run_case(&specs[i], be, all, &t);
    }
    progress_end(&p);
    if (!rc && t.before)
        fprintf(stderr, "bench: %lld of %lld cases were measured before; their records in %s stand\n",
                (long long)t.before, (long long)n, o.out);
    if (!rc && t.failed)
        rc = run_error("bench: %lld of %lld cases failed: %.1500s", (long long)t.failed, (long long)n,
                       str_c(&t.reasons));
    str_free(&t.reasons);
    if (!rc && t.skipped == n)
        rc = run_error("bench: none of %lld cases can be measured on this device; each says why above", (long long)n);
    return rc;
}

/* An empty file first: a path that cannot be written is an error before hours of measuring. */
static int begin_report(void)
{
    bench_report_begin();
    return file_write_atomic(o.benchmark_json, "", 0);
}

static int write_report(void)
{
    str text = { 0 };
    bench_report_end(&text);
    int rc = file_write_atomic(o.benchmark_json, str_c(&text), text.n);
    str_free(&text);
    return rc;
}

static int run(int argc, char **argv)
{
    static const option table[] = {
        { "list", OPT_FLAG, &o.list, .help = "print the names of the cases and stop" },
        { "filter", OPT_STR, &o.filter, .def = "shape=mini", .arg = "RE",
          .help = "extended regular expression over the names", .given = &o.filter_given },
        { "device", OPT_STR, &o.device, .def = "cpu", .arg = "cpu|cuda", .help = "backend to time" },
        { "dtype", OPT_STR, &o.dtype, .arg = "f32|bf16",
          .help = "of weights and activations, with --device cuda; f32 when not given" },
        { "min-time-s", OPT_NUM, &o.min_time_s, .min = 0, .max = 3600, .def = "0.1", .arg = "S",
          .help = "time spent on a case, at least 10 pairs of samples" },
        { "out", OPT_STR, &o.out, .arg = "DIR", .help = "write one record a case here, for `tiebreak report`" },
        { "benchmark-json", OPT_STR, &o.benchmark_json, .arg = "FILE",
          .help = "also write Google Benchmark's report of the cases that are measured, for its compare.py" },
        { "resume", OPT_FLAG, &o.resume, .help = "leave out cases whose record is in --out already" },
        { "seed", OPT_INT, &o.seed, .min = 0, .max = 1e15, .def = "1", .arg = "N", .help = "of the random arrays" },
        { "threads", OPT_INT, &o.threads, .min = 1, .max = 1024, .arg = "N",
          .help = "worker threads; default: all cores" },
        { "json", OPT_FLAG, &o.json, .help = "one JSON object on stdout" },
        { 0 }
    };
    int rc = options_parse(&verb_bench, table, argc, argv, NULL);
    if (rc) return rc;
    if (o.resume && !o.out)
        return input_error("bench: --resume: there is no --out whose records could be looked for; add --out DIR");
    const backend *be = backend_for(o.device, o.dtype);
    if (!be) return ERR_INPUT;
    int64_t     n;
    bench_spec *specs = bench_specs(be, &n);
    rc                = select_cases(specs, &n);
    if (!rc && o.list) {
        for (int64_t i = 0; i < n; i++) puts(specs[i].name);
        free(specs);
        return OK;
    }
    if (!rc && !o.filter_given)
        fprintf(stderr, "bench: %lld cases of the shape `mini`; --list --filter . shows the others\n", (long long)n);
    if (!rc && o.threads) be->set_threads(be, (int)o.threads);
    if (!rc && o.out) rc = file_make_dirs(o.out);
    json *all = json_array();
    if (!rc && o.benchmark_json) rc = begin_report();
    if (!rc) {
        rc = run_cases(specs, n, be, all);
        if (o.benchmark_json && write_report() && !rc) rc = ERR_FAILED;
    }
    if (!rc && o.json) {
        json *j = json_object();
        json_set_int(j, "cases", n);
        json_set(j, "records", all);
        json_show_line(j);
    } else {
        json_free(all);
    }
    free(specs);
    return rc;
}

const verb verb_bench = {
    "bench", "time adapter kernels beside their base GEMM",
    "[--list] [--filter RE] [--device cpu|cuda] [--dtype f32|bf16] [--out DIR] [--json]",
    "  tiebreak bench --filter 'fwd/(lora|tied-lora)/.*shape=mini'\n  tiebreak bench --list --filter llama2-7b\n", run
};
