#include "reports/quality.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/record.h"
#include "core/stats.h"
#include "core/string_table.h"
#include "metrics/metric.h"
#include "core/apart.h"

/* --- what was asked, in two halves */

static const record_field who[] = { field_asked_base, field_asked_adapter, field_asked_device, field_asked_dtype,
                                    field_asked_variant };
enum { WHO = sizeof who / sizeof *who };

static void drop(json *object, record_field f) { json_free(json_take(object, record_key(f))); }

/* Base and adapter with its training, and how they were computed. seed: the training's, too. What
 * came of the training, its hash, is left out. */
static json *row_of(const json *asked, bool seed)
{
    json *row = json_object();
    for (int i = 0; i < WHO; i++)
        if (record_get(asked, who[i])) json_set(row, record_key(who[i]), json_copy(record_get(asked, who[i])));
    json *adapter = json_take(row, record_key(field_asked_adapter));
    drop(adapter, field_adapter_sha256);
    if (!seed) drop(adapter, field_adapter_seed);
    if (adapter) record_put(row, field_asked_adapter, adapter);
    return row;
}

/* All the rest, and the metric's rules; which other metrics were asked for changes no score. */
static json *column_of(const json *asked, const json *score)
{
    json *column = json_copy(asked);
    for (int i = 0; i < WHO; i++) drop(column, who[i]);
    drop(column, field_asked_metrics);
    json_set_str(column, "rules", record_text(score, field_metric_signature, ""));
    return column;
}

/* The hash of a training's row: of its own record, and of those of its scores. */
static void training_id(const json *asked, bool seed, char out[17])
{
    json *row = row_of(asked, seed);
    record_id(row, out);
    json_free(row);
}

/* --- collecting */

typedef struct {
    const json *record;
    char        id[17], cell[17]; /* with the seed, without */
    bool        scored;
} training;

typedef struct {
    quality     *q;
    training    *trainings;
    size_t       n_trainings;
    string_table by_id;  /* trainings */
    string_table points; /* by row, column and metric */
} collecting;

/* The eval and train records, those left out whose id was there before. */
static const json **distinct(quality *q, json *const *records, int64_t n, int64_t *kept)
{
    string_table ids = { 0 };
    const json **out = mem_alloc((size_t)n + 1, sizeof *out);
    *kept            = 0;
    for (int64_t i = 0; i < n; i++) {
        const record_kind kind = record_kind_of(records[i]);
        const char       *id   = record_text(records[i], field_record_id, "");
        if (kind != RECORD_EVAL && kind != RECORD_TRAIN) continue;
        const int64_t before = string_table_put(&ids, id, strlen(id), *kept);
        if (before < 0) {
            out[(*kept)++] = records[i];
            continue;
        }
        q->copies++;
        q->conflicts += !json_equal(record_get(record_get(out[before], field_record_result), field_result_metrics),
                                    record_get(record_get(records[i], field_record_result), field_result_metrics));
    }
    string_table_free(&ids);
    return out;
}

static void add_training(collecting *c, const json *record)
{
    training   *t     = &c->trainings[c->n_trainings];
    const json *asked = record_get(record, field_record_asked);
    t->record         = record;
    training_id(asked, true, t->id);
    training_id(asked, false, t->cell);
    string_table_put(&c->by_id, t->id, strlen(t->id), (int64_t)c->n_trainings++);
}

/* The point of this row, column and metric, new where there is none. Takes the halves. */
static quality_point *point_for(collecting *c, quality_point p)
{
    quality *q   = c->q;
    str      key = { 0 };
    record_id(p.row, p.row_id);
    record_id(p.column, p.column_id);
    str_printf(&key, "%s %s %s", p.row_id, p.column_id, p.metric);
    const char   *kept = arena_strndup(&q->texts, key.s, key.n);
    const int64_t at   = string_table_put(&c->points, kept, key.n, (int64_t)q->n);
    str_free(&key);
    if (at >= 0) {
        json_free(p.row), json_free(p.column);
        return &q->points[at];
    }
    if (q->n == q->cap) q->points = mem_grow(q->points, &q->cap, sizeof *q->points);
    q->points[q->n] = p;
    return &q->points[q->n++];
}

