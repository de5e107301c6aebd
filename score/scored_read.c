/* Reads sample logs into scores: lines of our samples.jsonl, or of lm-evaluation-harness's
 * samples_TASK_DATE.jsonl. */
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/string_table.h"
#include "score/lines.h"
#include "score/scored_private.h"

/* A log while it is read. */
typedef struct {
    scored      *s;
    bool         foreign; /* the log is lm-evaluation-harness's */
    string_table ids;
    uint32_t    *have; /* for each item a bit for each metric that it has a number of */
    size_t       cap;
    json_lines   in;
    bool         vary;                 /* whether the number of references varies */
    char        *skipped[METRICS_MAX]; /* metrics that are no number of an item */
    int          n_skipped;
} sample_log;

_Static_assert(METRICS_MAX <= 32, "a bit for each metric");

/* One metric of one line. */
typedef struct {
    const char *name, *where;
    const json *line, *value;
} log_entry;

/* A metric that the log itself computed: only each item's number is known. */
static metric mean_of(const char *name)
{
    const metric *known = metric_find(name);
    return (metric) { .name    = name,
                      .about   = "mean over the items",
                      .rules   = "mean|items:as logged",
                      .source  = METRIC_TEXT,
                      .scale   = 1,
                      .higher  = !known || known->higher,
                      .error   = STDERR_MEAN,
                      .n_stats = 1 };
}

static int add_row(sample_log *l, const metric *row, const char *where)
{
    metric_list *list = &l->s->metrics;
    if (list->n == METRICS_MAX) return input_error("%s: more than %d metrics", where, METRICS_MAX);
    list->rows[list->n]      = *row;
    list->rows[list->n].name = arena_strndup(&l->s->memory, row->name, strlen(row->name));
    l->s->stats[list->n]     = mem_alloc(l->s->cap * (size_t)row->n_stats, sizeof **l->s->stats);
    list->n++;
    return OK;
}

/* --- what a value says */

static int not_a_score(const log_entry *e) { return json_refuse(e->value, e->where, e->name, "a finite number"); }

static int number_of(const log_entry *e, double *out)
{
    if (json_is_bool(e->value))
        *out = json_is_true(e->value);
    else if (isfinite(json_number(e->value)))
        *out = e->value->valuedouble;
    else
        return not_a_score(e);
    return OK;
}

static int counts_of(const log_entry *e, const json *counts, int n, double *stats)
{
    int k = 0;
    for (const json *c = json_items(counts); c && k <= n; c = c->next, k++) {
        if (!isfinite(json_number(c))) k = n + 1;
        if (k < n) stats[k] = c->valuedouble;
    }
    return k == n ? OK : input_error("%s: \"stats\": \"%s\": must be %d finite numbers", e->where, e->name, n);
}

static int likelihood_of(const metric *row, const log_entry *e, double *stats)
{
    metric_input in     = { 0 };
    const json  *target = json_find(e->line, "target");
    int          rc     = json_get_num(e->line, e->where, "loglikelihood", -1e300, 0, &in.ll);
    if (!rc) rc = json_get_int(e->line, e->where, "tokens", 0, INT64_MAX / 2, &in.tokens);
    if (rc) return rc;
    if (json_text(target)) {
        in.words = py_resplit_words(slice_of(target->valuestring));
        in.bytes = (int64_t)strlen(target->valuestring);
    }
    metric_item(row, &in, stats);
    return OK;
}

/* For our own lines: the score of a mean, the counts of other metrics. */
static int own_stats(const metric *row, const log_entry *e, double *stats)
{
    const json *counts = json_find(json_find(e->line, "stats"), e->name);
    if (counts) return counts_of(e, counts, row->n_stats, stats);
    if (row->source == METRIC_LIKELIHOOD) return likelihood_of(row, e, stats);
    if (row->n_stats > 1)
        return input_error(
            "%s: \"%s\": its counts are not under \"stats\", and a score alone says nothing about other items",
            e->where, e->name);
    int rc = number_of(e, stats);
    *stats /= row->scale;
    return rc;
}

