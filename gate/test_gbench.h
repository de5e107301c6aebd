/* Google Benchmark's files for tests, in the forms of three ages of the library. */
#ifndef TIEBREAK_GATE_TEST_GBENCH_H
#define TIEBREAK_GATE_TEST_GBENCH_H
#include "core/file.h"
#include "core/json.h"
#include "core/rng.h"
#include "core/test.h"

typedef enum {
    FORM_2018, /* 1.4: entries have a name alone */
    FORM_2020, /* 1.5: run_name and run_type */
    FORM_2025, /* 1.9: families, repetitions' numbers, the version of library and schema */
} test_form;

typedef struct {
    test_form   form;
    int         repetitions;
    bool        aggregates, no_samples;
    const char *host, *build, *unit;
    double      mhz;
    bool        scaling;
    int64_t     second; /* of the day on which it ran */
} test_report;
#define TEST_REPORT                                                                                                    \
    ((test_report) {                                                                                                   \
        .form = FORM_2025, .repetitions = 3, .host = "box", .build = "release", .unit = "ns", .mhz = 2400 })

static inline json *test_context(const test_report *t)
{
    json *context = json_object();
    char  date[40];
    snprintf(date, sizeof date, t->form == FORM_2018 ? "2026/11/20-%02d:%02d:%02d" : "2026-11-20T%02d:%02d:%02d+00:00",
             (int)(t->second / 3600 % 24), (int)(t->second / 60 % 60), (int)(t->second % 60));
    json_set_str(context, "date", date);
    if (t->form != FORM_2018) json_set_str(context, "host_name", t->host);
    json_set_str(context, "executable", "./suite");
    json_set_int(context, "num_cpus", 8);
    json_set_num(context, "mhz_per_cpu", t->mhz);
    json_set_bool(context, "cpu_scaling_enabled", t->scaling);
    json_set(context, "caches", json_format("[{'type':'Data','level':1,'size':%lld,'num_sharing':2}]", 32768LL));
    if (t->form == FORM_2025) json_set_str(context, "library_version", "v1.9.4");
    json_set_str(context, "library_build_type", t->build);
    if (t->form == FORM_2025) json_set_int(context, "json_schema_version", 1);
    return context;
}

static inline json *test_entry(const test_report *t, const char *name, const char *aggregate, int repetition,
                               double time)
{
    json *e = json_object();
    char  whole[300];
    snprintf(whole, sizeof whole, "%s%s%s", name, aggregate ? "_" : "", aggregate ? aggregate : "");
    json_set_str(e, "name", whole);
    if (t->form == FORM_2025) json_set_int(e, "family_index", 0);
    if (t->form != FORM_2018) {
        json_set_str(e, "run_name", name);
        json_set_str(e, "run_type", aggregate ? "aggregate" : "iteration");
        json_set_int(e, "repetitions", t->repetitions);
        if (!aggregate) json_set_int(e, "repetition_index", repetition);
        json_set_int(e, "threads", 1);
        if (aggregate) json_set_str(e, "aggregate_name", aggregate);
    }
    json_set_int(e, "iterations", aggregate ? t->repetitions : 1000);
    json_set_num(e, "real_time", time);
    json_set_num(e, "cpu_time", time / 2);
    json_set_str(e, "time_unit", t->unit);
    return e;
}

/* Appends the repetitions of one benchmark, each 1 % slower than the one before, and the aggregates
 * of those where asked. */
static inline void test_benchmark(json *list, const test_report *t, const char *name, double time)
{
    static const char *const aggregates[] = { "mean", "median", "stddev" };
    for (int i = 0; i < t->repetitions && !t->no_samples; i++)
        json_push(list, test_entry(t, name, NULL, i, time * (1 + 0.01 * i)));
    for (int i = 0; i < 3 && (t->aggregates || t->no_samples); i++)
        json_push(list, test_entry(t, name, aggregates[i], 0, i < 2 ? time : time / 100));
}

/* Writes dir/name; takes the list of entries. */
static inline void test_write_report(const char *dir, const char *name, const test_report *t, json *list)
{
    json *doc  = json_object();
    char *path = path_join(dir, name);
    json_set(doc, "context", test_context(t));
    json_set(doc, "benchmarks", list);
    assert_ok(file_make_dirs(dir));
    assert_ok(json_write_file(doc, path));
    json_free(doc);
    free(path);
}

/* A folder of n reports of the same cases, whose times have a noise of 0.5 % between processes; the
 * first case is slower by that many percent. The processes start every two seconds from `second`
 * on. */
static inline void test_side(const char *dir, const test_report *t, int n, int cases, double percent)
{
    rng r = rng_seed((uint64_t)t->second + 1);
    for (int i = 0; i < n; i++) {
        test_report own  = *t;
        json       *list = json_array();
        char        file[32], name[32];
        own.second = t->second + 2 * i;
        for (int c = 0; c < cases; c++) {
            snprintf(name, sizeof name, "BM_case/%d", c);
            test_benchmark(list, &own, name, 100 * (c + 1) * exp(0.005 * rng_normal(&r)) * (c ? 1 : 1 + percent / 100));
        }
        snprintf(file, sizeof file, "%02d.json", i);
        test_write_report(dir, file, &own, list);
    }
}
#endif
