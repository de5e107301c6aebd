/* A verdict for each case that both sides have: of a time, of a count, of a score. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/stats.h"
#include "gate/gate_private.h"
#include "score/compare.h"

/* --- times and counts */

/* The median over processes, as it is read. */
static double shown(const gate_sample **x, int64_t n)
{
    double *v = mem_alloc((size_t)n, sizeof *v);
    for (int64_t i = 0; i < n; i++) v[i] = x[i]->process.value;
    const double middle = stats_median(v, n);
    free(v);
    return exp(x[0]->inverted ? -middle : middle);
}

static gate_process *processes(const gate_sample **x, int64_t n)
{
    gate_process *p = mem_alloc((size_t)n, sizeof *p);
    for (int64_t i = 0; i < n; i++) p[i] = x[i]->process;
    return p;
}

static void judge_time(gate_judging *g, const gate_pair *p)
{
    gate_result  *r    = g->r;
    gate_case    *c    = gate_add(r, p->name, GATE_TIME);
    gate_process *base = processes(p->base, p->n[0]), *head = processes(p->head, p->n[1]);
    gate_judge(&c->j, base, p->n[0], head, p->n[1],
               &(gate_rule) { .margin = r->o.margin, .noise = r->o.noise, .cases = r->simultaneous });
    c->base = shown(p->base, p->n[0]);
    c->head = shown(p->head, p->n[1]);
    c->unit = p->base[0]->unit;
    free(base);
    free(head);
    if (c->j.verdict != GATE_INCONCLUSIVE) return;
    if (isnan(c->j.low))
        c->why = gate_keep(
            r, "%lld and %lld processes hold no interval; %lld a side do, or --noise PERCENT between processes",
            (long long)p->n[0], (long long)p->n[1], (long long)c->j.needs);
    else if (c->j.needs > 100000)
        c->why = gate_keep(r, "noise of %.2g %% between processes is above the margin", c->j.noise);
    else if (isnan(c->j.noise))
        c->why = gate_keep(r, "at the noise given about %lld processes a side would decide", (long long)c->j.needs);
    else
        c->why = gate_keep(r, "at the noise seen, %.2g %% between processes, about %lld a side would decide",
                           c->j.noise, (long long)c->j.needs);
}

static void ends_of(const gate_sample **x, int64_t n, double *least, double *most)
{
    *least = INFINITY, *most = -INFINITY;
    for (int64_t i = 0; i < n; i++) *least = fmin(*least, x[i]->count), *most = fmax(*most, x[i]->count);
}

/* A count is the same, more or less. Where the files of a side differ, both ends must be the
 * same. */
static void judge_count(gate_judging *g, const gate_pair *p)
{
    const gate_file *a = gate_file_of(g, p, 0, 0), *b = gate_file_of(g, p, 1, 0);
    if (a->adapter && b->adapter && strcmp(a->adapter, b->adapter) != 0) {
        const bool named = strcmp(a->variant, b->variant) != 0;
        gate_say(g->r, &g->r->notes, "%s: not judged, it is another adapter: %s in BASE, %s in HEAD", p->name,
                 named ? a->variant : a->adapter, named ? b->variant : b->adapter);
        return;
    }
    gate_case *c = gate_add(g->r, p->name, GATE_EXACT);
    double     low[2], high[2];
    ends_of(p->base, p->n[0], &low[0], &high[0]);
    ends_of(p->head, p->n[1], &low[1], &high[1]);
    const bool same = low[0] == low[1] && high[0] == high[1];
    c->base = high[0], c->head = high[1];
    c->unit     = p->base[0]->unit;
    c->j.rule   = "count";
    c->j.n_base = p->n[0], c->j.n_head = p->n[1];
    c->j.change = c->j.low = c->j.high = high[1] == high[0] ? 0 : 100 * (high[1] / high[0] - 1);
    c->j.verdict                       = same ? GATE_EQUIVALENT : high[1] > high[0] ? GATE_REGRESSED : GATE_CHANGED;
}

/* --- scores */

/* Two systems that answered the same items. */
typedef struct {
    const char *stem; /* the cases' names up to the metric */
    size_t      n;
    comparison  c;
} compared;

static const char *metric_of(const gate_sample *s) { return s->part; }

static size_t stem_length(const gate_sample *s) { return strlen(s->name) - strlen(s->part); }

/* The logs of one side that have the case; several are runs of one cell that differ in their seed.
 * The same run scored again is no run more. */