/* One run a seed: a second one, asked for with other metrics, is a copy. */
static void add_run(quality *q, quality_point *p, quality_run r)
{
    for (int i = 0; i < p->n_runs; i++) {
        if (p->runs[i].seed != r.seed) continue;
        q->copies++;
        q->conflicts += !(p->runs[i].value == r.value);
        return;
    }
    if ((size_t)p->n_runs == p->runs_cap) p->runs = mem_grow(p->runs, &p->runs_cap, sizeof *p->runs);
    p->runs[p->n_runs++] = r;
}

static void add_evaluation(collecting *c, const json *record)
{
    const json *asked = record_get(record, field_record_asked), *result = record_get(record, field_record_result);
    const json *adapter = record_get(asked, field_asked_adapter), *metrics = record_get(result, field_result_metrics),
               *base = record_get(asked, field_asked_base);
    char id[17];
    training_id(asked, true, id);
    const int64_t at = string_table_get(&c->by_id, id, strlen(id));
    training     *t  = at < 0 ? NULL : &c->trainings[at];
    if (t) t->scored = true;
    const json   *trained = t ? record_get(t->record, field_record_result) : result;
    quality_point p       = { .base          = record_text(base, field_source_name, "?"),
                              .base_sha256   = record_text(base, field_source_sha256, ""),
                              .task          = record_text(asked, field_asked_task, "?"),
                              .method        = adapter ? record_text(adapter, field_adapter_method, "?") : "base",
                              .sites         = record_text(adapter, field_adapter_sites, ""),
                              .rank          = record_count(adapter, field_adapter_rank, -1),
                              .lr            = record_number(adapter, field_adapter_lr),
                              .steps         = record_count(adapter, field_adapter_steps, -1),
                              .n             = record_count(result, field_result_n, 0),
                              .kept          = record_count(result, field_result_trainable, 0),
                              .trained       = record_count(trained, field_result_trainable, 0),
                              .adapter_bytes = record_count(result, field_result_adapter_bytes, 0) };
    record_cell_id(asked, p.group);
    for (const json *m = json_members(metrics); m; m = m->next) {
        p.metric           = m->string;
        p.higher_is_better = strcmp(record_text(m, field_metric_better, ""), "lower") != 0;
        p.row              = row_of(asked, false);
        p.column           = column_of(asked, m);
        quality_point *to  = point_for(c, p);
        add_run(c->q, to,
                (quality_run) { .seed        = record_count(adapter, field_adapter_seed, -1),
                                .value       = record_number(m, field_metric_value),
                                .item_stderr = record_number(m, field_metric_stderr),
                                .wall_s      = t ? record_number(trained, field_result_wall_s) : NAN });
        to->primary |= m == json_members(metrics);
    }
}

/* How many seeds of a row were trained; and trainings without a score. */
static void count_trainings(collecting *c)
{
    quality     *q     = c->q;
    string_table cells = { 0 };
    int         *count = mem_alloc(c->n_trainings + 1, sizeof *count);
    q->unscored        = mem_alloc(c->n_trainings + 1, sizeof *q->unscored);
    for (size_t i = 0; i < c->n_trainings; i++) {
        const training *t  = &c->trainings[i];
        const int64_t   at = string_table_put(&cells, t->cell, strlen(t->cell), (int64_t)i);
        count[at < 0 ? (int64_t)i : at]++;
        if (!t->scored) q->unscored[q->n_unscored++] = t->record;
    }
    for (quality_point *p = q->points; p < q->points + q->n; p++) {
        const int64_t at = string_table_get(&cells, p->row_id, strlen(p->row_id));
        p->n_trained     = at >= 0 && count[at] > p->n_runs ? count[at] : p->n_runs;
    }
    string_table_free(&cells);
    free(count);
}

/* A column is primary, with all its points, where it is so for one of them. */
static void mark_primary(quality *q)
{
    string_table primary = { 0 };
    for (int round = 0; round < 2; round++)
        for (quality_point *p = q->points; p < q->points + q->n; p++) {
            str key = { 0 };
            str_printf(&key, "%s %s", p->column_id, p->metric);
            if (round)
                p->primary = string_table_get(&primary, key.s, key.n) >= 0;
            else if (p->primary)
                string_table_put(&primary, arena_strndup(&q->texts, key.s, key.n), key.n, 0);
            str_free(&key);
        }
    string_table_free(&primary);
}

/* --- statistics */

static const double normal_975 = 1.959963984540054;

