#include "reports/overhead.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/stats.h"

static int median_us(const json *result, const char *where, const char *key, double *out)
{
    const json *a;
    int         rc = json_get_array(result, where, key, &a);
    if (rc) return rc;
    int     n = cJSON_GetArraySize(a), i = 0;
    double *x = mem_alloc((size_t)n + 1, sizeof *x);
    for (const json *c = a->child; c; c = c->next) x[i++] = cJSON_IsNumber(c) ? c->valuedouble : NAN;
    *out = stats_median(x, n) / 1e3;
    free(x);
    return isfinite(*out) ? OK : input_error("%s: \"%s\": must be an array of numbers, one at least", where, key);
}

static const char *text_or_empty(const json *j) { return cJSON_IsString(j) ? j->valuestring : ""; }

static double number_or_nan(const json *obj, const char *key)
{
    const json *j = json_find(obj, key);
    return cJSON_IsNumber(j) ? j->valuedouble : NAN;
}

static int add_record(overhead *o, const json *record)
{
    char where[64];
    snprintf(where, sizeof where, "record %s", json_find(record, "id")->valuestring);
    const json *asked = json_find(record, "asked"), *result = json_find(record, "result");
    const json *w = json_find(record, "where"), *cpu = json_find(w, "cpu"),
               *gpu  = json_find(json_find(w, "gpu"), "name");
    overhead_point p = {
        .cpu = text_or_empty(cpu), .mode = "", .variant = "", .popularity = "", .gpu = text_or_empty(gpu), .adapters = 1
    };
    double flops, base_flops;
    int    rc = json_get_str(asked, where, "op", &p.op);
    if (!rc && json_has(asked, "mode")) rc = json_get_str(asked, where, "mode", &p.mode);
    if (!rc && json_has(asked, "variant")) rc = json_get_str(asked, where, "variant", &p.variant);
    if (!rc && json_has(asked, "adapters")) rc = json_get_int(asked, where, "adapters", 1, 1 << 20, &p.adapters);
    if (!rc && json_has(asked, "popularity")) rc = json_get_str(asked, where, "popularity", &p.popularity);
    if (!rc) rc = json_get_str(asked, where, "method", &p.method);
    if (!rc) rc = json_get_bool(asked, where, "tied", &p.tied);
    if (!rc) rc = json_get_int(asked, where, "rank", 0, 1 << 20, &p.rank);
    if (!rc) rc = json_get_str(asked, where, "shape", &p.shape);
    if (!rc) rc = json_get_str(asked, where, "site", &p.site);
    if (!rc) rc = json_get_int(asked, where, "d_in", 1, 1 << 24, &p.d_in);
    if (!rc) rc = json_get_int(asked, where, "d_out", 1, 1 << 24, &p.d_out);
    if (!rc) rc = json_get_int(asked, where, "tokens", 1, 1 << 30, &p.tokens);
    if (!rc) rc = json_get_str(asked, where, "device", &p.device);
    if (!rc) rc = json_get_str(asked, where, "dtype", &p.dtype);
    if (!rc) rc = json_get_num(result, where, "overhead", -INFINITY, INFINITY, &p.overhead);
    if (!rc) rc = json_get_num(result, where, "overhead_low", -INFINITY, INFINITY, &p.low);
    if (!rc) rc = json_get_num(result, where, "overhead_high", -INFINITY, INFINITY, &p.high);
    if (!rc) rc = json_get_num(result, where, "flops", 0, INFINITY, &flops);
    if (!rc) rc = json_get_num(result, where, "base_flops", 1, INFINITY, &base_flops);
    if (!rc) rc = json_get_int(result, where, "n", 1, 1 << 30, &p.n);
    if (!rc) rc = median_us(result, where, "base_ns", &p.base_us);
    p.case_us = p.waited_us = NAN;
    if (!rc && json_has(result, "case_ns")) rc = median_us(result, where, "case_ns", &p.case_us);
    if (!rc && json_has(result, "case_waited_ns")) rc = median_us(result, where, "case_waited_ns", &p.waited_us);
    if (rc) return rc;
    const json *same = json_find(result, "same_bits");
    p.emulated       = strstr(p.device, "emulated") != NULL || strstr(p.gpu, "emulated") != NULL;
    p.same_bits      = cJSON_IsBool(same) ? cJSON_IsTrue(same) : -1;
    p.byte_share     = number_or_nan(result, "bytes") / number_or_nan(result, "base_bytes") - 1;
    p.moved          = number_or_nan(result, "moved_over_base");
    p.floor          = number_or_nan(result, "floor_ns") / number_or_nan(result, "base_floor_ns") - 1;
    p.share          = number_or_nan(result, "share_of_floor");
    p.launches       = number_or_nan(result, "launches");
    p.base_launches  = number_or_nan(result, "base_launches");
    p.flop_share     = flops / base_flops - 1;
    if (o->n == o->cap) o->points = mem_grow(o->points, &o->cap, sizeof *o->points);
    o->points[o->n++] = p;
    return OK;
}

