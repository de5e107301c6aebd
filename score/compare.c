#include "score/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/record.h"
#include "core/stats.h"
#include "core/string_table.h"

static int count_runs(const comparison *c)
{
    int n = 0;
    for (int s = 0; s < c->n_systems; s++) n += c->systems[s].n_runs;
    return n;
}

/* --- the same question */

/* Records, where both systems have them, must speak of the same task and data. */
static int check_asked(const compare_system *a, const compare_system *b)
{
    static const record_field fields[] = { field_asked_task, field_asked_data };
    for (size_t i = 0; a->asked && b->asked && i < sizeof fields / sizeof *fields; i++) {
        const json *x = record_get(a->asked, fields[i]), *y = record_get(b->asked, fields[i]);
        /* A file's name may differ, its bytes may not. */
        if (json_is_object(x)) x = record_get(x, field_source_sha256);
        if (json_is_object(y)) y = record_get(y, field_source_sha256);
        if (!json_text(x) || !json_text(y) || !strcmp(x->valuestring, y->valuestring)) continue;
        return input_error("%s and %s answered different questions: \"%s\" is %.70s there, %.70s here", a->name,
                           b->name, record_key(fields[i]), x->valuestring, y->valuestring);
    }
    return OK;
}

/* Up to five ids of `from` that `ix` lacks, as text; their number. */
static int64_t missing_ids(const scored *from, const string_table *ix, str *out)
{
    int64_t n = 0;
    for (int64_t i = 0; i < from->n; i++) {
        if (string_table_get(ix, from->ids[i], strlen(from->ids[i])) >= 0) continue;
        if (n < 5) str_printf(out, "%s%.60s", n ? ", " : "", from->ids[i]);
        n++;
    }
    if (n > 5) str_puts(out, ", ...");
    return n;
}

static int check_same_items(const scored *first, const string_table *first_ix, const scored *other,
                            const string_table *other_ix)
{
    str     lacks = { 0 }, extra = { 0 };
    int64_t n_lacks = missing_ids(first, other_ix, &lacks), n_extra = missing_ids(other, first_ix, &extra);
    int     rc = OK;
    if (n_lacks || n_extra) {
        str text = { 0 };
        if (n_lacks)
            str_printf(&text, "%s lacks %lld of its %lld (%s)", other->name, (long long)n_lacks, (long long)first->n,
                       str_c(&lacks));
        if (n_extra)
            str_printf(&text, "%s%s has %lld that it lacks (%s)", n_lacks ? "; " : "", other->name, (long long)n_extra,
                       str_c(&extra));
        rc = input_error(
            "%s: the items must be the same: %s. Score the same items; `score --compare --common` compares the %lld in both",
            first->name, str_c(&text), (long long)(first->n - n_lacks));
        str_free(&text);
    }
    str_free(&lacks);
    str_free(&extra);
    return rc;
}

static void index_ids(const scored *s, string_table *ix)
{
    *ix = (string_table) { 0 };
    for (int64_t i = 0; i < s->n; i++) string_table_put(ix, s->ids[i], strlen(s->ids[i]), i);
}

/* Items that every run has, in the first one's order, and where each run has them. */
static int align(comparison *c)
{
    int           runs = count_runs(c), r = 0, rc = OK;
    const scored *first = &c->systems[0].runs[0], *all[SYSTEMS_MAX * RUNS_MAX];
    string_table *ix    = mem_alloc((size_t)runs, sizeof *ix);
    c->places           = mem_alloc((size_t)runs, sizeof *c->places);
    c->ids              = mem_alloc((size_t)first->n, sizeof *c->ids);
    for (int s = 0; s < c->n_systems; s++)
        for (int k = 0; k < c->systems[s].n_runs; k++) all[r++] = &c->systems[s].runs[k];
    for (r = 0; r < runs; r++) {
        index_ids(all[r], &ix[r]);
        c->places[r] = mem_alloc((size_t)first->n, sizeof **c->places);
        if (!rc && !c->options.common) rc = check_same_items(first, &ix[0], all[r], &ix[r]);
    }
    for (int64_t i = 0; i < first->n && !rc; i++) {
        bool everywhere = true;
        for (r = 0; r < runs && everywhere; r++)
            everywhere = (c->places[r][c->n] = string_table_get(&ix[r], first->ids[i], strlen(first->ids[i]))) >= 0;
        if (everywhere) c->ids[c->n++] = first->ids[i];
    }
    if (!rc && !c->n) rc = input_error("%s: the systems have no item in common", first->name);
    for (r = 0; r < runs; r++) string_table_free(&ix[r]);
    free(ix);
    return rc;
}