static int by_seed(const void *x, const void *y)
{
    const quality_run *a = x, *b = y;
    return (a->seed > b->seed) - (a->seed < b->seed);
}

static void summarise(quality_point *p)
{
    const int64_t k      = p->n_runs;
    double       *values = mem_alloc((size_t)k, sizeof *values), squares = 0;
    qsort(p->runs, (size_t)k, sizeof *p->runs, by_seed);
    for (int64_t i = 0; i < k; i++) {
        values[i] = p->runs[i].value;
        squares += p->runs[i].item_stderr * p->runs[i].item_stderr;
    }
    p->item_error = sqrt(squares / (double)k);
    p->item_half  = normal_975 * p->item_error;
    p->mean       = stats_mean(values, k);
    p->seed_sd    = stats_sd(values, k);
    p->half       = k > 1 ? stats_t975(k - 1) * p->seed_sd / sqrt((double)k) : NAN;
    free(values);
}

double quality_half(const quality_point *p) { return p->n_runs > 1 ? p->half : p->item_half; }

bool quality_separated(const quality_point *a, const quality_point *b)
{
    const double gap    = a->higher_is_better ? a->mean - b->mean : b->mean - a->mean;
    const double half_a = quality_half(a), half_b = quality_half(b);
    return gap > sqrt(half_a * half_a + half_b * half_b);
}

bool quality_same_panel(const quality_point *a, const quality_point *b)
{
    return !strcmp(a->column_id, b->column_id) && !strcmp(a->metric, b->metric) && !strcmp(a->base, b->base) &&
           !strcmp(a->base_sha256, b->base_sha256);
}

/* A point is off the front only when a point with no more trained numbers is better beyond the
 * intervals. Who beats a point that beats another beats that one, too: the halves of intervals obey
 * the triangle's inequality. So points, sorted by trained numbers, are compared with the front so
 * far and with their equals. */
static void mark_front(quality_point *points, size_t n)
{
    quality_point **front = mem_alloc(n + 1, sizeof *front);
    size_t          kept  = 0;
    for (size_t from = 0, to; from < n; from = to) {
        const size_t before = kept;
        for (to = from; to < n && points[to].trained == points[from].trained; to++) front[kept++] = &points[to];
        const size_t end = kept;
        for (size_t i = before; i < end; i++) {
            front[i]->on_front = true;
            for (size_t k = 0; k < end && front[i]->on_front; k++)
                front[i]->on_front = !quality_separated(front[k], front[i]);
        }
        kept = before;
        for (size_t i = before; i < end; i++)
            if (front[i]->on_front) front[kept++] = front[i];
    }
    free(front);
}

static int by_place(const void *x, const void *y)
{
    const quality_point *a = x, *b = y;
    int                  c = strcmp(a->task, b->task);
    if (!c) c = b->primary - a->primary;
    if (!c) c = strcmp(a->metric, b->metric);
    if (!c) c = strcmp(a->answered, b->answered);
    if (!c) c = strcmp(a->column_id, b->column_id);
    if (!c) c = strcmp(a->base, b->base);
    if (!c) c = strcmp(a->base_sha256, b->base_sha256);
    if (!c) c = (a->trained > b->trained) - (a->trained < b->trained);
    if (!c) c = strcmp(a->method, b->method);
    if (!c) c = (a->rank > b->rank) - (a->rank < b->rank);
    if (!c) c = strcmp(a->settings, b->settings);
    return c ? c : strcmp(a->row_id, b->row_id);
}

/* --- names */

/* Gives each point what tells its row, or its column, from others of the same name. */
static void name_halves(quality *q, bool rows)
{
    apart       *things = mem_alloc(q->n + 1, sizeof *things);
    size_t       n      = 0;
    string_table known = { 0 }, named = { 0 };
    for (quality_point *p = q->points; p < q->points + q->n; p++) {
        str key = { 0 }, name = { 0 };
        str_printf(&key, "%s %s", rows ? p->row_id : p->column_id, rows ? p->column_id : p->metric);
        if (rows)
            str_printf(&name, "%s\n%lld\n%s\n%s\n%s", p->method, (long long)p->rank, p->sites, p->base, p->base_sha256);
        else
            str_printf(&name, "%s\n%s", p->task, p->metric);
        const char *kept = arena_strndup(&q->texts, key.s, key.n);
        if (string_table_put(&known, kept, key.n, 0) < 0)
            things[n++] = (apart) { arena_strndup(&q->texts, name.s, name.n), rows ? p->column_id : "",
                                    rows ? p->row : p->column, NULL };
        str_free(&key);
        str_free(&name);
    }
    tell_apart(things, n);
    for (size_t i = 0; i < n; i++) {
        char id[17];
        record_id(things[i].object, id);
        string_table_put(&named, arena_strndup(&q->texts, id, 16), 16, (int64_t)i);
    }
    for (quality_point *p = q->points; p < q->points + q->n; p++) {
        const char *text = things[string_table_get(&named, rows ? p->row_id : p->column_id, 16)].text;
        *(rows ? &p->settings : &p->answered) = arena_strndup(&q->texts, text, strlen(text));
    }
    for (size_t i = 0; i < n; i++) free(things[i].text);
    string_table_free(&known);
    string_table_free(&named);
    free(things);
}