/* Whether the value is what lm-evaluation-harness logs for a metric over all items: [reference(s),
 * prediction], or [log-likelihood, units]. */
static bool is_pair(const json *value) { return json_is_array(value) && json_size(value) == 2; }
static bool is_text_pair(const json *value)
{
    if (!is_pair(value) || !json_text(value->child->next)) return false;
    const json *refs = value->child;
    for (const json *r = json_items(refs); r; r = r->next)
        if (!json_text(r)) return false;
    return json_text(refs) || (json_is_array(refs) && refs->child);
}
static bool is_number_pair(const json *value)
{
    return is_pair(value) && json_is_number(value->child) && json_is_number(value->child->next);
}

/* The row that a value of the harness's log is for; NULL: the log's own number, or none. Accuracies
 * mean the same there and here. */
static const metric *foreign_row(const char *name, const json *value)
{
    const metric *known = metric_find(name);
    if (known && known->source == METRIC_TEXT && known->n_stats > 1 && is_text_pair(value)) return known;
    if (known && known->source == METRIC_LIKELIHOOD && is_number_pair(value)) return known;
    if (known && known->source == METRIC_CHOICES && (json_is_number(value) || json_is_bool(value))) return known;
    return NULL;
}

static int foreign_stats(sample_log *l, const metric *row, const log_entry *e, double *stats)
{
    if (row->n_stats == 1) return number_of(e, stats);
    if (row->source == METRIC_LIKELIHOOD && is_number_pair(e->value)) {
        double       units = e->value->child->next->valuedouble;
        metric_input in    = { .ll     = e->value->child->valuedouble,
                               .tokens = (int64_t)units,
                               .words  = (int64_t)units,
                               .bytes  = (int64_t)units };
        if (!isfinite(in.ll) || !(units >= 0 && units <= 1e15)) return not_a_score(e);
        metric_item(row, &in, stats);
        return OK;
    }
    if (row->source != METRIC_TEXT || !is_text_pair(e->value)) return not_a_score(e);
    const json  *refs = e->value->child;
    int64_t      n = json_is_array(refs) ? json_size(refs) : 1, k = 0;
    slice       *references = mem_alloc((size_t)n, sizeof *references);
    metric_input in = { .prediction = slice_of(refs->next->valuestring), .references = references, .n_references = n };
    if (json_text(refs)) references[k++] = slice_of(refs->valuestring);
    for (const json *r = json_items(refs); r; r = r->next) references[k++] = slice_of(r->valuestring);
    metric_item(row, &in, stats);
    free(references);
    l->vary |= l->s->n_refs && l->s->n_refs != n;
    l->s->n_refs = n;
    return OK;
}

/* --- lines */

/* The item's place; a new one where `id` is new. */
static int64_t item_of(sample_log *l, const str *id)
{
    int64_t i = string_table_get(&l->ids, id->s, id->n);
    if (i >= 0) return i;
    i = scored_add(l->s, id->s, id->n);
    if ((size_t)i == l->cap) l->have = mem_grow(l->have, &l->cap, sizeof *l->have);
    l->have[i] = 0;
    string_table_put(&l->ids, l->s->ids[i], id->n, i);
    return i;
}

static int add_entry(sample_log *l, int64_t item, int m, const log_entry *e)
{
    const metric *row   = &l->s->metrics.rows[m];
    double       *stats = l->s->stats[m] + item * row->n_stats;
    if (l->have[item] & 1u << m)
        return input_error("%s: the item \"%.80s\" has \"%s\" twice", e->where, l->s->ids[item], e->name);
    l->have[item] |= 1u << m;
    return l->foreign ? foreign_stats(l, row, e, stats) : own_stats(row, e, stats);
}

