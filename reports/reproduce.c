#include "reports/reproduce.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/stats.h"
#include "core/string_table.h"

static double square(double x) { return x * x; }

static double p_value(const quality_point *a, const quality_point *b)
{
    double gap = a->mean - b->mean, df = a->n_runs + b->n_runs - 2;
    if (fabs(gap) <= 1e-9 * fabs(b->mean)) return 1;
    if (df >= 1) {
        double sum = 0;
        if (a->n_runs > 1) sum += (a->n_runs - 1) * square(a->seed_sd);
        if (b->n_runs > 1) sum += (b->n_runs - 1) * square(b->seed_sd);
        double se = sqrt(sum / df * (1.0 / a->n_runs + 1.0 / b->n_runs));
        return se > 0 ? stats_t_pvalue(gap / se, df) : 0;
    }
    double se = sqrt(square(a->runs[0].item_stderr) + square(b->runs[0].item_stderr));
    return 2 * stats_normal_cdf(-fabs(gap) / se);
}

void reproduce(reproduction *r, const quality *here, const quality *there)
{
    string_table groups = { 0 };
    *r                  = (reproduction) { .cells = mem_alloc(here->n + 1, sizeof *r->cells) };
    for (const quality_point *b = there->points; b < there->points + there->n; b++)
        if (b->primary) string_table_put(&groups, b->group, strlen(b->group), b - there->points);
    for (const quality_point *a = here->points; a < here->points + here->n; a++) {
        const int64_t at = a->primary ? string_table_get(&groups, a->group, strlen(a->group)) : -1;
        if (at < 0 || strcmp(there->points[at].metric, a->metric)) continue;
        r->cells[r->n++] = (reproduced_cell) { a, &there->points[at], p_value(a, &there->points[at]), NAN };
    }
    string_table_free(&groups);
    double *p = mem_alloc(2 * r->n + 1, sizeof *p);
    for (size_t i = 0; i < r->n; i++) p[i] = r->cells[i].p;
    stats_holm(p, (int64_t)r->n, p + r->n);
    for (size_t i = 0; i < r->n; i++) {
        r->cells[i].adjusted = p[r->n + i];
        r->differ += !(r->cells[i].adjusted >= 0.05); /* NaN counts as a difference */
    }
    free(p);
}

void reproduction_free(reproduction *r)
{
    free(r->cells);
    *r = (reproduction) { 0 };
}

void reproduction_table(const reproduction *r, table *t)
{
    table_init(
        t, "reproduction", "The same cells, measured before",
        "Scores here against those of the record set compared with. p: two-sided, pooled over training seeds; Holm's adjustment over all cells.",
        "task|metric|method|rank#|here#|seeds#|there#|seeds there#|p#|Holm p#|verdict");
    for (size_t i = 0; i < r->n; i++) {
        const reproduced_cell *c    = &r->cells[i];
        const quality_point   *here = c->here, *there = c->there;
        table_row(t);
        table_cells(t, "%s|%s|%s|%s|%.4g|%d|%.4g|%d|%.3g|%.3g|%s", here->task, here->metric, here->method,
                    quality_rank(here).text, here->mean, here->n_runs, there->mean, there->n_runs, c->p, c->adjusted,
                    c->adjusted >= 0.05 ? "not distinguishable" : "different");
    }
}