void quality_from_records(quality *q, json *const *records, int64_t n)
{
    int64_t      kept;
    collecting   c    = { .q = q };
    const json **used = (*q = (quality) { 0 }, distinct(q, records, n, &kept));
    q->points         = mem_grow(NULL, &q->cap, sizeof *q->points); /* never NULL, however few there are */
    c.trainings       = mem_alloc((size_t)kept + 1, sizeof *c.trainings);
    for (int64_t i = 0; i < kept; i++)
        if (record_kind_of(used[i]) == RECORD_TRAIN) add_training(&c, used[i]);
    for (int64_t i = 0; i < kept; i++)
        if (record_kind_of(used[i]) == RECORD_EVAL) add_evaluation(&c, used[i]);
    count_trainings(&c);
    mark_primary(q);
    for (quality_point *p = q->points; p < q->points + q->n; p++) {
        summarise(p);
        q->several_bases |= strcmp(p->base, q->points->base) || strcmp(p->base_sha256, q->points->base_sha256);
    }
    name_halves(q, true);
    name_halves(q, false);
    if (q->n) qsort(q->points, q->n, sizeof *q->points, by_place);
    for (size_t from = 0, to; from < q->n; from = to) {
        for (to = from + 1; to < q->n && quality_same_panel(&q->points[to], &q->points[from]); to++) {
        }
        mark_front(q->points + from, to - from);
    }
    string_table_free(&c.by_id);
    string_table_free(&c.points);
    free(c.trainings);
    free(used);
}

void quality_free(quality *q)
{
    for (size_t i = 0; i < q->n; i++) {
        json_free(q->points[i].row), json_free(q->points[i].column);
        free(q->points[i].runs);
    }
    free(q->points);
    free(q->unscored);
    arena_free(&q->texts);
    *q = (quality) { 0 };
}

/* --- tables */

static double or_nan(int64_t x) { return x < 0 ? NAN : (double)x; }

table_text quality_rank(const quality_point *p) { return table_number("%.0f", or_nan(p->rank)); }

table_text quality_seeds(const quality_point *p)
{
    table_text t;
    snprintf(t.text, sizeof t.text, p->n_trained > p->n_runs ? "%d of %d" : "%d", p->n_runs, p->n_trained);
    return t;
}

/* A base's name, with 8 digits of its hash where there are several. */
static void base_cell(table *t, const quality *q, const quality_point *p)
{
    table_cells(t, q->several_bases ? "%s %.8s" : "%s", p->base, p->base_sha256);
}

void quality_table(const quality *q, table *t)
{
    table_init(
        t, "quality", "Quality against cost",
        "Score: mean over training seeds. Half-width: of its 95 % interval over seeds (Student's t; none with one seed). Two sources of variance, "
        "apart: item stderr is how far other items would move one run, seed sd how far another training seed would. Trained numbers, and those "
        "that are kept where ranks were pruned. Front: no adapter with as few or fewer trained numbers is better beyond the intervals, a single "
        "run having that of its items.",
        "task|metric|answered|base|method|rank#|sites|settings|lr#|steps#|trained#|kept#|adapter bytes#|score#|95 % half-width over seeds#|"
        "item stderr#|seed sd#|seeds#|items#|train s#|front");
    for (const quality_point *p = q->points; p < q->points + q->n; p++) {
        double wall = 0;
        for (int i = 0; i < p->n_runs; i++) wall += p->runs[i].wall_s / p->n_runs;
        table_row(t);
        table_cells(t, "%s|%s|%s", p->task, p->metric, p->answered);
        base_cell(t, q, p);
        table_cells(t, "%s", p->method);
        table_value(t, "%.0f", or_nan(p->rank));
        table_cells(t, "%s|%s", p->sites, p->settings);
        table_value(t, "%g", p->lr);
        table_value(t, "%.0f", or_nan(p->steps));
        table_cells(t, "%lld|%lld|%lld", (long long)p->trained, (long long)p->kept, (long long)p->adapter_bytes);
        table_value(t, "%.4g", p->mean);
        table_value(t, "%.2g", p->half);
        table_value(t, "%.2g", p->item_error);
        table_value(t, "%.2g", p->seed_sd);
        table_cells(t, "%s|%lld", quality_seeds(p).text, (long long)p->n);
        table_value(t, "%.1f", wall);
        table_cells(t, "%s", p->on_front ? "yes" : "");
    }
}

