/* tiebreak bench: time adapter kernels beside their base GEMM, one record a case. */
#include <math.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/case.h"
#include "bench/gbench.h"
#include "cli/verbs.h"
#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/progress.h"
#include "core/cell.h"
#include "kernels/facts.h"
#include "kernels/variant.h"

/* What became of the cases, for --json and the closing lines. */
static struct {
    json       *records, *failed, *skipped; /* arrays */
    int64_t     cases, resumed;
    str         reasons; /* of what failed */
    const char *current;
} done;

static struct {
    const char *filter, *device, *dtype, *out, *benchmark_json, *current;
    double      min_time_s;
    int64_t     threads, seed;
    bool        list, json, filter_given, resume;
} o;

/* A signal ends the run after the pair that is being timed; a second one ends the program. */
static void catch_signals(void)
{
    const struct sigaction once = { .sa_handler = bench_interrupt, .sa_flags = (int)SA_RESETHAND };
    sigaction(SIGINT, &once, NULL);
    sigaction(SIGTERM, &once, NULL);
}

/* An exact name matches itself, though a + in it is an operator. */
static int select_cases(bench_spec *specs, int64_t *n)
{
    for (int64_t i = 0; i < *n; i++)
        if (!strcmp(specs[i].name, o.filter)) {
            specs[0] = specs[i];
            *n       = 1;
            return OK;
        }
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
    if (kept) return OK;
    const size_t operator= strcspn(o.filter, "+*?()[]{}|^$.\\");
    return o.filter[operator]
               ? input_error("bench: --filter %s: no case has such a name; the %c in it is an operator, as in grep -E "
                             "(\\%c is the character); `tiebreak bench --list --filter .` shows all names",
                             o.filter, o.filter[operator], o.filter[operator])
               : input_error(
                     "bench: --filter %s: no case has such a name; `tiebreak bench --list --filter .` shows them all",
                     o.filter);
}

/* --- the table */

static bool has_part(const char *name, const char *part, size_t n)
{
    for (const char *p = name; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL)
        if (strcspn(p, "/") == n && !strncmp(p, part, n)) return true;
    return false;
}

/* The parts of a name, "shape=mini", that all cases have are said once, above the table; `rest`
 * gets the others. */
static void split_name(const char *name, const bench_spec *specs, int64_t n, str *common, str *rest)
{
    for (const char *p = name; *p;) {
        const size_t len    = strcspn(p, "/");
        bool         shared = n > 1;
        for (int64_t i = 0; i < n && shared; i++) shared = has_part(specs[i].name, p, len);
        str *to = shared ? common : rest;
        if (to->n) str_putc(to, '/');
        str_add(to, p, len);
        p += len + (p[len] == '/');
    }
}

enum { NAME_COLUMNS = 46 };
static const double noisy_width = 0.1;

static void print_heading(const bench_spec *specs, int64_t n)
{
    str common = { 0 }, rest = { 0 };
    split_name(specs[0].name, specs, n, &common, &rest);
    if (common.n) printf("of all cases: %s\n", common.s);
    printf("%-*s %10s %10s %9s  95 %% interval\n", NAME_COLUMNS, "case", "base us", "adapter us", "overhead");
    str_free(&common);
    str_free(&rest);
}

static void print_line(const char *name, const json *result)
{
    const double base = record_number(result, field_timing_base_ns_median) / 1e3,
                 over = record_number(result, field_timing_overhead),
                 low  = record_number(result, field_timing_overhead_low),
                 high = record_number(result, field_timing_overhead_high);
    if (strlen(name) > NAME_COLUMNS) {
        puts(name);
        name = "";
    }
    printf("%-*s %10.1f %+10.1f %+7.1f %%  %+.1f .. %+.1f %%%s%s\n", NAME_COLUMNS, name, base, base * over, 100 * over,
           100 * low, 100 * high, high - low > noisy_width ? " ~" : "",
           json_is_true(record_get(result, field_timing_settled)) ? "" : " !");
    fflush(stdout);
}

static void print_result(const bench_spec *specs, int64_t n, int64_t at, const json *result)
{
    str common = { 0 }, rest = { 0 };
    split_name(specs[at].name, specs, n, &common, &rest);
    print_line(str_c(&rest), result);
    str_free(&common);
    str_free(&rest);
}

/* What the marks of the lines above say. */
static void print_marks(void)
{
    bool noisy = false, unsettled = false;
    for (const json *r = json_items(done.records); r; r = r->next) {
        const json *result = record_get(r, field_record_result);
        noisy |= record_number(result, field_timing_overhead_high) - record_number(result, field_timing_overhead_low) >
                 noisy_width;
        unsettled |= !json_is_true(record_get(result, field_timing_settled));
    }
    if (noisy) printf("~ noisy: the interval is wider than %.0f points\n", 100 * noisy_width);
    if (unsettled) puts("! warm-up ended before the clock had settled: --min-time-s gives it longer");
}

/* --- the run */

static json *named(const char *name, const char *key, const char *text)
{
    json *j = json_object();
    json_set_str(j, "case", name);
    json_set_str(j, key, text);
    return j;
}

