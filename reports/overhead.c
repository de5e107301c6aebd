#include "reports/overhead.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/record.h"
#include "core/stats.h"
#include "core/string_table.h"

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
static void interval_of(const json *result, overhead_point *p)
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
        p->low = ratio[l], p->high = ratio[n - 1 - l];
    }
    free(ratio);
}

static overhead_point point_of(const json *record)
{
    const json *asked = record_get(record, field_record_asked), *result = record_get(record, field_record_result);
    const json *where = record_get(record, field_record_where), *same = record_get(result, field_timing_same_bits);
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
        .launches      = record_number(result, field_timing_launches),
        .base_launches = record_number(result, field_timing_base_launches),
        .waited_us     = median_us(result, field_timing_case_waited_ns),
        .n             = record_count(result, field_timing_n, 0),
    };
    interval_of(result, &p);
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
        "rates, and its share of the time; launches: of the case, of the base; waited: one call by the host's clock, median.",
        "machine|device|shape|site|op|tokens#|method|tied|rank#|overhead %#|95 % low#|95 % high#|FLOP share %#|base us#|adapter us#|"
        "samples#|settled|floor %#|share of floor %#|launches#|same bits|waited us#");
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
    }
}

static const double noisy_width = 0.1;

overhead_verdicts overhead_against(const overhead *here, const overhead *there, table *t)
{
    overhead_verdicts v      = { 0 };
    string_table      before = { 0 };
    arena             keys   = { 0 };
    table_init(
        t, "reproduction-bench", "The same bench cases, measured before",
        "On the same machine. Overhead in percent, with its 95 % interval; two agree where their intervals meet.",
        "machine|device|shape|site|op|tokens#|method|rank#|here %#|low#|high#|there %#|low there#|high there#|verdict");
    for (int round = 0; round < 2; round++) {
        const overhead *o = round ? here : there;
        for (const overhead_point *p = o->points; p < o->points + o->n; p++) {
            str key = { 0 };
            str_printf(&key, "%s %s", p->id, p->machine);
            const int64_t at = round ? string_table_get(&before, key.s, key.n)
                                     : string_table_put(&before, arena_strndup(&keys, key.s, key.n), key.n,
                                                        p - o->points);
            str_free(&key);
            if (!round || at < 0) continue;
            const overhead_point *b    = &there->points[at];
            const bool            meet = p->low <= b->high && b->low <= p->high,
                       noisy           = meet && fmax(p->high - p->low, b->high - b->low) > noisy_width;
            v.compared++;
            v.differ += !meet;
            v.too_noisy += noisy;
            table_row(t);
            table_cells(t, "%s|%s %s|%s|%s|%s%s%s%s%s|%lld|%s|%lld", p->machine, p->device, p->dtype, p->shape, p->site,
                        p->op, *p->mode ? ", " : "", p->mode, *p->variant ? ", " : "", p->variant, (long long)p->tokens,
                        p->method, (long long)p->rank);
            const double shown[] = { p->overhead, p->low, p->high, b->overhead, b->low, b->high };
            for (int i = 0; i < 6; i++) table_value(t, "%+.1f", 100 * shown[i]);
            table_cells(t, "%s", !meet ? "DIFFERS" : noisy ? "too noisy to tell" : "agrees");
        }
    }
    string_table_free(&before);
    arena_free(&keys);
    return v;
}