void quality_runs_table(const quality *q, table *t)
{
    table_init(t, "runs", "Every run", NULL,
               "task|metric|answered|base|method|rank#|sites|settings|seed#|score#|item stderr#|train s#");
    t->csv_only = true;
    for (const quality_point *p = q->points; p < q->points + q->n; p++)
        for (int i = 0; i < p->n_runs; i++) {
            const quality_run *r = &p->runs[i];
            table_row(t);
            table_cells(t, "%s|%s|%s", p->task, p->metric, p->answered);
            base_cell(t, q, p);
            table_cells(t, "%s", p->method);
            table_value(t, "%.0f", or_nan(p->rank));
            table_cells(t, "%s|%s", p->sites, p->settings);
            table_value(t, "%.0f", or_nan(r->seed));
            table_value(t, "%g", r->value);
            table_value(t, "%g", r->item_stderr);
            table_value(t, "%g", r->wall_s);
        }
}

void quality_unscored_table(const quality *q, table *t)
{
    table_init(t, "unscored", "Trained and not scored",
               "Trainings among the records that no evaluation here is of. Their seeds are missing above.",
               "base|task|method|rank#|sites|lr#|steps#|seed#|id");
    for (size_t i = 0; i < q->n_unscored; i++) {
        const json *asked = record_get(q->unscored[i], field_record_asked), *base = record_get(asked, field_asked_base),
                   *a = record_get(asked, field_asked_adapter);
        table_row(t);
        table_cells(t, "%s %.8s|%s|%s", record_text(base, field_source_name, "?"),
                    record_text(base, field_source_sha256, ""), record_text(asked, field_asked_task, "?"),
                    record_text(a, field_adapter_method, "?"));
        table_value(t, "%.0f", or_nan(record_count(a, field_adapter_rank, -1)));
        table_cells(t, "%s", record_text(a, field_adapter_sites, ""));
        table_value(t, "%g", record_number(a, field_adapter_lr));
        table_cells(t, "%lld|%lld|%s", (long long)record_count(a, field_adapter_steps, 0),
                    (long long)record_count(a, field_adapter_seed, 0),
                    record_text(q->unscored[i], field_record_id, "?"));
    }
}

void unfinished_table(json *const *asked, int64_t n, table *t)
{
    table_init(
        t, "unfinished", "Begun and not finished",
        "Cells whose folder has no record yet: they were killed, failed, or are under way. The same command goes on with them.",
        "folder|task|method|rank#|lr#|steps#|seed#");
    for (int64_t i = 0; i < n; i++) {
        const json *a = record_get(asked[i], field_asked_adapter);
        table_row(t);
        table_cells(t, "%s|%s|%s", json_text(json_find(asked[i], "folder")),
                    record_text(asked[i], field_asked_task, "?"),
                    a ? record_text(a, field_adapter_method, "?") : "base");
        table_value(t, "%.0f", record_number(a, field_adapter_rank));
        table_value(t, "%g", record_number(a, field_adapter_lr));
        table_value(t, "%.0f", record_number(a, field_adapter_steps));
        table_value(t, "%.0f", record_number(a, field_adapter_seed));
    }
}

static int by_cost(const void *x, const void *y)
{
    const quality_point *a = *(const quality_point *const *)x, *b = *(const quality_point *const *)y;
    int                  c = strcmp(a->base, b->base);
    if (!c) c = strcmp(a->base_sha256, b->base_sha256);
    if (!c) c = (a->trained > b->trained) - (a->trained < b->trained);
    if (!c) c = strcmp(a->method, b->method);
    if (!c) c = (a->rank > b->rank) - (a->rank < b->rank);
    return c ? c : strcmp(a->settings, b->settings);
}