static int own_line(sample_log *l, const json *line, const char *where, int64_t item, bool first)
{
    const json *scores;
    int         rc = json_get_object(line, where, "scores", &scores);
    for (const json *v = rc ? NULL : scores->child; v && !rc; v = v->next) {
        log_entry     e    = { v->string, where, line, v };
        const metric *row  = metric_find(v->string);
        metric        mean = mean_of(v->string);
        int           m    = metric_list_find(&l->s->metrics, v->string);
        if (m < 0 && !first)
            return input_error("%s: \"%.60s\": the lines before have no such metric; every line must have the same",
                               where, v->string);
        if (m < 0) rc = add_row(l, row ? row : &mean, where), m = l->s->metrics.n - 1;
        if (!rc) rc = add_entry(l, item, m, &e);
    }
    return rc;
}

/* Remembers, once, a metric that is left out. */
static void skip(sample_log *l, const char *name)
{
    for (int k = 0; k < l->n_skipped; k++)
        if (!strcmp(l->skipped[k], name)) return;
    if (l->n_skipped < METRICS_MAX) l->skipped[l->n_skipped++] = arena_strndup(&l->s->memory, name, strlen(name));
}

static char *skipped_names(const sample_log *l)
{
    str all = { 0 };
    for (int k = 0; k < l->n_skipped; k++) str_item(&all, ", ", l->skipped[k]);
    return all.s ? all.s : mem_strdup("");
}

static bool is_number(const json *value)
{
    /* null is taken for a number here, and refused as one later */
    return json_is_number(value) || json_is_bool(value) || json_is_null(value);
}

/* "exact_match" under the filter "strict-match" is "exact_match,strict-match"; the filter "none"
 * adds nothing. */
static int foreign_line(sample_log *l, const json *line, const char *where, int64_t item)
{
    const json *names;
    const char *filter = "none";
    int         rc     = json_get_array(line, where, "metrics", &names);
    if (!rc && json_has(line, "filter")) rc = json_get_str(line, where, "filter", &filter);
    str shown = { 0 };
    for (const json *name = rc ? NULL : names->child; name && !rc; name = name->next) {
        if (!json_text(name)) rc = input_error("%s: \"metrics\": must be the metrics' names", where);
        if (rc) break;
        str_clear(&shown);
        str_puts(&shown, name->valuestring);
        if (strcmp(filter, "none")) str_printf(&shown, ",%s", filter);
        log_entry e = { shown.s, where, line, json_find(line, name->valuestring) };
        int       m = metric_list_find(&l->s->metrics, shown.s);
        if (!e.value)
            rc = input_error("%s: \"%.60s\" is missing, though \"metrics\" names it", where, name->valuestring);
        else if (m < 0 && !is_number(e.value) && !foreign_row(name->valuestring, e.value)) {
            skip(l, shown.s);
        } else {
            metric        mean = mean_of(name->valuestring);
            const metric *row  = foreign_row(name->valuestring, e.value);
            metric        own  = row ? *row : mean;
            own.name           = shown.s;
            if (m < 0) rc = add_row(l, &own, where), m = l->s->metrics.n - 1;
            if (!rc) rc = add_entry(l, item, m, &e);
        }
    }
    str_free(&shown);
    return rc;
}

