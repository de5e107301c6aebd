#include "reports/limit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

/* The name of a variant in a table; what the model calls has none. */
static const char *shown_variant(const char *name) { return *name ? name : "ops"; }

static const struct {
    const char *op, *name;
} uses[] = { { "fwd", "prefill" }, { "fwd+bwd", "training" }, { "bwd", "backward" } };

typedef struct {
    const overhead_point **at; /* sorted by row */
    size_t                 n;
    const char           **variant; /* columns, "" first */
    size_t                 n_variants, cap;
} points;

static void points_free(points *p)
{
    free(p->at);
    free(p->variant);
}

static int by_row(const void *x, const void *y)
{
    const overhead_point *a = *(const overhead_point *const *)x, *b = *(const overhead_point *const *)y;
    int                   c = strcmp(a->machine, b->machine);
    if (!c) c = strcmp(a->dtype, b->dtype);
    if (!c) c = -strcmp(a->op, b->op); /* fwd+bwd, fwd, decode, bwd */
    if (!c) c = strcmp(a->shape, b->shape);
    if (!c) c = (a->tokens > b->tokens) - (a->tokens < b->tokens);
    if (!c) c = (a->d_out > b->d_out) - (a->d_out < b->d_out);
    if (!c) c = strcmp(a->site, b->site);
    if (!c) c = (a->adapters > b->adapters) - (a->adapters < b->adapters);
    if (!c) c = strcmp(a->popularity, b->popularity);
    if (!c) c = strcmp(a->method, b->method);
    return c ? c : (a->rank > b->rank) - (a->rank < b->rank);
}

static points select_points(const overhead *o, bool emulated, bool many)
{
    points p = { .at = mem_alloc(o->n + 1, sizeof(const overhead_point *)) };
    for (size_t i = 0; i < o->n; i++) {
        const overhead_point *a = &o->points[i];
        size_t                v = 0;
        if (!overhead_on_gpu(a) || a->emulated != emulated || !*a->mode || (a->adapters > 1) != many) continue;
        p.at[p.n++] = a;
        while (v < p.n_variants && strcmp(p.variant[v], a->variant)) v++;
        if (v < p.n_variants) continue;
        if (v == p.cap) p.variant = mem_grow(p.variant, &p.cap, sizeof *p.variant);
        p.variant[p.n_variants++] = a->variant;
    }
    if (p.n) qsort(p.at, p.n, sizeof *p.at, by_row);
    return p;
}

static const overhead_point *find(const points *p, size_t from, size_t to, const char *variant, const char *mode)
{
    for (size_t i = from; i < to; i++)
        if (!strcmp(p->at[i]->variant, variant) && !strcmp(p->at[i]->mode, mode)) return p->at[i];
    return NULL;
}

static const char *const modes[] = { "cold", "hot", "back-to-back" };
enum { MODES = sizeof modes / sizeof *modes };

static int mode_number(const overhead_point *a)
{
    int i = 0;
    while (i < MODES && strcmp(modes[i], a->mode)) i++;
    return i;
}

/* "+1.9 / +1.7 / +2.0 · 3": cold, hot, back to back if there is such, kernels. */
static void variant_cell(const points *p, size_t from, size_t to, const char *variant, table *t)
{
    str    s     = { 0 };
    double count = NAN;
    bool   any   = false;
    for (int k = 0; k < MODES; k++) {
        const overhead_point *a = find(p, from, to, variant, modes[k]);
        if (!a && k > 1) continue;
        if (k) str_puts(&s, " / ");
        if (!a) {
            str_puts(&s, "-");
            continue;
        }
        str_printf(&s, "%+.1f", 100 * a->overhead);
        count = a->launches;
        any   = true;
    }
    if (isfinite(count)) str_printf(&s, " · %.0f", count);
    table_cells(t, "%s", any ? s.s : "-");
    str_free(&s);
}

/* Over its base in us: bases differ, where the op before is in one. By the second measurement where
 * there is one. */
static double over_us(const overhead_point *a) { return a->base_us * (isfinite(a->again) ? a->again : a->overhead); }

/* Is a to stand for its row rather than b: of the first mode there is; measured again, as the least
 * of the others is too small; the fastest. */
static bool better(const overhead_point *a, const overhead_point *b)
{
    const int order = mode_number(b) - mode_number(a), confirmed = isfinite(a->again) - isfinite(b->again);
    return order ? order > 0 : confirmed ? confirmed > 0 : over_us(a) < over_us(b);
}

/* The best in a row. Merged weights are left out: they serve the one adapter they were merged
 * with. */