static void add_failure(const char *name, const char *why)
{
    str_printf(&done.reasons, "%s%s", done.reasons.n ? "; " : "", why);
    json_push(done.failed, named(name, "error", why));
}

/* --json's one object: also of a run that failed, was interrupted or ran out of memory. */
static void print_json(void)
{
    json *j = json_object();
    json_set_int(j, "cases", done.cases);
    json_set_int(j, "resumed", done.resumed);
    json_set_bool(j, "interrupted", bench_interrupted());
    json_set(j, "records", done.records);
    json_set(j, "failed", done.failed);
    json_set(j, "skipped", done.skipped);
    json_show_line(j);
}

static void out_of_memory(void)
{
    add_failure(done.current, "out of memory");
    fprintf(stderr, "bench: %s: the memory did not suffice; what was measured before stands\n", done.current);
    if (o.json) print_json();
}

/* A record of another machine or build is no measurement of this one, and is not written over. */
static int check_resumed(const cell *c, const char *name, const backend *be)
{
    json *here    = record_new(RECORD_BENCH, json_object(), json_object(), be->params->name, be->threads(be),
                               backend_facts(be));
    str   differs = { 0 };
    cell_difference(record_get(c->record, field_record_where), record_get(here, field_record_where), &differs);
    json_free(here);
    int rc = differs.n
                 ? input_error("bench: --resume: %s: the record in %s is of another machine or build (%s); choose "
                               "another --out, or leave --resume out to measure over what lies there",
                               name, o.out, differs.s)
                 : OK;
    str_free(&differs);
    return rc;
}

/* The cell's record, which the list owns. */
static json *push_record(cell *c)
{
    json *record = cell_take_record(c);
    json_push(done.records, record);
    return record;
}

/* A GPU's error that no process gets rid of: it is reported again by a sync that had nothing to
 * wait for. */
static bool device_is_lost(const backend *be)
{
    be->sync(be);
    return be->sync(be) != OK;
}

/* Names the case before it can end the program. */
static int name_current(const bench_spec *spec)
{
    return o.current ? file_write_atomic(o.current, spec->name, strlen(spec->name)) : OK;
}

/* What a case's failure is to the run. */
static int case_failed(const bench_spec *spec, const backend *be)
{
    if (bench_interrupted()) return OK;
    add_failure(spec->name, error_text());
    if (!device_is_lost(be)) return OK;
    run_error("bench: %s: this process cannot use the device any more, so the cases after it are left out: %.1500s",
              spec->name, str_c(&done.reasons));
    return ERR_DEVICE;
}

/* Measures one case, or takes its record, and gives *record of the list where there is one. An
 * error that ends the run is returned; one of this case is kept. */
static int run_case(const bench_spec *specs, int64_t n, int64_t i, const backend *be, json **record)
{
    const bench_spec *spec  = &specs[i];
    json             *asked = NULL, *result = NULL;
    cell              c  = { 0 };
    int               rc = bench_asked(spec, be, &asked);
    if (!rc) rc = cell_look(&c, RECORD_BENCH, o.out, asked);
    if (!rc && o.resume && c.state == CELL_FINISHED) {
        rc = check_resumed(&c, spec->name, be);
        done.resumed += !rc;
        if (!rc) *record = push_record(&c);
        cell_close(&c);
        return rc;
    }
    if (!rc) rc = bench_measure(spec, be, o.min_time_s, (uint64_t)o.seed, &result);
    if (rc) {
        cell_close(&c);
        return case_failed(spec, be);
    }
    if (!o.json) print_result(specs, n, i, result);
    rc      = cell_finish(&c, result, be->params->name, be->threads(be), backend_facts(be));
    *record = push_record(&c);
    cell_close(&c);
    return rc;
}

/* --- the fastest variant, again */

/* Microseconds over the base, which compare where bases differ (the op before is in some); NaN
 * where there is no record. Merged weights serve the one adapter that they were merged with. */
static double over_us(const bench_spec *spec, const json *record)
{
    const json *result = record ? record_get(record, field_record_result) : NULL;
    if (!result || (spec->variant && !strcmp(spec->variant->name, "merged"))) return NAN;
    return 1e-3 * record_number(result, field_timing_overhead) * record_number(result, field_timing_base_ns_median);
}

/* Measures the case again and adds that to its record, in the list and where it lies. */
static int measure_again(const bench_spec *spec, const backend *be, json *record)
{
    json *asked = NULL, *again = NULL, *result = (json *)(uintptr_t)record_get(record, field_record_result);
    cell  c    = { 0 };
    str   name = { 0 };
    int   rc   = name_current(spec);
    if (rc) return rc;
    if (bench_measure(spec, be, o.min_time_s, (uint64_t)o.seed, &again)) return case_failed(spec, be);
    str_printf(&name, "  the fastest, %s, again", spec->variant ? spec->variant->name : "ops");
    if (!o.json) print_line(name.s, again);
    str_free(&name);
    record_put(result, field_timing_again, again);
    rc = bench_asked(spec, be, &asked);
    if (!rc) rc = cell_look(&c, RECORD_BENCH, o.out, asked);
    if (!rc) rc = cell_finish(&c, json_copy(result), be->params->name, be->threads(be), backend_facts(be));
    cell_close(&c);
    return rc;
}

