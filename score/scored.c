#include "score/scored.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/string_table.h"
#include "metrics/interval.h"

int64_t scored_add(scored *s, const char *id, size_t n)
{
    int64_t i = s->n++;
    if ((size_t)i == s->cap) {
        s->ids = mem_grow(s->ids, &s->cap, sizeof *s->ids);
        for (int m = 0; m < s->metrics.n; m++)
            s->stats[m] = mem_resize(s->stats[m], s->cap * (size_t)s->metrics.rows[m].n_stats, sizeof *s->stats[m]);
    }
    for (int m = 0; m < s->metrics.n; m++) {
        int width = s->metrics.rows[m].n_stats;
        memset(s->stats[m] + i * width, 0, (size_t)width * sizeof *s->stats[m]);
    }
    s->ids[i] = arena_strndup(&s->memory, id, n);
    return i;
}

int scored_check_ids(const scored *s, const char *where, const int64_t *lines)
{
    string_table ix = { 0 };
    int          rc = OK;
    for (int64_t i = 0; i < s->n && !rc; i++) {
        int64_t before = string_table_put(&ix, s->ids[i], strlen(s->ids[i]), i);
        if (before < 0) continue;
        rc = lines ? input_error(
                         "%s: line %lld: the id \"%.80s\" stands in line %lld too; every item has an id of its own",
                         where, (long long)lines[i], s->ids[i], (long long)lines[before])
                   : input_error("%s: the id \"%.80s\" stands there twice; every item has an id of its own", where,
                                 s->ids[i]);
    }
    string_table_free(&ix);
    return rc;
}

void scored_free(scored *s)
{
    for (int m = 0; m < METRICS_MAX; m++) free(s->stats[m]);
    free(s->ids);
    free(s->name);
    arena_free(&s->memory);
    *s = (scored) { 0 };
}

/* --- JSON and tables */

/* What is shown of one metric. */
typedef struct {
    double   value, error;
    interval range;
    double   mean; /* the mean of the resamples; NaN where there are none */
    str      signature;
} shown;

/* Bootstraps take longest, so each metric is a task of its own. */
static void show_all(const scored *s, shown all[METRICS_MAX])
{
#pragma omp parallel for schedule(dynamic, 1)
    for (int m = 0; m < s->metrics.n; m++) {
        const metric *row   = &s->metrics.rows[m];
        const double *stats = s->stats[m];
        str           plain = { 0 };
        shown one = { .value = metric_value(row, stats, s->n), .error = metric_stderr(row, stats, s->n), .mean = NAN };
        metric_signature(row, s->n_refs, &plain);
        if (s->resamples && row->error == STDERR_BOOTSTRAP) {
            one.range = bootstrap_interval(row, stats, s->n, s->resamples, s->seed, &one.mean);
            signature_of_draws(str_c(&plain), "bs", s->resamples, s->seed, &one.signature);
            str_free(&plain);
        } else {
            one.range     = metric_interval(row, stats, s->n, one.value, one.error);
            one.signature = plain;
        }
        all[m] = one;
    }
}

static void shown_free(const scored *s, shown all[METRICS_MAX])
{
    for (int m = 0; m < s->metrics.n; m++) str_free(&all[m].signature);
}

static double item_score(const scored *s, int m, int64_t i)
{
    const metric *row = &s->metrics.rows[m];
    return metric_sentence(row, s->stats[m] + i * row->n_stats);
}

static void print_number(str *out, double x)
{
    if (isfinite(x))
        str_printf(out, "%.17g", x == 0 ? 0.0 : x);
    else
        str_puts(out, "null");
}

static void print_shown(str *out, const shown *of)
{
    str_puts(out, "{\"value\":");
    print_number(out, of->value);
    str_puts(out, ",\"stderr\":");
    print_number(out, of->error);
    str_puts(out, ",\"signature\":");
    json_quote(out, str_c(&of->signature), of->signature.n);
    if (isfinite(of->range.low) && isfinite(of->range.high))
        str_printf(out, ",\"interval\":[%.17g,%.17g]", of->range.low, of->range.high);
    else
        str_puts(out, ",\"interval\":null");
    str_printf(out, ",\"interval_rule\":\"%s\"", of->range.rule);
    if (!isnan(of->mean))
        str_printf(out, ",\"mean\":%.17g,\"ci\":%.17g", of->mean, (of->range.high - of->range.low) / 2);
    str_putc(out, '}');
}

static void print_item(const scored *s, int64_t i, str *out)
{
    str_puts(out, "{\"id\":");
    if (s->numbers)
        str_puts(out, s->ids[i]);
    else
        json_quote(out, s->ids[i], strlen(s->ids[i]));
    for (int m = 0; m < s->metrics.n; m++) {
        str_putc(out, ',');
        json_quote(out, s->metrics.rows[m].name, strlen(s->metrics.rows[m].name));
        str_putc(out, ':');
        print_number(out, item_score(s, m, i));
    }
    str_putc(out, '}');
}

void scored_print_json(const scored *s, bool per_item, const json *more, str *out)
{
    shown of[METRICS_MAX];
    show_all(s, of);
    str_printf(out, "{\"n\":%lld,\"metrics\":{", (long long)s->n);
    for (int m = 0; m < s->metrics.n; m++) {
        str_puts(out, m ? ",\n" : "\n");
        json_quote(out, s->metrics.rows[m].name, strlen(s->metrics.rows[m].name));
        str_putc(out, ':');
        print_shown(out, &of[m]);
    }
    shown_free(s, of);
    str_putc(out, '}');
    for (const json *m = more ? more->child : NULL; m; m = m->next) {
        str_puts(out, ",\n");
        json_quote(out, m->string, strlen(m->string));
        str_putc(out, ':');
        json_print(m, out, false);
    }
    if (per_item) str_puts(out, ",\"items\":[");
    for (int64_t i = 0; i < s->n && per_item; i++) {
        str_puts(out, i ? ",\n" : "\n");
        print_item(s, i, out);
    }
    str_puts(out, per_item ? "]}\n" : "}\n");
}

void scored_print_table(const scored *s, str *out)
{
    shown of[METRICS_MAX];
    int   width = 22;
    show_all(s, of);
    for (int m = 0; m < s->metrics.n; m++)
        if ((int)strlen(s->metrics.rows[m].name) > width) width = (int)strlen(s->metrics.rows[m].name);
    str_printf(out, "%s: %lld items\n", s->name, (long long)s->n);
    for (int m = 0; m < s->metrics.n; m++) {
        const shown *one = &of[m];
        str_printf(out, "  %-*s %10.4f", width, s->metrics.rows[m].name, one->value);
        if (isnan(one->error))
            str_printf(out, "  %10s  ", "");
        else
            str_printf(out, " ± %8.4f   ", one->error);
        if (isfinite(one->range.low))
            str_printf(out, "95 %% %.4f .. %.4f (%s)   ", one->range.low, one->range.high, one->range.rule);
        if (!isnan(one->mean))
            str_printf(out, "mean %.4f ± %.4f   ", one->mean, (one->range.high - one->range.low) / 2);
        str_printf(out, "%s\n", str_c(&one->signature));
    }
    shown_free(s, of);
}
