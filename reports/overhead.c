#include "reports/overhead.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/record.h"
#include "core/stats.h"
#include "core/string_table.h"
#include "gate/verdict.h"

/* The median of a list of times in us; NaN where the record has none. */
static double median_us(const json *result, record_field f)
{
    const json *list = record_get(result, f);
    int         n = json_size(list), i = 0;
    double     *x = mem_alloc((size_t)n + 1, sizeof *x);
    for (const json *c = json_items(list); c; c = c->next) x[i++] = json_number(c);
    double median = n ? stats_median(x, n) / 1e3 : NAN;
    free(x);
    return median;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The interval by today's rule (core/stats.h) from the samples that a record has: older builds
 * wrote one that covered less. */
static void interval_of(const json *result, double *low, double *high)
{
    const json *base = record_get(result, field_timing_base_ns), *with = record_get(result, field_timing_case_ns);
    const int   n = json_size(base), l = (int)stats_median_low(n);
    double     *ratio = mem_alloc((size_t)n + 1, sizeof *ratio);
    int         i     = 0;
    for (const json *b = json_items(base), *w = json_items(with); b && w && json_size(with) == n;
         b = b->next, w = w->next)
        ratio[i++] = json_number(w) / json_number(b) - 1;
    if (i > 5) {
        qsort(ratio, (size_t)n, sizeof *ratio, ascending);
        *low = ratio[l], *high = ratio[n - 1 - l];
    }
    free(ratio);
}

/* Kernels counted as nodes of a graph; in older records launches. */
static double kernels_or(const json *result, record_field kernels, record_field launches)
{
    const double n = record_number(result, kernels);
    return isfinite(n) ? n : record_number(result, launches);
}

static overhead_point point_of(const json *record)
{
    const json *asked = record_get(record, field_record_asked), *result = record_get(record, field_record_result);
    const json *where = record_get(record, field_record_where), *same = record_get(result, field_timing_same_bits);
    const json *again = record_get(result, field_timing_again);
    const char *gpu   = json_text(json_find(record_get(where, field_where_gpu), "name"));
    double      floor = record_number(result, field_timing_floor_ns), bytes = record_number(result, field_timing_bytes),
           flops     = record_number(result, field_timing_flops);
    overhead_point p = {
        .id            = record_text(record, field_record_id, ""),
        .op            = record_text(asked, field_bench_case_op, ""),
        .method        = record_text(asked, field_bench_case_method, ""),
        .shape         = record_text(asked, field_bench_case_shape, ""),
        .site          = record_text(asked, field_bench_case_site, ""),
        .device        = record_text(asked, field_bench_case_device, ""),
        .dtype         = record_text(asked, field_bench_case_dtype, ""),
        .cpu           = record_text(where, field_where_cpu, ""),
        .mode          = record_text(asked, field_bench_case_mode, ""),
        .variant       = record_text(asked, field_bench_case_variant, ""),
        .gpu           = gpu ? gpu : "",
        .popularity    = record_text(asked, field_bench_case_popularity, ""),
        .tied          = record_flag(asked, field_bench_case_tied),
        .settled       = record_flag(result, field_timing_settled),
        .same_bits     = same ? record_flag(result, field_timing_same_bits) : -1,
        .rank          = record_count(asked, field_bench_case_rank, 0),
        .d_in          = record_count(asked, field_bench_case_d_in, 0),
        .d_out         = record_count(asked, field_bench_case_d_out, 0),
        .tokens        = record_count(asked, field_bench_case_tokens, 0),
        .adapters      = record_count(asked, field_bench_case_adapters, 1),
        .overhead      = record_number(result, field_timing_overhead),
        .low           = record_number(result, field_timing_overhead_low),
        .high          = record_number(result, field_timing_overhead_high),
        .base_us       = median_us(result, field_timing_base_ns),
        .flop_share    = flops / record_number(result, field_timing_base_flops) - 1,
        .case_us       = median_us(result, field_timing_case_ns),
        .byte_share    = bytes / record_number(result, field_timing_base_bytes) - 1,
        .moved         = record_number(result, field_timing_moved_over_base),
        .floor         = floor / record_number(result, field_timing_base_floor_ns) - 1,
        .share         = record_number(result, field_timing_share_of_floor),
        .launches      = kernels_or(result, field_timing_kernels, field_timing_launches),
        .base_launches = kernels_or(result, field_timing_base_kernels, field_timing_base_launches),
        .calls         = record_number(result, field_timing_calls),
        .empty_us      = record_number(result, field_timing_empty_ns) / 1e3,
        .again         = record_number(again, field_timing_overhead),
        .again_low     = record_number(again, field_timing_overhead_low),
        .again_high    = record_number(again, field_timing_overhead_high),
        .waited_us     = median_us(result, field_timing_case_waited_ns),
        .n             = record_count(result, field_timing_n, 0),
    };
    interval_of(result, &p.low, &p.high);
    if (again) interval_of(again, &p.again_low, &p.again_high);
    p.machine  = *p.gpu ? p.gpu : p.cpu;
    p.emulated = strstr(p.device, "emulated") != NULL || strstr(p.gpu, "emulated") != NULL;
    return p;
}

static int by_place(const void *x, const void *y)
{
    const overhead_point *a = x, *b = y;
    int                   c = strcmp(a->machine, b->machine);
    if (!c) c = strcmp(a->device, b->device);
    if (!c) c = strcmp(a->dtype, b->dtype);
    if (!c) c = strcmp(a->shape, b->shape);
    if (!c) c = strcmp(a->site, b->site);
    if (!c) c = (a->tokens > b->tokens) - (a->tokens < b->tokens);
    if (!c) c = strcmp(a->op, b->op);
    if (!c) c = strcmp(a->mode, b->mode);
    if (!c) c = strcmp(a->variant, b->variant);
    if (!c) c = strcmp(a->method, b->method);
    if (!c) c = (a->rank > b->rank) - (a->rank < b->rank);
    if (!c) c = (a->adapters > b->adapters) - (a->adapters < b->adapters);
    return c ? c : strcmp(a->popularity, b->popularity);
}

void overhead_from_records(overhead *o, json *const *records, int64_t n)
{
    string_table seen = { 0 };
    arena        keys = { 0 };
    *o                = (overhead) { 0 };
    o->points         = mem_grow(NULL, &o->cap, sizeof *o->points); /* never NULL */
    for (int64_t i = 0; i < n; i++) {
        str key = { 0 };
        if (record_kind_of(records[i]) != RECORD_BENCH) continue;
        /* A copy has its time, too; the same case measured again has another. */
        str_printf(&key, "%s %s", record_text(records[i], field_record_id, ""),
                   record_text(records[i], field_record_created, ""));
        json_print(record_get(records[i], field_record_where), &key, false);
        const bool copy = string_table_put(&seen, arena_strndup(&keys, key.s, key.n), key.n, 0) >= 0;
        str_free(&key);
        o->copies += copy;
        if (copy) continue;
        if (o->n == o->cap) o->points = mem_grow(o->points, &o->cap, sizeof *o->points);
        o->points[o->n++] = point_of(records[i]);
    }
    if (o->n) qsort(o->points, o->n, sizeof *o->points, by_place);
    string_table_free(&seen);
    arena_free(&keys);
}

void overhead_free(overhead *o)
{
    free(o->points);
    *o = (overhead) { 0 };
}

bool overhead_on_gpu(const overhead_point *p) { return *p->gpu != 0; }

void overhead_table(const overhead *o, table *t)
{
    table_init(
        t, "overhead", "Kernel overhead over the base GEMM",
        "Median of paired samples (adapter and base in the same run, interleaved), 95 % interval by order statistics. FLOP share: the adapter's "
        "arithmetic over the base's; what is above it is memory traffic, launches and loops. Floor: the overhead of one pass at the device's own "
        "rates, and its share of the time; kernels: of the case, of the base, as nodes of a captured graph (older records: launches, a library's call counted "
        "as one); waited: one call by the host's clock, median; calls: of one sample, from which the empty interval was taken off; again: the fastest "
        "variant of a case measured once more in a block of its own, as the least of several medians is too small.",
        "machine|device|shape|site|op|tokens#|method|tied|rank#|overhead %#|95 % low#|95 % high#|FLOP share %#|base us#|adapter us#|"
        "samples#|settled|floor %#|share of floor %#|kernels#|same bits|waited us#|calls#|empty us#|again %#|again low#|again high#");
    for (size_t i = 0; i < o->n; i++) {
        const overhead_point *p = &o->points[i];
        table_row(t);
        table_cells(t, "%s|%s %s%s|%s|%s %lldx%lld|%s%s%s%s%s|%lld", p->machine, p->device, p->dtype,
                    p->emulated ? " (a rehearsal: its times mean nothing)" : "", p->shape, p->site, (long long)p->d_out,
                    (long long)p->d_in, p->op, *p->mode ? ", " : "", p->mode, *p->variant ? ", " : "", p->variant,
                    (long long)p->tokens);
        if (p->adapters > 1)
            table_cells(t, "%s, %lld adapters%s%s", p->method, (long long)p->adapters, *p->popularity ? ", " : "",
                        p->popularity);
        else
            table_cells(t, "%s", p->method);
        table_cells(t, "%s|%lld", p->tied ? "tied" : "untied", (long long)p->rank);
        table_value(t, "%+.1f", 100 * p->overhead);
        table_value(t, "%+.1f", 100 * p->low);
        table_value(t, "%+.1f", 100 * p->high);
        table_value(t, "%+.2f", 100 * p->flop_share);
        table_value(t, "%.4g", p->base_us);
        table_value(t, "%.4g", p->base_us * p->overhead);
        table_cells(t, "%lld|%s", (long long)p->n, p->settled ? "yes" : "NO");
        table_value(t, "%.2f", 100 * p->floor);
        table_value(t, "%.0f", 100 * p->share);
        table_cells(t, isfinite(p->launches) ? "%.0f, %.0f" : "-", p->launches, p->base_launches);
        table_cells(t, "%s", p->same_bits < 0 ? "-" : p->same_bits ? "yes" : "NO");
        table_value(t, "%.1f", p->waited_us);
        table_value(t, "%.0f", p->calls);
        table_value(t, "%.3f", p->empty_us);
        table_value(t, "%+.1f", 100 * p->again);
        table_value(t, "%+.1f", 100 * p->again_low);
        table_value(t, "%+.1f", 100 * p->again_high);
    }
}

/* --- the same cases, measured before */

static bool same_case(const overhead_point *a, const overhead_point *b)
{
    return !strcmp(a->id, b->id) && !strcmp(a->machine, b->machine);
}

static int by_case(const void *x, const void *y)
{
    const overhead_point *a = *(const overhead_point *const *)x, *b = *(const overhead_point *const *)y;
    const int             c = strcmp(a->machine, b->machine);
    return c ? c : strcmp(a->id, b->id);
}

static const overhead_point **sorted(const overhead *o)
{
    const overhead_point **p = mem_alloc(o->n + 1, sizeof *p);
    for (size_t i = 0; i < o->n; i++) p[i] = &o->points[i];
    qsort(p, o->n, sizeof *p, by_case);
    return p;
}

/* A record is a process: its median overhead, as the log of the time over the base's. */
static gate_process *processes(const overhead_point **p, size_t n)
{
    gate_process *out = mem_alloc(n, sizeof *out);
    for (size_t i = 0; i < n; i++) {
        const double width = log1p(p[i]->high) - log1p(p[i]->low);
        out[i]             = (gate_process) { log1p(p[i]->overhead), isfinite(width) ? width / 4 : 0, -1 };
    }
    return out;
}

static size_t run_length(const overhead_point **p, const overhead_point **end)
{
    size_t n = 1;
    while (p + n < end && same_case(p[0], p[n])) n++;
    return n;
}

/* A case that both have, from its records. */
typedef struct {
    const overhead_point **here, **there;
    size_t                 n_here, n_there;
    gate_judgement         j;
} met_case;

static void add_row(const met_case *m, table *t)
{
    const overhead_point *p = m->here[0];
    table_row(t);
    table_cells(t, "%s|%s %s|%s|%s|%s%s%s%s%s|%lld|%s|%lld", p->machine, p->device, p->dtype, p->shape, p->site, p->op,
                *p->mode ? ", " : "", p->mode, *p->variant ? ", " : "", p->variant, (long long)p->tokens, p->method,
                (long long)p->rank);
    table_cells(t, "%zu|%zu", m->n_here, m->n_there);
    table_value(t, "%+.2f", m->j.change);
    table_value(t, "%+.2f", m->j.low);
    table_value(t, "%+.2f", m->j.high);
    table_cells(t, "%s", gate_word(m->j.verdict));
}

overhead_verdicts overhead_against(const overhead *here, const overhead *there, table *t)
{
    overhead_verdicts      v = { 0 };
    const overhead_point **a = sorted(here), **b = sorted(there), **end_a = a + here->n, **end_b = b + there->n,
                         **x = a, **y = b;
    met_case *met = mem_alloc(here->n + 1, sizeof *met);
    size_t    n   = 0;
    table_init(
        t, "reproduction-bench", "The same bench cases, measured before",
        "On the same machine, judged as `tiebreak gate` judges, by a margin of 3 %: the change of the time over the base's "
        "from there to here in percent, with intervals that hold at once in 95 %. A record is one process; below five a "
        "side a case is inconclusive.",
        "machine|device|shape|site|op|tokens#|method|rank#|processes here#|there#|change %#|low#|high#|verdict");
    while (x < end_a && y < end_b) {
        const int c = by_case(x, y);
        if (c < 0) x++;
        if (c > 0) y++;
        if (c) continue;
        met[n] = (met_case) { x, y, run_length(x, end_a), run_length(y, end_b), { 0 } };
        x += met[n].n_here, y += met[n].n_there, n++;
    }
    for (size_t i = 0; i < n; i++) {
        met_case     *m      = &met[i];
        gate_process *before = processes(m->there, m->n_there), *now = processes(m->here, m->n_here);
        gate_judge(&m->j, before, (int64_t)m->n_there, now, (int64_t)m->n_here,
                   &(gate_rule) { .margin = 3, .cases = (int64_t)n });
        v.compared++;
        v.inconclusive += m->j.verdict == GATE_INCONCLUSIVE;
        v.differ += m->j.verdict == GATE_REGRESSED || m->j.verdict == GATE_IMPROVED;
        add_row(m, t);
        free(before);
        free(now);
    }
    free(met);
    free(a);
    free(b);
    return v;
}