/* --- the same metrics */

static bool in_every_run(const comparison *c, const char *name)
{
    for (int s = 0; s < c->n_systems; s++)
        for (int r = 0; r < c->systems[s].n_runs; r++)
            if (metric_list_find(&c->systems[s].runs[r].metrics, name) < 0) return false;
    return true;
}

static int check_rules(const comparison *c, const compare_metric *m)
{
    for (int s = 0; s < c->n_systems; s++) {
        for (int r = 0; r < c->systems[s].n_runs; r++) {
            const scored *run = &c->systems[s].runs[r];
            const metric *row = &run->metrics.rows[metric_list_find(&run->metrics, m->row.name)];
            str           own = { 0 };
            metric_signature(row, run->n_refs, &own);
            bool same = !strcmp(str_c(&own), str_c(&m->signature)) && row->n_stats == m->row.n_stats;
            int  rc =
                same ? OK
                      : input_error(
                            "%s and %s: \"%s\" was made by different rules, %s there, %s here; score both the same way",
                            c->systems[0].runs[0].name, run->name, m->row.name, str_c(&m->signature), str_c(&own));
            str_free(&own);
            if (rc) return rc;
        }
    }
    return OK;
}

static int choose_metrics(comparison *c)
{
    const scored *first = &c->systems[0].runs[0];
    str           left  = { 0 };
    int           rc    = OK;
    for (int k = 0; k < first->metrics.n && !rc; k++) {
        const metric *row = &first->metrics.rows[k];
        if (!in_every_run(c, row->name)) {
            str_printf(&left, "%s%s", left.n ? ", " : "", row->name);
            continue;
        }
        compare_metric *m = &c->metrics[c->n_metrics++];
        m->row            = *row;
        m->scores         = mem_alloc((size_t)c->n_systems, sizeof *m->scores);
        metric_signature(row, first->n_refs, &m->signature);
        rc = check_rules(c, m);
    }
    if (!rc && !c->n_metrics)
        rc = input_error("%s: has no metric that every other system has (%s)", first->name, str_c(&left));
    if (!rc && left.n) warn("left out, not in every system: %s", str_c(&left));
    str_free(&left);
    return rc;
}

/* --- numbers */

static void gather(comparison *c, compare_metric *m, int s, int64_t *const *places)
{
    const compare_system *system = &c->systems[s];
    compare_score        *out    = &m->scores[s];
    int                   width  = m->row.n_stats;
    double                share = 1. / system->n_runs, *own = mem_alloc((size_t)(c->n * width), sizeof *own);
    out->stats      = mem_alloc((size_t)(c->n * width), sizeof *out->stats);
    out->items      = mem_alloc((size_t)c->n, sizeof *out->items);
    out->run_values = mem_alloc((size_t)system->n_runs, sizeof *out->run_values);
    for (int r = 0; r < system->n_runs; r++) {
        const scored *run = &system->runs[r];
        const double *all = run->stats[metric_list_find(&run->metrics, m->row.name)];
        for (int64_t i = 0; i < c->n; i++) {
            const double *item = all + places[r][i] * width;
            memcpy(own + i * width, item, (size_t)width * sizeof *own);
            for (int w = 0; w < width; w++) out->stats[i * width + w] += system->n_runs > 1 ? item[w] * share : item[w];
            out->items[i] += metric_sentence(&m->row, item) * share;
        }
        out->run_values[r] = metric_value(&m->row, own, c->n);
    }
    out->seed_sd = stats_sd(out->run_values, system->n_runs);
    out->value   = metric_value(&m->row, out->stats, c->n);
    out->error   = metric_stderr(&m->row, out->stats, c->n);
    out->share   = metric_is_share(&m->row, out->stats, c->n);
    out->range   = metric_interval(&m->row, out->stats, c->n, out->value, out->error);
    free(own);
}

