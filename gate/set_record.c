/* Our own records and sample logs: what is gated of each. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/record.h"
#include "gate/date.h"
#include "gate/set.h"
#include "score/scored.h"

/* --- what is the same for all */

static const char *gpu_facts(gate_set *s, const json *gpu, const char *const *names)
{
    str text = { 0 };
    for (; *names; names++) {
        const char *value = json_text(json_find(gpu, *names));
        if (value) str_printf(&text, "%s%s %s", text.n ? ", " : "", *names, value);
    }
    const char *kept = text.n ? gate_set_text(s, "%s", text.s) : NULL;
    str_free(&text);
    return kept;
}

static void read_facts(gate_set *s, gate_file *f, const json *record)
{
    static const char *const        machine[] = { "name", "mig", "ecc", NULL },
                             *const clock[]   = { "sm_clock_max_mhz", "memory_clock_max_mhz", NULL },
                             *const power[]   = { "power_limit_w", NULL };
    const json *asked = record_get(record, field_record_asked), *where = record_get(record, field_record_where);
    const json *gpu = record_get(where, field_where_gpu), *data = record_get(asked, field_asked_data);
    const char *flags = record_text(where, field_where_flags, "");
    size_t      n     = strlen(flags);
    while (n && flags[n - 1] == ' ') n--;
    f->made                = gate_date(record_text(record, field_record_created, ""));
    f->facts[FACT_BUILD]   = gate_set_text(s, "flags %.*s", (int)n, flags);
    f->facts[FACT_DTYPE]   = gate_set_text(s, "%s", record_text(asked, field_asked_dtype, "f32"));
    f->facts[FACT_FORM]    = "record";
    f->facts[FACT_THREADS] = gate_set_text(s, "%lld", (long long)record_count(where, field_where_threads, 0));
    f->facts[FACT_MACHINE] = gate_set_text(s, "%s, %s", record_text(where, field_where_device, ""),
                                           gpu ? gpu_facts(s, gpu, machine) : record_text(where, field_where_cpu, ""));
    f->facts[FACT_CLOCK]   = gpu_facts(s, gpu, clock);
    f->facts[FACT_POWER]   = gpu_facts(s, gpu, power);
    if (data)
        f->facts[FACT_DATA] = gate_set_text(s, "%.12s, limit %lld", record_text(data, field_source_sha256, "?"),
                                            (long long)record_count(asked, field_asked_limit, 0));
}

static void add_count(gate_set *s, const char *part, const json *result, record_field field, const char *unit)
{
    const double x = record_number(result, field);
    if (!isfinite(x)) return;
    gate_sample *sample = gate_set_sample(s, part, GATE_EXACT);
    sample->count       = x;
    sample->unit        = unit;
}

/* --- a bench case */

/* What is gated: the time; on a GPU the time over that of the base GEMM, its pair in the same
 * block, so that clocks and heat fall on both. Pairs of a slowed-down device are left out. */
static const char *bench_logs(const json *result, bool on_gpu, double *logs, int64_t *n)
{
    const json  *base = record_get(result, field_timing_base_ns), *with = record_get(result, field_timing_case_ns);
    const json  *mhz[2]  = { record_get(result, field_timing_base_mhz), record_get(result, field_timing_case_mhz) };
    const double settled = record_number(result, field_timing_settled_mhz);
    const int    pairs   = json_size(with);
    if (json_size(base) != pairs) return "base and case have different numbers of samples";
    const json *clock[2] = { json_size(mhz[0]) == pairs ? json_items(mhz[0]) : NULL,
                             json_size(mhz[1]) == pairs ? json_items(mhz[1]) : NULL };
    *n = 0;
    for (const json *b = json_items(base), *w = json_items(with); b && w; b = b->next, w = w->next) {
        bool throttled = false;
        for (int k = 0; k < 2; k++) {
            throttled |= clock[k] && json_number(clock[k]) < 0.75 * settled;
            if (clock[k]) clock[k] = clock[k]->next;
        }
        const double x = json_number(w), y = json_number(b);
        if (!(x > 0 && y > 0)) return "holds a sample that is no time above 0";
        if (!throttled) logs[(*n)++] = on_gpu ? log(x / y) : log(x);
    }
    return *n ? NULL : "has no sample of the device at its own clock";
}

static void read_bench(gate_set *s, const json *record)
{
    const json  *asked = record_get(record, field_record_asked), *result = record_get(record, field_record_result);
    const json  *where  = record_get(record, field_record_where);
    const char  *name   = record_text(asked, field_bench_case_case, "");
    const bool   on_gpu = record_get(where, field_where_gpu) != NULL;
    double      *logs   = mem_alloc((size_t)json_size(record_get(result, field_timing_case_ns)) + 1, sizeof *logs);
    int64_t      n      = 0;
    gate_sample *time   = gate_set_sample(s, name, GATE_TIME);
    time->unit          = on_gpu ? "of base" : "ns";
    time->problem       = record_flag(where, field_where_rehearsal) ? "is of a rehearsal, in which nothing was measured"
                                                                    : bench_logs(result, on_gpu, logs, &n);
    if (!time->problem) time->process = gate_process_of(logs, n, -1);
    free(logs);
    static const struct {
        record_field field;
        const char  *name, *unit;
    } counts[] = { { field_timing_flops, "flops", "FLOP" },
                   { field_timing_bytes, "bytes", "bytes" },
                   { field_timing_launches, "launches", "" } };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        str part = { 0 };
        str_printf(&part, "%s/%s", name, counts[i].name);
        add_count(s, part.s, result, counts[i].field, counts[i].unit);
        str_free(&part);
    }
}

/* --- a training or an evaluation */