/* The key of a point's row in the summary: tasks may be trained with settings of their own. */
static const char *summary_key(quality *q, const quality_point *p)
{
    str key = { 0 };
    str_printf(&key, "%s\n%lld\n%s\n%s\n%s\n%s", p->method, (long long)p->rank, p->sites, p->base, p->base_sha256,
               p->settings);
    const char *kept = arena_strndup(&q->texts, key.s, key.n);
    str_free(&key);
    return kept;
}

/* "squad, em (limit 50), 0..100" */
static void column_head(table *t, const quality_point *p)
{
    const metric *m    = metric_find(p->metric);
    str           name = { 0 };
    str_printf(&name, "%s, %s", p->task, p->metric);
    if (*p->answered) str_printf(&name, " (%s)", p->answered);
    if (m && m->higher && m->scale > 0) str_printf(&name, ", 0..%g", m->scale);
    if (!p->higher_is_better) str_puts(&name, ", lower is better");
    table_head(t, true, name.s);
    str_free(&name);
}

static void score_cell(table *t, const quality_point *p)
{
    str text = { 0 };
    str_printf(&text, "%.3g", p->mean);
    if (isfinite(p->half)) str_printf(&text, " +- %.2g", p->half);
    if (p->runs->seed >= 0) str_printf(&text, " (%s)", quality_seeds(p).text);
    table_cells(t, "%s", text.s);
    str_free(&text);
}

void quality_summary(quality *q, table *t)
{
    const quality_point **rows       = mem_alloc(q->n + 1, sizeof *rows);
    string_table          row_of_key = { 0 }, columns = { 0 }, cells = { 0 };
    size_t                n_rows = 0, n_columns = 0;
    bool                  settings = false;
    table_init(
        t, "summary", "Which adapter: scores by task",
        "Mean over training seeds, whose number is in brackets (2 of 3: one was trained and not scored); +- half of the 95 % interval over "
        "them (Student's t), where there are two or more. The base alone, in the row `base`, has no seed.",
        "method|rank#|sites|trained parameters#|kept parameters#");
    for (const quality_point *p = q->points; p < q->points + q->n; p++) settings |= p->primary && *p->settings;
    if (q->several_bases) table_head(t, false, "base");
    if (settings) table_head(t, false, "settings");
    for (quality_point *p = q->points; p < q->points + q->n; p++) {
        str key = { 0 };
        if (!p->primary) continue;
        const char *row = summary_key(q, p);
        if (string_table_put(&row_of_key, row, strlen(row), (int64_t)n_rows) < 0) rows[n_rows++] = p;
        str_printf(&key, "%s %s", p->column_id, p->metric);
        const char *column = arena_strndup(&q->texts, key.s, key.n);
        int64_t     at     = string_table_put(&columns, column, key.n, (int64_t)n_columns);
        if (at < 0) column_head(t, p), at = (int64_t)n_columns++;
        str_clear(&key);
        str_printf(&key, "%lld %s", (long long)at, row);
        string_table_put(&cells, arena_strndup(&q->texts, key.s, key.n), key.n, p - q->points);
        str_free(&key);
    }
    qsort(rows, n_rows, sizeof *rows, by_cost);
    for (size_t r = 0; r < n_rows; r++) {
        const quality_point *first = rows[r];
        const char          *row   = summary_key(q, first);
        table_row(t);
        table_cells(t, "%s", first->method);
        table_value(t, "%.0f", or_nan(first->rank));
        table_cells(t, "%s|%lld|%lld", first->sites, (long long)first->trained, (long long)first->kept);
        if (q->several_bases) base_cell(t, q, first);
        if (settings) table_cells(t, "%s", first->settings);
        for (size_t k = 0; k < n_columns; k++) {
            str key = { 0 };
            str_printf(&key, "%zu %s", k, row);
            const int64_t at = string_table_get(&cells, key.s, key.n);
            if (at >= 0)
                score_cell(t, &q->points[at]);
            else
                table_cells(t, "-");
            str_free(&key);
        }
    }
    string_table_free(&row_of_key);
    string_table_free(&columns);
    string_table_free(&cells);
    free(rows);
}