static int read_system(gate_judging *g, compare_system *out, const gate_pair *p, int side)
{
    char            *logs[RUNS_MAX];
    int              n = 0, rc = OK;
    const gate_file *first = gate_file_of(g, p, side, 0);
    for (int64_t i = 0; i < p->n[side] && !rc; i++) {
        const gate_file *f    = gate_file_of(g, p, side, i);
        bool             seen = false;
        for (int64_t k = 0; k < i; k++) seen |= f->adapter && json_equal(gate_file_of(g, p, side, k)->asked, f->asked);
        if (i && !f->adapter)
            rc = input_error("%s and %s: two logs of one task on one side; keep one of them", first->log, f->log);
        else if (!seen && n == RUNS_MAX)
            rc = input_error("%s: more than %d runs", p->name, RUNS_MAX);
        else if (!seen)
            logs[n++] = mem_strdup(f->log);
    }
    if (!rc) rc = compare_system_of(out, first->log, logs, n);
    while (n) free(logs[--n]);
    return rc;
}

static int compare_pair(gate_judging *g, compared *k, const gate_pair *p)
{
    k->n    = stem_length(p->base[0]);
    k->stem = p->name;
    k->c    = (comparison) { .options = { .draws = PAIRED_DEFAULTS } };
    int rc  = read_system(g, &k->c.systems[0], p, 0);
    if (!rc) k->c.n_systems = 1, rc = read_system(g, &k->c.systems[1], p, 1);
    if (!rc) {
        k->c.n_systems = 2;
        return error_context(compare_run_systems(&k->c), "%.*s", (int)(k->n ? k->n - 1 : 0), p->name);
    }
    comparison_free(&k->c);
    return rc;
}

/* The metric of a comparison that the case is about. A name that other metrics begin with is no
 * danger: names are compared whole. */
static int find_metric(const comparison *c, const char *name)
{
    for (int m = 0; m < c->n_metrics; m++)
        if (!strcmp(c->metrics[m].row.name, name)) return m;
    return -1;
}

static void judge_score(gate_judging *g, const gate_pair *p, const compared *k)
{
    gate_result *r  = g->r;
    const int    at = find_metric(&k->c, metric_of(p->base[0]));
    if (at < 0) {
        gate_say(r, &r->problems, "%s: the logs of one side lack it", p->name);
        return;
    }
    const compare_metric *m      = &k->c.metrics[at];
    const compare_score  *s      = &m->scores[1];
    gate_case            *c      = gate_add(r, p->name, GATE_SCORE);
    const double          points = (m->row.higher ? 100 : -100) / m->row.scale;
    interval              i      = compare_interval(&k->c, m, 1, gate_alpha(r->simultaneous));
    /* The same answers leave nothing to estimate. */
    if (s->verdict == VERDICT_IDENTICAL) i = (interval) { 0, 0, compare_verdict_text(m, s) };
    c->base = m->scores[0].value, c->head = s->value;
    c->p        = s->p;
    c->test     = compare_test_name(s);
    c->j.rule   = i.rule;
    c->j.margin = r->o.score_margin;
    c->j.n_base = c->j.n_head = k->c.n;
    c->j.change               = points * s->test.difference;
    c->j.low                  = fmin(points * i.low, points * i.high);
    c->j.high                 = fmax(points * i.low, points * i.high);
    c->j.verdict              = gate_decide(c->j.low, c->j.high, c->j.margin, false);
    if (c->j.verdict != GATE_INCONCLUSIVE) return;
    /* The half-width falls with the root of the number of items. */
    const double half = (c->j.high - c->j.low) / 2, gap = fmax(fabs(fabs(c->j.change) - c->j.margin), c->j.margin / 2),
                 grow = half / gap;
    c->j.needs        = half > 0 ? (int64_t)ceil((double)k->c.n * grow * grow) : 0;
    if (c->j.needs > k->c.n && c->j.needs < 100000000)
        c->why = gate_keep(r, "about %lld items would decide%s", (long long)c->j.needs,
                           isnan(s->seed_error) ? "" : ", or more training seeds");
    else
        c->why = "the difference lies about the margin";
}

/* --- all */

int gate_judge_pairs(gate_judging *g)
{
    compared k  = { 0 };
    int      rc = OK;
    for (size_t i = 0; i < g->n && !rc; i++) {
        const gate_pair *p = &g->pairs[i];
        if (p->kind == GATE_TIME) judge_time(g, p);
        if (p->kind == GATE_EXACT) judge_count(g, p);
        if (p->kind != GATE_SCORE) continue;
        /* Cases of one comparison stand together: they differ in their names' ends. */
        if (!k.stem || k.n != stem_length(p->base[0]) || strncmp(k.stem, p->name, k.n) != 0) {
            if (k.stem) comparison_free(&k.c);
            k  = (compared) { 0 };
            rc = compare_pair(g, &k, p);
            if (rc) k.stem = NULL;
        }
        if (!rc) judge_score(g, p, &k);
    }
    if (k.stem) comparison_free(&k.c);
    return rc;
}
