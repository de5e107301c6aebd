/* Google Benchmark's JSON, of this program or any other. Versions differ: 1.5 and newer name the
 * run and its type in each entry; older ones leave both to the name ("BM_x", "BM_x_mean"). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "gate/date.h"
#include "gate/set.h"

static const struct {
    const char *name;
    double      ns;
} units[] = { { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 } };
enum { UNITS = sizeof units / sizeof *units };

static const char *const aggregates[] = { "_mean", "_median", "_stddev", "_cv", "_BigO", "_RMS" };
enum { AGGREGATES = sizeof aggregates / sizeof *aggregates };

/* One run name of a file. */
typedef struct {
    const char *name, *problem;
    double     *logs;
    size_t      n, cap;
    int64_t     aggregates, skipped;
} run;

typedef struct {
    gate_set    *s;
    const char  *path;
    run         *runs;
    size_t       n, cap;
    string_table names, entries; /* of the runs; of all entries */
} report;

/* --- context */

static void read_machine(gate_set *s, gate_file *f, const json *context)
{
    str         text = { 0 };
    const char *host = json_text(json_find(context, "host_name"));
    if (host && *host) str_item(&text, ", ", host);
    if (isfinite(json_number(json_find(context, "num_cpus"))))
        str_printf(&text, "%s%.0f CPUs", text.n ? ", " : "", json_number(json_find(context, "num_cpus")));
    for (const json *c = json_items(json_find(context, "caches")); c; c = c->next) {
        const char *type = json_text(json_find(c, "type"));
        str_printf(&text, ", L%.0f %.20s %.0f", json_number(json_find(c, "level")), type ? type : "",
                   json_number(json_find(c, "size")));
    }
    if (text.n) f->facts[FACT_MACHINE] = gate_set_text(s, "%s", text.s);
    str_free(&text);
}

static int read_context(gate_set *s, gate_file *f, const json *context, const char *path)
{
    static const char *const texts[] = { "date", "host_name", "library_build_type" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const json *m = json_find(context, texts[i]);
        if (m && (!json_text(m) || utf8_control(json_text(m)))) {
            char where[300];
            snprintf(where, sizeof where, "%.250s: context", path);
            return json_refuse(m, where, texts[i], "a text without control characters");
        }
    }
    const char *date     = json_text(json_find(context, "date")),
               *build    = json_text(json_find(context, "library_build_type"));
    const json  *scaling = json_find(context, "cpu_scaling_enabled");
    const double mhz     = json_number(json_find(context, "mhz_per_cpu"));
    if (date) f->made = gate_date(date);
    if (build) f->facts[FACT_BUILD] = gate_set_text(s, "%s", build);
    f->facts[FACT_FORM] = "Google Benchmark's report";
    if (json_is_bool(scaling)) {
        f->facts[FACT_CLOCK] = json_is_true(scaling) ? "frequency scaling on" : "frequency scaling off";
        /* With scaling the frequency is what it was at that moment. */
        if (!json_is_true(scaling) && mhz > 0) f->mhz = mhz;
    }
    read_machine(s, f, context);
    return OK;
}

/* --- entries */

static run *run_of(report *r, const char *name, size_t n)
{
    int64_t at = string_table_get(&r->names, name, n);
    if (at >= 0) return &r->runs[at];
    if (r->n == r->cap) r->runs = mem_grow(r->runs, &r->cap, sizeof *r->runs);
    run *x = &r->runs[r->n];
    *x     = (run) { .name = gate_set_text(r->s, "%.*s", (int)n, name) };
    string_table_put(&r->names, x->name, n, (int64_t)r->n++);
    return x;
}

static bool has_entry(const report *r, const char *name, size_t n, const char *end)
{
    str text = { 0 };
    str_printf(&text, "%.*s%s", (int)n, name, end);
    const bool has = string_table_get(&r->entries, text.s, text.n) >= 0;
    str_free(&text);
    return has;
}

/* The length of the run's name in an old entry's name. Aggregates come together, so "BM_a_mean" is
 * one only where "BM_a_stddev" is there, too; fits have members of their own. */
static size_t old_run_name(const report *r, const json *entry, const char *name, bool *aggregate)
{
    const size_t n   = strlen(name);
    const bool   fit = json_find(entry, "rms") || json_find(entry, "cpu_coefficient");
    *aggregate       = false;
    for (int i = 0; i < AGGREGATES; i++) {
        const size_t k = strlen(aggregates[i]);
        if (n <= k || strcmp(name + n - k, aggregates[i]) != 0) continue;
        if (!fit && !(has_entry(r, name, n - k, "_mean") && has_entry(r, name, n - k, "_stddev"))) continue;
        *aggregate = true;
        return n - k;
    }
    return n;
}