/* Standard error and p-value of the difference of mean runs, by Welch's t; one system may be
 * without seeds. */
static void seed_test(const comparison *c, compare_metric *m, int s)
{
    const compare_system *of[2]   = { &c->systems[0], &c->systems[s] };
    const compare_score  *at[2]   = { &m->scores[0], &m->scores[s] };
    compare_score        *out     = &m->scores[s];
    double                part[2] = { 0 }, under = 0;
    out->seed_error = out->seed_df = out->seed_p = NAN;
    for (int k = 0; k < 2; k++) {
        double n = of[k]->n_runs;
        if (of[k]->seedless) continue;
        if (n < 2) return;
        part[k] = at[k]->seed_sd * at[k]->seed_sd / n;
        under += part[k] * part[k] / (n - 1);
    }
    if (of[0]->seedless && of[1]->seedless) return;
    double gap      = stats_mean(at[1]->run_values, of[1]->n_runs) - stats_mean(at[0]->run_values, of[0]->n_runs);
    out->seed_error = sqrt(part[0] + part[1]);
    out->seed_df    = out->seed_error > 0 ? fmax(1, (part[0] + part[1]) * (part[0] + part[1]) / under) : INFINITY;
    out->seed_p     = out->seed_error > 0 ? stats_t_pvalue(gap / out->seed_error, out->seed_df) : gap == 0;
}

/* Means over different numbers of runs round differently. */
bool compare_differs(double x, double y) { return fabs(x - y) > 1e-12 * (fabs(x) + fabs(y)); }

static void test_pair(const comparison *c, compare_metric *m, int s)
{
    const compare_score *base = &m->scores[0];
    compare_score       *out  = &m->scores[s];
    paired_input         in   = { base->stats, out->stats, c->n, m->row.n_stats, metric_of_sums, &m->row };
    paired_test(&in, &c->options.draws, &out->test);
    out->difference_error = out->test.error;
    if (m->row.error == STDERR_MEAN) {
        double *d = mem_alloc((size_t)c->n, sizeof *d);
        for (int64_t i = 0; i < c->n; i++) d[i] = out->stats[i] - base->stats[i];
        out->difference_error = m->row.scale * stats_stderr(d, c->n);
        free(d);
    } else {
        out->range = out->test.b_interval;
    }
    double sign = m->row.higher ? 1 : -1;
    for (int64_t i = 0; i < c->n; i++) {
        if (!compare_differs(out->items[i], base->items[i])) continue;
        out->better += sign * out->items[i] > sign * base->items[i];
        out->worse += sign * out->items[i] < sign * base->items[i];
    }
    out->p     = out->test.p_randomisation;
    out->flips = base->share && out->share;
    if (out->flips) {
        out->counts  = paired_count(base->stats, out->stats, c->n);
        out->p_exact = mcnemar_exact(out->counts.only_a, out->counts.only_b);
        out->p = out->p_mid = mcnemar_mid(out->counts.only_a, out->counts.only_b);
    }
    seed_test(c, m, s);
}

static bool identical(const double *x, const double *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (compare_differs(x[i], y[i])) return false;
    return true;
}

static void judge(const comparison *c, compare_metric *m)
{
    double p[SYSTEMS_MAX], adjusted[SYSTEMS_MAX];
    for (int s = 1; s < c->n_systems; s++) {
        compare_score *out = &m->scores[s];
        if (identical(out->stats, m->scores[0].stats, c->n * m->row.n_stats)) {
            out->verdict = VERDICT_IDENTICAL;
            out->p       = 1;
        }
        p[s - 1] = out->p;
    }
    stats_holm(p, c->n_systems - 1, adjusted);
    for (int s = 1; s < c->n_systems; s++) {
        compare_score *out = &m->scores[s];
        out->p_holm        = adjusted[s - 1];
        if (out->verdict != VERDICT_IDENTICAL)
            out->verdict = !(out->p_holm < 0.05) ? VERDICT_OPEN
                           : out->seed_p >= 0.05 ? VERDICT_SEEDS
                                                 : VERDICT_DIFFERENT;
    }
}