/* The cases from..to differ in their variants alone. The fastest has the least of several noisy
 * medians, so it is measured again in a block of its own, unless a resumed record has that. */
static int confirm_fastest(const bench_spec *specs, int64_t from, int64_t to, const backend *be, json *const *record)
{
    int64_t best = -1, measured = 0;
    for (int64_t i = from; i < to; i++) {
        const double us = over_us(&specs[i], record[i]);
        measured += isfinite(us);
        if (isfinite(us) && (best < 0 || us < over_us(&specs[best], record[best]))) best = i;
    }
    if (measured < 2 || bench_interrupted()) return OK;
    const bool has = record_get(record_get(record[best], field_record_result), field_timing_again) != NULL;
    return has ? OK : measure_again(&specs[best], be, record[best]);
}

static int run_cases(const bench_spec *specs, int64_t n, const backend *be)
{
    progress p      = progress_start("bench", n, "case", false);
    json   **record = mem_alloc((size_t)n, sizeof *record); /* of each case; NULL: none */
    int64_t  from   = 0;                                    /* the first that differs in its variant alone */
    int      rc     = OK;
    catch_signals();
    mem_at_failure(out_of_memory);
    if (!o.json) print_heading(specs, n);
    for (int64_t i = 0; i < n && !rc && !bench_interrupted(); i++) {
        const char *why = bench_refusal(&specs[i], be);
        done.current    = specs[i].name;
        progress_update(&p, i, specs[i].name);
        if (!why) rc = name_current(&specs[i]);
        if (why) {
            fprintf(stderr, "bench: SKIP %s: the variant %s\n", specs[i].name, why);
            json_push(done.skipped, named(specs[i].name, "why", why));
        } else if (!rc) {
            rc = run_case(specs, n, i, be, &record[i]);
        }
        if (i + 1 < n && bench_same_but_variant(&specs[i], &specs[i + 1])) continue;
        if (!rc) rc = confirm_fastest(specs, from, i + 1, be, record);
        from = i + 1;
    }
    free(record);
    mem_at_failure(NULL);
    if (o.current && rc != ERR_DEVICE) remove(o.current);
    progress_end(&p);
    if (!o.json) print_marks();
    if (done.resumed)
        fprintf(stderr, "bench: %lld of %lld cases were measured before; their records in %s stand\n",
                (long long)done.resumed, (long long)n, o.out);
    const int failed = json_size(done.failed);
    if (!rc && bench_interrupted())
        rc = run_error("bench: interrupted after %d of %lld cases", json_size(done.records), (long long)n);
    if (!rc && failed)
        rc = run_error("bench: %d of %lld cases failed: %.1500s", failed, (long long)n, str_c(&done.reasons));
    if (!rc && json_size(done.skipped) == n)
        rc = run_error("bench: none of %lld cases can be measured on this device; each says why above", (long long)n);
    return rc;
}

/* The names alone. */
static void list_cases(const bench_spec *specs, int64_t n)
{
    json *names = json_array();
    for (int64_t i = 0; i < n; i++)
        if (o.json)
            json_push(names, json_of_text(specs[i].name));
        else
            puts(specs[i].name);
    if (!o.json) {
        json_free(names);
        return;
    }
    json *j = json_object();
    json_set(j, "cases", names);
    json_show_line(j);
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
        { "current", OPT_STR, &o.current, .arg = "FILE",
          .help = "holds the name of the case that is being measured; it stays where a case ends the program" },
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
        list_cases(specs, n);
        free(specs);
        return OK;
    }
    if (!rc && !o.filter_given)
        fprintf(stderr, "bench: %lld cases of the shape `mini`; --list --filter . shows the others\n", (long long)n);
    if (!rc && o.threads) be->set_threads(be, (int)o.threads);
    if (!rc && o.out) rc = file_make_dirs(o.out);
    done.cases = n, done.resumed = 0;
    done.records = json_array(), done.failed = json_array(), done.skipped = json_array();
    if (!rc && o.benchmark_json) rc = begin_report();
    if (!rc) {
        rc = run_cases(specs, n, be);
        if (o.benchmark_json && write_report() && !rc) rc = ERR_FAILED;
    }
    if (o.json && done.cases) {
        print_json();
    } else {
        json_free(done.records), json_free(done.failed), json_free(done.skipped);
    }
    str_free(&done.reasons);
    free(specs);
    return rc;
}

const verb verb_bench = {
    "bench", "time adapter kernels beside their base GEMM",
    "[--list] [--filter RE] [--device cpu|cuda] [--dtype f32|bf16] [--out DIR] [--json]",
    "  tiebreak bench --filter 'fwd/(lora|tied-lora)/.*shape=mini'\n  tiebreak bench --list --filter llama2-7b\n"
    "  tiebreak bench --list --device cuda --dtype bf16 --filter published=\n"
    "Not covered: a base in fp8, or in NF4 on a GPU; kernels for sm_100; experts; W streamed while the adapter stays in cache.\n",
    run
};