static const overhead_point *best_of(const points *p, size_t from, size_t to)
{
    const overhead_point *best = NULL;
    for (size_t i = from; i < to; i++)
        if (strcmp(p->at[i]->variant, "merged") && (!best || better(p->at[i], best))) best = p->at[i];
    return best;
}

static void row_of(const points *p, size_t from, size_t to, table *t)
{
    const overhead_point *a = p->at[from], *best = best_of(p, from, to);
    const char           *name = a->op;
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++)
        if (!strcmp(uses[i].op, a->op)) name = uses[i].name;
    table_row(t);
    table_cells(t, "%s|%s, T = %lld|%s|%lldx%lld|%s|%s|%lld|%.4g|%s", a->machine, name, (long long)a->tokens, a->site,
                (long long)a->d_out, (long long)a->d_in, a->dtype, a->method, (long long)a->rank, a->base_us,
                table_number("%+.2f", 100 * a->floor).text);
    if (best)
        table_cells(t, "%s %s|%s", shown_variant(best->variant), best->mode,
                    table_number("%.0f %%", 100 * best->share).text);
    else
        table_cells(t, "-|-");
    if (best && isfinite(best->again))
        table_cells(t, "%+.1f (%+.1f .. %+.1f)", 100 * best->again, 100 * best->again_low, 100 * best->again_high);
    else
        table_cells(t, "-");
    for (size_t v = 0; v < p->n_variants; v++) variant_cell(p, from, to, p->variant[v], t);
}

static const char note[] =
    "Overhead over the base GEMM timed in the same block, in %: cold / hot / back to back, "
    "where there is such · kernels (nodes of a captured graph, the base's own included; in older records launches, a "
    "call of cuBLAS counted as one). Cold: twice the L2 passes between two uses of an array; back to back: the same, "
    "nobody waits between samples. Floor: the overhead of "
    "one pass over every array, at the copy and GEMM rates measured in the same run. Best: the fastest over its base in "
    "us but merged weights, which serve one adapter; again: it once more, in a block of its own, since the least of "
    "several medians is too small; share: floor over its median. \"ops\": what the model calls.";

void limit_table(const overhead *o, bool emulated, table *t)
{
    points p = select_points(o, emulated, false);
    table_init(t, emulated ? "floor-rehearsal" : "floor",
               emulated ? "REHEARSAL on an emulated device: nothing was measured here"
                        : "Adapter kernels beside the hardware's floor",
               emulated ? "These rows try the tables. Their times are an emulator's, on a processor, and mean nothing."
                        : note,
               "machine|case|site|N x K|type|method|r#|base us#|floor#|best|share of floor#|again");
    for (size_t v = 0; v < p.n_variants; v++) table_head(t, true, shown_variant(p.variant[v]));
    for (size_t from = 0, to; from < p.n; from = to) {
        for (to = from + 1; to < p.n && !by_row(&p.at[from], &p.at[to]); to++) {
        }
        row_of(&p, from, to, t);
    }
    points_free(&p);
}

void many_adapters_table(const overhead *o, bool emulated, table *t)
{
    points p = select_points(o, emulated, true);
    table_init(t, emulated ? "tenants-rehearsal" : "tenants",
               emulated ? "REHEARSAL of many adapters in a batch: nothing was measured here"
                        : "Many adapters in one batch",
               "Bytes: what has to be read and written at least, over the base's; moved: the same of the variant's own "
               "steps. Rows take adapters that are all different, all the same, or drawn by Zipf's law. A tied "
               "method's A and B are the same for every adapter; its u and v are not.",
               "machine|op|N x K|type|method|tied|r#|tokens#|adapters#|popularity|variant|mode|bytes over base#|"
               "moved over base#|time over base#|95 % low#|95 % high#|kernels#");
    for (size_t i = 0; i < p.n; i++) {
        const overhead_point *a = p.at[i];
        table_row(t);
        table_cells(t, "%s|%s|%lldx%lld|%s|%s|%s|%lld|%lld|%lld|%s|%s|%s", a->machine, a->op, (long long)a->d_out,
                    (long long)a->d_in, a->dtype, a->method, a->tied ? "tied" : "untied", (long long)a->rank,
                    (long long)a->tokens, (long long)a->adapters, a->popularity, shown_variant(a->variant), a->mode);
        table_cells(t, "%+.1f %%|%s|%+.1f %%|%+.1f %%|%+.1f %%|%.0f", 100 * a->byte_share,
                    table_number("%+.1f %%", 100 * a->moved).text, 100 * a->overhead, 100 * a->low, 100 * a->high,
                    a->launches);
    }
    points_free(&p);
}