static void measure(comparison *c)
{
    int jobs = c->n_metrics * c->n_systems;
#pragma omp parallel for schedule(dynamic, 1)
    for (int j = 0; j < jobs; j++) {
        int s = j % c->n_systems, before = 0;
        for (int k = 0; k < s; k++) before += c->systems[k].n_runs;
        gather(c, &c->metrics[j / c->n_systems], s, c->places + before);
    }
#pragma omp parallel for schedule(dynamic, 1)
    for (int j = 0; j < jobs; j++)
        if (j % c->n_systems) test_pair(c, &c->metrics[j / c->n_systems], j % c->n_systems);
    for (int k = 0; k < c->n_metrics; k++) {
        compare_metric *m = &c->metrics[k];
        if (m->row.error != STDERR_MEAN) m->scores[0].range = m->scores[1].test.a_interval;
        judge(c, m);
    }
}

int compare_run_systems(comparison *c)
{
    int rc = OK;
    for (int s = 1; s < c->n_systems && !rc; s++) rc = check_asked(&c->systems[0], &c->systems[s]);
    if (!rc) rc = align(c);
    if (!rc) rc = choose_metrics(c);
    if (!rc) measure(c);
    if (rc) comparison_free(c);
    return rc;
}

int compare_run(comparison *c, const char *const *what, int n, const compare_options *options)
{
    *c = (comparison) { .options = *options };
    if (n < 2) return input_error("a comparison needs two systems or more, the baseline first; %d given", n);
    if (n > SYSTEMS_MAX) return input_error("%d systems: at most %d can be compared at once", n, SYSTEMS_MAX);
    for (int s = 0; s < n; s++) {
        int rc = compare_system_read(&c->systems[s], what[s]);
        if (rc) return comparison_free(c), rc;
        c->n_systems++;
    }
    return compare_run_systems(c);
}

interval compare_interval(const comparison *c, const compare_metric *m, int s, double alpha)
{
    const compare_score *at  = &m->scores[s];
    const double         gap = at->test.difference, z = stats_normal_quantile(1 - alpha / 2);
    interval             i;
    if (at->flips) {
        i = paired_share_interval(at->counts, alpha);
        i.low *= m->row.scale, i.high *= m->row.scale;
    } else {
        const bool mean = m->row.error == STDERR_MEAN;
        /* Two halves of an item more, moved by the whole scale up and down: where few items differ,
         * they alone say too little of how others would (Agresti and Min 2005 add as much to
         * counts). */
        const double n = (double)c->n, more = m->row.scale * m->row.scale / (n * (n - 1)),
                     half = mean ? stats_t_quantile(alpha, n - 1) *
                                       sqrt(at->difference_error * at->difference_error + more)
                                 : z * at->difference_error;
        i                 = (interval) { gap - half, gap + half, mean ? "Student's t" : "resamples" };
    }
    if (!isnan(at->seed_error)) {
        const double half = at->seed_error > 0 ? at->seed_error * stats_t_quantile(alpha, at->seed_df) : 0;
        i.low = fmin(i.low, gap - half), i.high = fmax(i.high, gap + half);
    }
    return i;
}

void comparison_free(comparison *c)
{
    for (int r = 0; c->places && r < count_runs(c); r++) free(c->places[r]);
    for (int k = 0; k < c->n_metrics; k++) {
        for (int s = 0; s < c->n_systems; s++) {
            free(c->metrics[k].scores[s].run_values);
            free(c->metrics[k].scores[s].stats);
            free(c->metrics[k].scores[s].items);
        }
        free(c->metrics[k].scores);
        str_free(&c->metrics[k].signature);
    }
    for (int s = 0; s < c->n_systems; s++) compare_system_free(&c->systems[s]);
    free(c->places);
    free(c->ids);
    *c = (comparison) { 0 };
}