static int by_place(const void *x, const void *y)
{
    const overhead_point *a = x, *b = y;
    int                   c = strcmp(a->device, b->device);
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

int overhead_from_records(overhead *o, json *const *records, int64_t n)
{
    *o     = (overhead) { 0 };
    int rc = OK;
    for (int64_t i = 0; i < n && !rc; i++)
        if (!strcmp(json_find(records[i], "kind")->valuestring, "bench")) rc = add_record(o, records[i]);
    if (rc) overhead_free(o);
    if (o->n) qsort(o->points, o->n, sizeof *o->points, by_place);
    return rc;
}

void overhead_free(overhead *o)
{
    free(o->points);
    *o = (overhead) { 0 };
}

bool overhead_on_gpu(const overhead_point *p) { return *p->gpu != 0; }

static void number_cell(table *t, double x, int digits, const char *unit)
{
    if (isfinite(x))
        table_cell(t, "%.*f%s", digits, x, unit);
    else
        table_cell(t, "-");
}

void overhead_table(const overhead *o, table *t)
{
    table_init(
        t, "overhead", "Kernel overhead over the base GEMM",
        "Median of paired samples (adapter and base in the same run, interleaved), 95 % interval. FLOP share: the adapter's arithmetic over "
        "the base's; "
        "what is above it is memory traffic, launches and loops. Floor: the overhead of one pass at the device's own rates, and its share of the "
        "time; launches: of the case, of the base; waited: one call by the host's clock, median.",
        "device|shape|site|op|tokens#|method|tied|rank#|overhead#|95 % low#|95 % high#|FLOP share#|base us#|samples#|"
        "floor#|share of floor#|launches#|same bits|waited us#");
    for (size_t i = 0; i < o->n; i++) {
        const overhead_point *p = &o->points[i];
        table_row(t);
        table_cell(t, "%s %s%s", p->device, p->dtype, p->emulated ? " (a rehearsal: its times mean nothing)" : "");
        table_cell(t, "%s", p->shape);
        table_cell(t, "%s %lldx%lld", p->site, (long long)p->d_out, (long long)p->d_in);
        table_cell(t, "%s%s%s%s%s", p->op, *p->mode ? ", " : "", p->mode, *p->variant ? ", " : "", p->variant);
        table_cell(t, "%lld", (long long)p->tokens);
        if (p->adapters > 1)
            table_cell(t, "%s, %lld adapters%s%s", p->method, (long long)p->adapters, *p->popularity ? ", " : "",
                       p->popularity);
        else
            table_cell(t, "%s", p->method);
        table_cell(t, p->tied ? "tied" : "untied");
        table_cell(t, "%lld", (long long)p->rank);
        table_cell(t, "%+.1f %%", 100 * p->overhead);
        table_cell(t, "%+.1f %%", 100 * p->low);
        table_cell(t, "%+.1f %%", 100 * p->high);
        table_cell(t, "%+.2f %%", 100 * p->flop_share);
        table_cell(t, "%.4g", p->base_us);
        table_cell(t, "%lld", (long long)p->n);
        number_cell(t, 100 * p->floor, 2, " %");
        number_cell(t, 100 * p->share, 0, " %");
        if (isfinite(p->launches))
            table_cell(t, "%.0f, %.0f", p->launches, p->base_launches);
        else
            table_cell(t, "-");
        table_cell(t, "%s", p->same_bits < 0 ? "-" : p->same_bits ? "yes" : "NO");
        number_cell(t, p->waited_us, 1, "");
    }
}