/* "eval/gsm8k" and "lora-r8", and what else may tell it apart from others in its folder. */
static void read_cell(gate_set *s, gate_file *f, const json *record)
{
    const json   *asked = record_get(record, field_record_asked), *adapter = record_get(asked, field_asked_adapter);
    const int64_t rank   = record_count(adapter, field_adapter_rank, 0);
    const char   *method = adapter ? record_text(adapter, field_adapter_method, "") : "base";
    f->stem              = gate_set_text(s, "%s/%s", record_text(record, field_record_kind, ""),
                                         record_text(asked, field_asked_task, ""));
    f->variant = rank ? gate_set_text(s, "%s-r%lld", method, (long long)rank) : gate_set_text(s, "%s", method);
    f->adapter = gate_set_text(s, "%s, %s on %s", f->variant, record_text(adapter, field_adapter_spec, "-"),
                               record_text(adapter, field_adapter_sites, "-"));
    f->asked   = json_copy(asked);
    /* What came of the training is no part of what was asked. */
    json *own = json_take(f->asked, record_key(field_asked_adapter));
    json_free(json_take(own, record_key(field_adapter_sha256)));
    if (own) record_put(f->asked, field_asked_adapter, own);
}

static const struct {
    record_field field;
    const char  *unit;
    bool         inverted;
} quantities[] = { { field_result_tokens_per_s, "tokens/s", true },
                   { field_result_peak_bytes, "bytes", false },
                   { field_result_device_peak_bytes, "bytes", false } };

static void read_quantities(gate_set *s, const json *record)
{
    const json *result = record_get(record, field_record_result);
    const bool  trial  = record_flag(record_get(record, field_record_where), field_where_rehearsal);
    for (size_t i = 0; i < sizeof quantities / sizeof *quantities; i++) {
        const double x = record_number(result, quantities[i].field);
        if (!(x > 0)) continue; /* nothing was read by the model, or it is not known */
        const double logs = quantities[i].inverted ? -log(x) : log(x);
        gate_sample *q    = gate_set_sample(s, record_key(quantities[i].field), GATE_TIME);
        q->unit           = quantities[i].unit;
        q->inverted       = quantities[i].inverted;
        q->aside          = true;
        q->process        = gate_process_of(&logs, 1, -1);
        if (trial) q->problem = "is of a rehearsal, in which nothing was measured";
    }
    add_count(s, record_key(field_result_trainable), result, field_result_trainable, "numbers");
    add_count(s, record_key(field_result_adapter_bytes), result, field_result_adapter_bytes, "bytes");
}

/* A case for each metric of the newest file's log. */
static int read_metrics(gate_set *s)
{
    scored log;
    int    rc = scored_read(&log, s->files[s->n_files - 1].log);
    if (rc) return rc;
    for (int m = 0; m < log.metrics.n; m++) {
        gate_sample *x = gate_set_sample(s, log.metrics.rows[m].name, GATE_SCORE);
        x->count       = log.metrics.rows[m].scale;
    }
    scored_free(&log);
    return OK;
}

static int read_scores(gate_set *s, gate_file *f, const json *record, const char *path)
{
    const char *name   = record_text(record_get(record, field_record_result), field_result_samples, "samples.jsonl");
    char       *folder = mem_strndup(path, (size_t)(path_base(path) - path));
    char       *log    = path_join(*folder ? folder : ".", path_base(name));
    int         rc     = OK;
    if (file_exists(log)) {
        f->log = gate_set_text(s, "%s", log);
        rc     = read_metrics(s);
    } else {
        for (const json *m = json_members(record_get(record_get(record, field_record_result), field_result_metrics)); m;
             m             = m->next)
            gate_set_sample(s, m->string, GATE_SCORE)->problem = gate_set_text(
                            s, "its record names %s, which is not there: a score without its items cannot be compared", log);
    }
    free(folder);
    free(log);
    return rc;
}

int gate_read_record(gate_set *s, const json *record, const char *path)
{
    const record_kind kind = record_kind_of(record);
    if (kind == RECORD_OTHER) return OK;
    gate_file *f = gate_set_file(s, path);
    read_facts(s, f, record);
    if (kind == RECORD_BENCH) {
        read_bench(s, record);
        return OK;
    }
    read_cell(s, f, record);
    read_quantities(s, record);
    return kind == RECORD_EVAL ? read_scores(s, f, record, path) : OK;
}

/* "samples_hellaswag_2026-01-31T12-00-00.123456.jsonl" is of hellaswag; "samples.jsonl" of its
 * folder. */
int gate_read_log(gate_set *s, const char *path, const char *root)
{
    gate_file   *f    = gate_set_file(s, path);
    const char  *base = path_base(path), *date = strrchr(base, '_');
    const size_t skip   = strncmp(path, root, strlen(root)) ? 0 : strlen(root);
    char        *folder = mem_strndup(path + skip, (size_t)(base - path) - (*root ? skip : (size_t)(base - path)));
    char        *within = folder;
    while (*within == '/') within++;
    while (*within && within[strlen(within) - 1] == '/') within[strlen(within) - 1] = '\0';
    f->log   = gate_set_text(s, "%s", path);
    f->asked = json_object();
    json_set_str(f->asked, "folder", within);
    if (!strncmp(base, "samples_", 8) && date > base + 8) {
        f->stem = gate_set_text(s, "%.*s", (int)(date - base - 8), base + 8);
        f->made = gate_date(date + 1);
    } else {
        f->stem = *within ? gate_set_text(s, "%s", within) : "scores";
    }
    free(folder);
    return utf8_control(f->stem) ? input_error("%s: the name holds a control character", path) : read_metrics(s);
}