static int add_time(report *r, run *x, const json *entry, const char *where)
{
    const char *unit = "ns";
    double      t;
    int         u = 0, rc = json_get_num(entry, where, r->s->field, -1e300, 1e300, &t);
    if (!rc && json_has(entry, "time_unit")) rc = json_get_str(entry, where, "time_unit", &unit);
    if (rc) return rc;
    while (u < UNITS && strcmp(unit, units[u].name)) u++;
    if (u == UNITS) return json_refuse(json_find(entry, "time_unit"), where, "time_unit", "ns, us, ms or s");
    if (!(t > 0)) {
        x->problem = gate_set_text(r->s, "%s of %g %s cannot be compared", r->s->field, t, unit);
        return OK;
    }
    if (x->n == x->cap) x->logs = mem_grow(x->logs, &x->cap, sizeof *x->logs);
    x->logs[x->n++] = log(t * units[u].ns);
    return OK;
}

static int add_entry(report *r, const json *entry, const char *where)
{
    const char *name, *type = NULL, *run_name;
    bool        aggregate = false;
    int         rc        = json_get_str(entry, where, "name", &name);
    if (!rc && json_has(entry, "run_type")) rc = json_get_str(entry, where, "run_type", &type);
    run_name = name;
    if (!rc && json_has(entry, "run_name")) rc = json_get_str(entry, where, "run_name", &run_name);
    if (rc) return rc;
    if (!*run_name) return input_error("%s: \"run_name\": is empty; a case has a name", where);
    if (type && strcmp(type, "iteration") && strcmp(type, "aggregate"))
        return json_refuse(json_find(entry, "run_type"), where, "run_type", "iteration or aggregate");
    size_t n = strlen(run_name);
    if (type)
        aggregate = !strcmp(type, "aggregate");
    else
        n = old_run_name(r, entry, run_name, &aggregate);
    run        *x       = run_of(r, run_name, n);
    const char *message = json_text(json_find(entry, "error_message")),
               *skip    = json_text(json_find(entry, "skip_message"));
    if (json_is_true(json_find(entry, "error_occurred"))) {
        x->problem = gate_set_text(r->s, "the benchmark failed: %.300s", message ? message : "it does not say why");
    } else if (json_is_true(json_find(entry, "skipped"))) {
        x->problem = gate_set_text(r->s, "the benchmark was skipped: %.300s",
                                   skip      ? skip
                                   : message ? message
                                             : "it does not say why");
    } else if (aggregate) {
        x->aggregates++;
    } else {
        rc = add_time(r, x, entry, where);
    }
    return rc;
}

int gate_read_gbench(gate_set *s, const json *doc, const char *path)
{
    report      r = { .s = s, .path = path };
    const json *context, *list;
    int         rc = json_get_object(doc, path, "context", &context);
    if (!rc) rc = json_get_array(doc, path, "benchmarks", &list);
    if (!rc) rc = read_context(s, gate_set_file(s, path), context, path);
    if (!rc && !json_size(list)) rc = input_error("%s: \"benchmarks\" is empty: no benchmark ran", path);
    for (const json *e = rc ? NULL : json_items(list); e; e = e->next) {
        const char *name = json_text(json_find(e, "name"));
        if (name) string_table_put(&r.entries, name, strlen(name), 0);
    }
    int64_t i = 0;
    for (const json *e = rc ? NULL : json_items(list); e && !rc; e = e->next, i++) {
        str where = { 0 };
        str_printf(&where, "%s: benchmarks[%lld]", path, (long long)i);
        const char *name = json_text(json_find(e, "name")), *own = json_text(json_find(e, "run_name"));
        if (!json_is_object(e))
            rc = input_error("%s: must be an object, one run of a benchmark", where.s);
        else if (utf8_control(name) || utf8_control(own))
            rc = input_error("%s: the name holds a control character; names of cases hold none", where.s);
        else
            rc = add_entry(&r, e, where.s);
        str_free(&where);
    }
    for (size_t k = 0; k < r.n; k++) {
        const run *x = &r.runs[k];
        if (!rc) {
            gate_sample *sample = gate_set_sample(s, x->name, GATE_TIME);
            sample->unit        = "ns";
            sample->problem     = x->problem;
            if (x->n) sample->process = gate_process_of(x->logs, (int64_t)x->n, -1);
            if (!x->n && !x->problem)
                sample->problem = "has aggregates without their samples; run it without "
                                  "--benchmark_report_aggregates_only";
        }
        free(x->logs);
    }
    free(r.runs);
    string_table_free(&r.names);
    string_table_free(&r.entries);
    return rc;
}
