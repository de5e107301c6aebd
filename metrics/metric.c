#include "metrics/metric.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/nearest.h"
#include "core/stats.h"
#include "metrics/uncertainty.h"

/* lm-evaluation-harness takes at most 100 resamples for BLEU and chrF; the same number gives the
 * same standard errors. */
enum { BOOTSTRAP_ITERATIONS = 100 };

/* chrF has three statistics for each order; METRIC_STATS_MAX has room for all of them. */
enum { CHAR_ORDER_MAX = 12, WORD_ORDER_MAX = 4, BETA_MAX = 1000, SMOOTH_VALUE_MAX = 1000000 };

const char *const metric_multi_names[] = {
    [REFERENCES_MAX] = "max", [REFERENCES_FIRST] = "first", [REFERENCES_MEAN] = "mean", NULL
};
const char *const bleu_tokenizer_names[] = {
    [BLEU_13A] = "13a", [BLEU_INTL] = "intl", [BLEU_CHAR] = "char", [BLEU_NONE] = "none", NULL
};
const char *const bleu_smoothing_names[] = {
    [BLEU_EXP] = "exp", [BLEU_FLOOR] = "floor", [BLEU_ADD_K] = "add-k", [BLEU_NO_SMOOTHING] = "none", NULL
};

/* The rows stand in the metrics' own files. */
extern const metric metric_rows_squad[], metric_rows_rouge[], metric_rows_bleu[], metric_rows_chrf[],
    metric_rows_gsm8k[], metric_rows_gsm8k_peft[], metric_rows_choice[], metric_rows_likelihood[];
static const metric *const files[] = { metric_rows_squad,  metric_rows_rouge,     metric_rows_bleu,
                                       metric_rows_chrf,   metric_rows_gsm8k,     metric_rows_gsm8k_peft,
                                       metric_rows_choice, metric_rows_likelihood };

const metric *metric_row(int i)
{
    for (size_t f = 0; i >= 0 && f < sizeof files / sizeof *files; f++)
        for (const metric *m = files[f]; m->name; m++)
            if (i-- == 0) return m;
    return NULL;
}

const metric *metric_find(const char *name)
{
    const metric *m;
    for (int i = 0; (m = metric_row(i)); i++)
        if (!strcmp(m->name, name)) return m;
    return NULL;
}

/* --- lists */

/* The name of a reference tool's task, the rows it stands for, and the tool's own names for
 * them. */
static const struct {
    const char *name;
    const char *row[2], *shown[2];
} groups[] = {
    { "squad-v1.1", { "em", "f1" }, { "em", "f1" } },
    { "squad-v2.0", { "em_v2", "f1_v2" }, { "em", "f1" } },
    { "gsm8k-strict", { "exact_match" }, { "gsm8k-strict" } },
    { "gsm8k-flexible", { "exact_match_flexible" }, { "gsm8k-flexible" } },
};
enum { GROUPS = sizeof groups / sizeof *groups, NAMES_MAX = 127 };

const char *metric_list_name(int i)
{
    int n = 0;
    for (const metric *m; (m = metric_row(n)); n++)
        if (n == i) return m->name;
    return i < n + GROUPS ? groups[i - n].name : NULL;
}

static int no_such_metric(const char *where, const char *name)
{
    const char *names[NAMES_MAX + 1] = { 0 };
    for (int i = 0; i < NAMES_MAX; i++) names[i] = metric_list_name(i);
    return input_error("%s: %.40s: no such metric%s; there are %s", where, name, did_you_mean(name, names).text,
                       words_listed(names, " ", " ").text);
}

int metric_list_find(const metric_list *list, const char *name)
{
    for (int i = 0; i < list->n; i++)
        if (!strcmp(list->rows[i].name, name)) return i;
    return -1;
}

/* Adds a row and shows it as `shown`, where that name is still free. `shown` must be of static
 * storage; NULL means the row's own name. */
