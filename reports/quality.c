#include "reports/quality.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/record.h"
#include "core/stats.h"

static quality_point *find_or_add(quality *q, const quality_point *like)
{
    for (size_t i = 0; i < q->n; i++)
        if (!strcmp(q->points[i].group, like->group) && !strcmp(q->points[i].metric, like->metric))
            return &q->points[i];
    if (q->n == q->cap) q->points = mem_grow(q->points, &q->cap, sizeof *q->points);
    q->points[q->n] = *like;
    return &q->points[q->n++];
}

/* Base and adapter as asked for, seed included, what came of it left out: equal in the record of a
 * training and in those of its scores. */
static void training_key(const json *record, char out[17])
{
    const json *asked = record_get(record, field_record_asked);
    json       *key = json_object(), *adapter = json_copy(record_get(asked, field_asked_adapter));
    json_free(json_take(adapter, record_key(field_adapter_sha256)));
    json_set(key, record_key(field_asked_base), json_copy(record_get(asked, field_asked_base)));
    json_set(key, record_key(field_asked_adapter), adapter);
    record_id(key, out);
    json_free(key);
}

typedef struct {
    char   key[17];
    double wall_s;
} training;

typedef struct {
    training *items;
    size_t    n;
} trainings;

static trainings find_trainings(json *const *records, int64_t n)
{
    trainings t = { mem_alloc((size_t)n + 1, sizeof *t.items), 0 };
    for (int64_t i = 0; i < n; i++) {
        if (record_kind_of(records[i]) != RECORD_TRAIN) continue;
        training_key(records[i], t.items[t.n].key);
        t.items[t.n++].wall_s = record_number(record_get(records[i], field_record_result), field_result_wall_s);
    }
    return t;
}

static double training_s(const trainings *t, const json *record)
{
    char key[17];
    training_key(record, key);
    for (size_t i = 0; i < t->n; i++)
        if (!strcmp(t->items[i].key, key)) return t->items[i].wall_s;
    return NAN;
}

static int add_record(quality *q, const json *record, const trainings *t)
{
    const json   *asked = record_get(record, field_record_asked), *result = record_get(record, field_record_result);
    const json   *adapter = record_get(asked, field_asked_adapter), *metrics = record_get(result, field_result_metrics);
    quality_point p = { .base          = record_text(record_get(asked, field_asked_base), field_source_name, "?"),
                        .task          = record_text(asked, field_asked_task, "?"),
                        .method        = adapter ? record_text(adapter, field_adapter_method, "?") : "base",
                        .sites         = record_text(adapter, field_adapter_sites, ""),
                        .rank          = record_count(adapter, field_adapter_rank, -1),
                        .lr            = record_number(adapter, field_adapter_lr),
                        .n             = record_count(result, field_result_n, 0),
                        .trainable     = record_count(result, field_result_trainable, 0),
                        .adapter_bytes = record_count(result, field_result_adapter_bytes, 0) };
    record_cell_id(asked, p.group);
    for (const json *m = json_members(metrics); m; m = m->next) {
        p.metric           = m->string;
        p.primary          = m == json_members(metrics);
        p.higher_is_better = strcmp(record_text(m, field_metric_better, ""), "lower") != 0;
        quality_point *at  = find_or_add(q, &p);
        if (at->n_seeds == SEEDS_MAX)
            return input_error("record %s: more than %d runs of one cell", record_text(record, field_record_id, "?"),
                               SEEDS_MAX);
        at->values[at->n_seeds]      = record_number(m, field_metric_value);
        at->item_stderr[at->n_seeds] = record_number(m, field_metric_stderr);
        at->wall_s[at->n_seeds]      = training_s(t, record);
        at->n_seeds++;
    }
    return OK;
}

static void summarise(quality_point *p)
{
    int64_t k       = p->n_seeds;
    double  squares = 0;
    for (int64_t i = 0; i < k; i++) squares += p->item_stderr[i] * p->item_stderr[i];
    p->item_error = sqrt(squares / (double)k);
    p->mean       = stats_mean(p->values, k);
    p->seed_sd    = stats_sd(p->values, k);
    p->half       = k > 1 ? stats_t975(k - 1) * p->seed_sd / sqrt((double)k) : 1.959963984540054 * p->item_stderr[0];
}

bool quality_separated(const quality_point *a, const quality_point *b)
{
    double gap = a->higher_is_better ? a->mean - b->mean : b->mean - a->mean;
    return gap > sqrt(a->half * a->half + b->half * b->half);
}

/* A point leaves the front only when a point with no more trained parameters is better beyond
 * the intervals. */
static void mark_front(quality *q)
{
    for (size_t i = 0; i < q->n; i++) {
        quality_point *p = &q->points[i];
        p->on_front      = true;
        for (size_t k = 0; k < q->n && p->on_front; k++) {
            const quality_point *o = &q->points[k];
            if (o == p || strcmp(o->task, p->task) || strcmp(o->metric, p->metric) || strcmp(o->base, p->base))
                continue;
            if (o->trainable <= p->trainable && quality_separated(o, p)) p->on_front = false;
        }
    }
}

