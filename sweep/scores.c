#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/record.h"
#include "core/stats.h"
#include "sweep/run.h"

enum { TASKS_MAX = 64, LABELS_MAX = 256, SEEDS_MAX = 64 };

/* The first metric of a finished cell; false: there is none yet. */
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

/* Adds a word that the list does not hold yet. */
static void add_new(const char **list, int *n, int max, const char *word)
{
    for (int i = 0; i < *n; i++)
        if (!strcmp(list[i], word)) return;
    if (*n < max) list[(*n)++] = word;
}

static void print_head(const grid *g, const char *out, const char *task)
{
    char   metric[96] = "?";
    double value;
    str    head = { 0 };
    for (size_t i = 0; i < g->n; i++)
        if (!strcmp(g->cells[i].task, task) && cell_score(&g->cells[i], out, &value, metric, sizeof metric)) break;
    str_printf(&head, "%s %s", path_base(task), metric);
    printf(" %19.19s", head.s);
    str_free(&head);
}

static void print_mean(const grid *g, const char *out, const char *task, const char *label)
{
    double values[SEEDS_MAX];
    char   metric[96];
    int    n = 0;
    for (size_t i = 0; i < g->n && n < SEEDS_MAX; i++)
        if (!strcmp(g->cells[i].task, task) && !strcmp(g->cells[i].label, label))
            n += cell_score(&g->cells[i], out, &values[n], metric, sizeof metric);
    if (!n)
        printf(" %19s", "-");
    else if (n == 1)
        printf(" %19.4g", values[0]);
    else
        printf(" %12.4g +- %-3.2g", stats_mean(values, n), stats_sd(values, n));
}

void sweep_print_scores(const grid *g, const char *out)
{
    const char *tasks[TASKS_MAX], *labels[LABELS_MAX];
    int         n_tasks = 0, n_labels = 0;
    for (size_t i = 0; i < g->n; i++) {
        add_new(tasks, &n_tasks, TASKS_MAX, g->cells[i].task);
        add_new(labels, &n_labels, LABELS_MAX, g->cells[i].label);
    }
    printf("%-20s", "method");
    for (int t = 0; t < n_tasks; t++) print_head(g, out, tasks[t]);
    putchar('\n');
    for (int l = 0; l < n_labels; l++) {
        printf("%-20s", labels[l]);
        for (int t = 0; t < n_tasks; t++) print_mean(g, out, tasks[t], labels[l]);
        putchar('\n');
    }
}