static int add_line(sample_log *l, int64_t i)
{
    const json *line = l->in.docs[i];
    char        where[LINE_WHERE];
    str         id = { 0 };
    json_line_where(&l->in, i, where);
    if (!json_is_object(line)) return input_error("%s: must be an object, a line of a sample log", where);
    if (!l->s->n) l->foreign = json_find(line, "doc_id") != NULL;
    const char *key   = l->foreign ? "doc_id" : "id";
    const json *value = json_find(line, key);
    if (!value || (!l->foreign && !json_find(line, "scores")))
        return input_error("%s: \"%s\" is missing; a sample log has %s in every line", where, value ? "scores" : key,
                           l->foreign ? "\"doc_id\" and \"metrics\""
                                      : "\"id\" and \"scores\" (or, lm-evaluation-harness's, \"doc_id\")");
    int rc = json_members_once(line, where);
    if (!rc) rc = json_id(value, where, key, &id);
    int64_t old = l->s->n, item = rc ? 0 : item_of(l, &id);
    l->s->numbers &= json_is_number(value);
    if (!rc && item < old && !l->foreign)
        rc = input_error("%s: the id \"%.80s\" stands in a line before; every item has an id of its own", where, id.s);
    if (!rc) rc = l->foreign ? foreign_line(l, line, where, item) : own_line(l, line, where, item, !old);
    str_free(&id);
    return rc;
}

/* Every item must have every metric: one that is missing would count as zero. */
static int check_whole(const sample_log *l, const char *path)
{
    const scored *s     = l->s;
    char         *names = skipped_names(l);
    int           rc    = OK;
    if (!s->n)
        rc = input_error(
            "%s: holds no item; a sample log is needed: samples.jsonl of `tiebreak eval`, or lm-evaluation-harness's",
            path);
    else if (!s->metrics.n)
        rc = input_error(
            "%s: holds no metric that is a number for each item%s%s; score its texts anew: --task T --predictions %s",
            path, l->n_skipped ? ", only " : "", names, path);
    for (int64_t i = 0; i < s->n && !rc; i++)
        for (int m = 0; m < s->metrics.n && !rc; m++)
            if (!(l->have[i] & 1u << m))
                rc = input_error("%s: the item \"%.80s\" has no \"%s\", which others have", path, s->ids[i],
                                 s->metrics.rows[m].name);
    if (!rc && l->n_skipped) warn("%s: left out, no number for each item: %s", path, names);
    free(names);
    return rc;
}

/* --- the file */

/* Finds the one file of the harness's samples in a folder; several are an error. */
static int find_foreign(const char *folder, char **out)
{
    DIR *d  = opendir(folder);
    int  rc = OK;
    *out    = NULL;
    for (struct dirent *e; d && !rc && (e = readdir(d));) {
        size_t n = strlen(e->d_name);
        if (strncmp(e->d_name, "samples_", 8) || n < 6 || strcmp(e->d_name + n - 6, ".jsonl")) continue;
        if (*out)
            rc = input_error("%s: holds several files samples_*.jsonl: name one of them", folder);
        else
            *out = path_join(folder, e->d_name);
    }
    if (d) closedir(d);
    return rc;
}

static int find_file(const char *path, char **out)
{
    *out = NULL;
    if (!file_is_dir(path)) return *out = mem_strdup(path), OK;
    char *own = path_join(path, "samples.jsonl");
    if (file_exists(own)) return *out = own, OK;
    free(own);
    int rc = find_foreign(path, out);
    if (!rc && !*out)
        rc = input_error(
            "%s: holds neither samples.jsonl nor samples_*.jsonl; is the run finished? (journal.jsonl is there while it is not)",
            path);
    return rc;
}

int scored_read(scored *out, const char *path)
{
    *out           = (scored) { .numbers = true, .name = mem_strdup(path) };
    sample_log l   = { .s = out };
    char      *own = NULL;
    int        rc  = find_file(path, &own);
    if (!rc) rc = json_lines_open(&l.in, own);
    while (!rc && !(rc = json_lines_next(&l.in)) && l.in.n)
        for (int64_t i = 0; i < l.in.n && !rc; i++) rc = add_line(&l, i);
    if (!rc) rc = check_whole(&l, own);
    if (l.vary) out->n_refs = 0;
    if (!rc) rc = l.foreign ? scored_read_results(out, own) : scored_read_record(out, own);
    json_lines_close(&l.in);
    string_table_free(&l.ids);
    free(l.have);
    free(own);
    if (rc) scored_free(out);
    return rc;
}