static int by_place(const void *x, const void *y)
{
    const quality_point *a = x, *b = y;
    int                  c = strcmp(a->task, b->task);
    if (!c) c = b->primary - a->primary;
    if (!c) c = strcmp(a->metric, b->metric);
    if (!c) c = strcmp(a->base, b->base);
    if (!c) c = (a->trainable > b->trainable) - (a->trainable < b->trainable);
    if (!c) c = strcmp(a->method, b->method);
    if (!c) c = (a->rank > b->rank) - (a->rank < b->rank);
    return c ? c : strcmp(a->group, b->group);
}

int quality_from_records(quality *q, json *const *records, int64_t n)
{
    *q           = (quality) { 0 };
    int       rc = OK;
    trainings t  = find_trainings(records, n);
    for (int64_t i = 0; i < n && !rc; i++)
        if (record_kind_of(records[i]) == RECORD_EVAL) rc = add_record(q, records[i], &t);
    free(t.items);
    if (rc) {
        quality_free(q);
        return rc;
    }
    for (size_t i = 0; i < q->n; i++) summarise(&q->points[i]);
    if (q->n) qsort(q->points, q->n, sizeof *q->points, by_place);
    mark_front(q);
    return OK;
}

void quality_free(quality *q)
{
    free(q->points);
    *q = (quality) { 0 };
}

table_text quality_rank(const quality_point *p) { return table_number("%.0f", p->rank >= 0 ? (double)p->rank : NAN); }

void quality_table(const quality *q, table *t)
{
    table_init(
        t, "quality", "Quality against cost",
        "Mean over training seeds with its 95 % interval (Student's t over seeds; of the items where there is one seed). Two sources of "
        "variance, apart: item stderr is how far other items would move one run, seed sd how far another training seed would. "
        "Front: no adapter with as few or fewer trained parameters is better beyond the intervals.",
        "task|metric|method|rank#|sites|trainable#|adapter bytes#|score#|95 % half-width#|item stderr#|seed sd#|seeds#|items#|train s#|front");
    for (size_t i = 0; i < q->n; i++) {
        const quality_point *p = &q->points[i];
        table_row(t);
        table_cells(t, "%s|%s|%s|%s|%s|%lld|%lld", p->task, p->metric, p->method, quality_rank(p).text, p->sites,
                    (long long)p->trainable, (long long)p->adapter_bytes);
        table_cells(t, "%.4g|%s|%s|%s|%d|%lld|%s|%s", p->mean, table_number("%.2g", p->half).text,
                    table_number("%.2g", p->item_error).text, table_number("%.2g", p->seed_sd).text, p->n_seeds,
                    (long long)p->n, table_number("%.1f", stats_mean(p->wall_s, p->n_seeds)).text,
                    p->on_front ? "yes" : "");
    }
}

enum { SUMMARY_TASKS = TABLE_COLUMNS - 4 };

static bool same_adapter(const quality_point *a, const quality_point *b)
{
    return !strcmp(a->method, b->method) && a->rank == b->rank && !strcmp(a->sites, b->sites);
}

static const quality_point *find_primary(const quality *q, const char *task, const quality_point *adapter)
{
    for (const quality_point *p = q->points; p < q->points + q->n; p++)
        if (p->primary && !strcmp(p->task, task) && same_adapter(p, adapter)) return p;
    return NULL;
}

/* Where a point stands in the summary: by trained parameters, then as its label reads. */
static int by_cost(const void *x, const void *y)
{
    const quality_point *a = *(const quality_point *const *)x, *b = *(const quality_point *const *)y;
    int                  c = (a->trainable > b->trainable) - (a->trainable < b->trainable);
    if (!c) c = strcmp(a->method, b->method);
    return c ? c : (a->rank > b->rank) - (a->rank < b->rank);
}

void quality_summary(const quality *q, table *t)
{
    const quality_point *tasks[SUMMARY_TASKS], **rows = mem_alloc(q->n + 1, sizeof *rows);
    int                  n_tasks = 0;
    size_t               n_rows  = 0;
    str                  heads   = { 0 };
    str_puts(&heads, "method|rank#|sites|trained parameters#");
    for (size_t i = 0; i < q->n; i++) {
        const quality_point *p = &q->points[i];
        int                  k = 0;
        size_t               r = 0;
        if (!p->primary) continue;
        while (k < n_tasks && strcmp(tasks[k]->task, p->task)) k++;
        if (k == n_tasks && n_tasks < SUMMARY_TASKS) {
            tasks[n_tasks++] = p;
            str_printf(&heads, "|%s, %s#", p->task, p->metric);
        }
        while (r < n_rows && !same_adapter(rows[r], p)) r++;
        if (r == n_rows) rows[n_rows++] = p;
    }
    qsort(rows, n_rows, sizeof *rows, by_cost);
    table_init(
        t, "summary", "Which adapter: scores by task",
        "Mean over training seeds +- half of its 95 % interval; the base alone has the interval of its items. AdaLoRA's rank is the one it starts "
        "with; its allocator prunes to target_r.",
        heads.s);
    for (size_t r = 0; r < n_rows; r++) {
        table_row(t);
        table_cells(t, "%s|%s|%s|%lld", rows[r]->method, quality_rank(rows[r]).text, rows[r]->sites,
                    (long long)rows[r]->trainable);
        for (int k = 0; k < n_tasks; k++) {
            const quality_point *p = find_primary(q, tasks[k]->task, rows[r]);
            if (p)
                table_cells(t, isfinite(p->half) ? "%.3g +- %.2g" : "%.3g", p->mean, p->half);
            else
                table_cells(t, "-");
        }
    }
    free(rows);
    str_free(&heads);
}
