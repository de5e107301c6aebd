#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/record.h"
#include "core/stats.h"
#include "core/string_table.h"
#include "sweep/run.h"

/* Different words in the order of their first occurrence; texts are the grid's. */
typedef struct {
    string_table places;
    const char **words;
    size_t       n, cap;
} word_list;

static size_t place_of(word_list *l, const char *word)
{
    const int64_t at = string_table_put(&l->places, word, strlen(word), (int64_t)l->n);
    if (at >= 0) return (size_t)at;
    if (l->n == l->cap) l->words = mem_grow(l->words, &l->cap, sizeof *l->words);
    l->words[l->n] = word;
    return l->n++;
}

/* The runs of one label on one task. */
typedef struct {
    double *values;
    size_t  n, cap, cells; /* cells: of the grid, finished or not */
    bool    seeds;
} runs;

/* The first metric of a finished cell, and its name; false: there is none yet. */
static bool cell_score(const grid_cell *c, const char *out, double *value, char *metric, size_t size)
{
    str path = { 0 };
    str_printf(&path, "%s/%s/eval/record.json", out, c->name);
    json *r  = NULL;
    bool  ok = file_exists(path.s) && !record_read(&r, path.s);
    if (ok) {
        const json *m = json_members(record_get(record_get(r, field_record_result), field_result_metrics));
        ok            = m != NULL;
        *value        = record_number(m, field_metric_value);
        if (ok) snprintf(metric, size, "%s", m->string);
    }
    json_free(r);
    str_free(&path);
    return ok;
}

static void print_runs(const runs *r)
{
    char   seeds[48] = "", text[96];
    double half      = r->n > 1 ? stats_t975((int64_t)r->n - 1) * stats_stderr(r->values, (int64_t)r->n) : NAN;
    if (!r->n) {
        printf(" %27s", r->cells ? "-" : "");
        return;
    }
    if (r->seeds) snprintf(seeds, sizeof seeds, r->n < r->cells ? " (%zu of %zu)" : " (%zu)", r->n, r->cells);
    if (isfinite(half))
        snprintf(text, sizeof text, "%.4g +- %.2g%s", stats_mean(r->values, (int64_t)r->n), half, seeds);
    else
        snprintf(text, sizeof text, "%.4g%s", r->values[0], seeds);
    printf(" %27s", text);
}

void sweep_print_scores(const grid *g, shard s, const char *out)
{
    word_list tasks = { .n = 0 }, labels = { .n = 0 };
    for (size_t i = 0; i < g->n; i++) {
        if (!in_shard(s, i)) continue;
        place_of(&tasks, g->cells[i].task);
        place_of(&labels, g->cells[i].label);
    }
    runs *all         = mem_alloc(tasks.n * labels.n + 1, sizeof *all);
    char(*metric)[96] = mem_alloc(tasks.n + 1, sizeof *metric);
    for (size_t i = 0; i < g->n; i++) {
        if (!in_shard(s, i)) continue;
        const size_t t = place_of(&tasks, g->cells[i].task);
        runs        *r = &all[place_of(&labels, g->cells[i].label) * tasks.n + t];
        double       value;
        r->cells++;
        r->seeds = g->cells[i].train.n > 0;
        if (!cell_score(&g->cells[i], out, &value, metric[t], sizeof metric[t])) continue;
        if (r->n == r->cap) r->values = mem_grow(r->values, &r->cap, sizeof *r->values);
        r->values[r->n++] = value;
    }
    printf("%-24s", "method");
    for (size_t t = 0; t < tasks.n; t++) {
        str head = { 0 };
        str_printf(&head, "%s %s", path_base(tasks.words[t]), *metric[t] ? metric[t] : "?");
        printf(" %27.27s", head.s);
        str_free(&head);
    }
    putchar('\n');
    for (size_t l = 0; l < labels.n; l++) {
        printf("%-24s", labels.words[l]);
        for (size_t t = 0; t < tasks.n; t++) print_runs(&all[l * tasks.n + t]);
        putchar('\n');
    }
    puts("mean over seeds +- half of its 95 % interval (seeds)");
    for (size_t i = 0; i < tasks.n * labels.n; i++) free(all[i].values);
    string_table_free(&tasks.places), string_table_free(&labels.places);
    free(tasks.words), free(labels.words);
    free(all);
    free(metric);
}