static int add_row(metric_list *list, const char *name, const char *shown, const metric_options *options,
                   const char *where)
{
    const metric *row = metric_find(name);
    if (!row) return no_such_metric(where, name);
    if (!shown || metric_list_find(list, shown) >= 0) shown = row->name;
    if (metric_list_find(list, shown) >= 0) return input_error("%s: %s: is named twice", where, name);
    if (list->n == METRICS_MAX) return input_error("%s: more than %d metrics", where, METRICS_MAX);
    metric *m = &list->rows[list->n++];
    *m        = *row;
    m->name   = shown;
    if (options) m->options = *options;
    if (m->prepare) m->prepare(m);
    return OK;
}

int metric_list_add(metric_list *list, const char *name, const metric_options *options, const char *where)
{
    int rc = OK;
    for (int g = 0; g < GROUPS; g++) {
        if (strcmp(groups[g].name, name)) continue;
        for (int i = 0; i < 2 && groups[g].row[i] && !rc; i++)
            rc = add_row(list, groups[g].row[i], groups[g].shown[i], options, where);
        return rc;
    }
    return add_row(list, name, NULL, options, where);
}

int metric_list_parse(metric_list *list, const char *names, const metric_options *options, const char *where)
{
    char *own = mem_strdup(names), *save = NULL;
    int   rc = OK, before = list->n;
    for (char *name = strtok_r(own, ",", &save); name && !rc; name = strtok_r(NULL, ",", &save))
        rc = metric_list_add(list, name, options, where);
    free(own);
    if (!rc && list->n == before) rc = input_error("%s \"%s\": names no metric", where, names);
    return rc;
}

int metric_options_check(const metric_options *o, const char *where)
{
    bool valued = o->smooth == BLEU_FLOOR || o->smooth == BLEU_ADD_K;
    if (o->smooth_value != 0 && !valued)
        return input_error("%s: smooth_value %g: only the smoothings floor and add-k take a value; leave it out", where,
                           o->smooth_value);
    if (!(o->smooth_value >= 0 && o->smooth_value <= SMOOTH_VALUE_MAX))
        return input_error("%s: smooth_value %g: must be above 0, at most %d", where, o->smooth_value,
                           SMOOTH_VALUE_MAX);
    if (o->char_order < 0 || o->char_order > CHAR_ORDER_MAX)
        return input_error("%s: char_order %d: must be 1..%d", where, o->char_order, CHAR_ORDER_MAX);
    if (o->word_order < 0 || o->word_order > WORD_ORDER_MAX)
        return input_error("%s: word_order %d: must be 1..%d; for none take the metric chrf without it", where,
                           o->word_order, WORD_ORDER_MAX);
    if (o->beta < 0 || o->beta > BETA_MAX) return input_error("%s: beta %d: must be 1..%d", where, o->beta, BETA_MAX);
    return OK;
}

/* --- scores */

void metric_item(const metric *m, const metric_input *in, double *stats)
{
    assert(m->n_stats <= METRIC_STATS_MAX);
    m->item(m, in, stats);
}

double metric_of_sums(const void *ctx, const double *sums, int64_t n)
{
    const metric *m = ctx;
    if (m->corpus) return m->corpus(m, sums, n);
    return m->scale * sums[0] / (double)n;
}

double metric_value(const metric *m, const double *stats, int64_t n)
{
    double sums[METRIC_STATS_MAX] = { 0 };
    if (n < 1) return NAN;
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < m->n_stats; k++) sums[k] += stats[i * m->n_stats + k];
    return metric_of_sums(m, sums, n);
}

double metric_stderr(const metric *m, const double *stats, int64_t n)
{
    switch (m->error) {
    case STDERR_MEAN: return m->scale * stats_stderr(stats, n);
    case STDERR_JACKKNIFE: return jackknife_stderr(metric_of_sums, m, stats, n, m->n_stats);
    case STDERR_BOOTSTRAP:
        return n < 2 ? NAN : bootstrap_stderr(metric_of_sums, m, stats, n, m->n_stats, BOOTSTRAP_ITERATIONS);
    case STDERR_NONE: break;
    }
    return NAN;
}

double metric_sentence(const metric *m, const double *stats)
{
    return m->sentence ? m->sentence(m, stats) : metric_of_sums(m, stats, 1);
}

void metric_signature(const metric *m, int64_t n_refs, str *out)
{
    str_puts(out, m->rules);
    if (m->sign) m->sign(m, n_refs, out);
}
