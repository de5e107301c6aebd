#include "gate/gate.h"

#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/error.h"
#include "core/stats.h"
#include "score/compare.h"

/* The most processes a side of a case: their differences, each with each, are sorted. */
enum { PROCESSES_MAX = 2000 };

/* --- texts */

static const char *keep(gate_result *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static const char *keep(gate_result *r, const char *format, ...)
{
    str     text = { 0 };
    va_list args;
    va_start(args, format);
    str_vprintf(&text, format, args);
    va_end(args);
    const char *kept = arena_strndup(&r->memory, str_c(&text), text.n);
    str_free(&text);
    return kept;
}

static void push(gate_texts *t, const char *text)
{
    if (t->n == t->cap) t->items = mem_grow(t->items, &t->cap, sizeof *t->items);
    t->items[t->n++] = text;
}

/* --- the cases of both sides */

/* One case: its samples of both sides lie one after the other. */
typedef struct {
    const char         *name;
    gate_kind           kind;
    const gate_sample **base, **head;
    int64_t             n[2];
    bool                aside;
} pair;

typedef struct {
    gate_result        *r;
    const gate_set     *sets[2];
    const gate_sample **sorted[2];
    pair               *pairs;
    size_t              n, cap;
    /* what differs between files, and was said */
    string_table said;
    bool         only_given;
    regex_t      only;
} judging;

static int by_name(const void *x, const void *y)
{
    const gate_sample *a = *(const gate_sample *const *)x, *b = *(const gate_sample *const *)y;
    int                c = strcmp(a->name, b->name);
    if (!c) c = (a->kind > b->kind) - (a->kind < b->kind);
    return c ? c : (a->file > b->file) - (a->file < b->file);
}

static const gate_sample **sort_samples(const gate_set *s)
{
    const gate_sample **x = mem_alloc(s->n_samples + 1, sizeof *x);
    for (size_t i = 0; i < s->n_samples; i++) x[i] = &s->samples[i];
    qsort(x, s->n_samples, sizeof *x, by_name);
    return x;
}

static bool same_case(const gate_sample *a, const gate_sample *b)
{
    return a && b && a->kind == b->kind && !strcmp(a->name, b->name);
}

/* How many from `at` on are of its case. */
static int64_t length(const gate_sample **at, const gate_sample **end)
{
    const gate_sample **from = at;
    while (at < end && same_case(*at, *from)) at++;
    return at - from;
}

static bool selected(const judging *g, const char *name)
{
    return !g->only_given || regexec(&g->only, name, 0, NULL, 0) == 0;
}

static bool all_aside(const gate_sample **x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!x[i]->aside) return false;
    return true;
}

/* Both sides are sorted by name, so one walk meets every case. */
static void pair_up(judging *g)
{
    const gate_sample **a = g->sorted[0], **b = g->sorted[1], **end_a = a + g->sets[0]->n_samples,
                      **end_b = b + g->sets[1]->n_samples;
    while (a < end_a || b < end_b) {
        const int           c  = a == end_a ? 1 : b == end_b ? -1 : 0;
        const gate_sample **at = c > 0 ? b : a;
        pair                p  = { (*at)->name, (*at)->kind, a, b, { 0, 0 }, false };
        if (!c) {
            const gate_sample x   = { .name = (*a)->name, .kind = (*a)->kind },
                              y   = { .name = (*b)->name, .kind = (*b)->kind };
            const gate_sample *px = &x, *py = &y;
            const int          order = by_name(&px, &py);
            if (order > 0) p.name = y.name, p.kind = y.kind;
            if (order <= 0) p.n[0] = length(a, end_a);
            if (order >= 0) p.n[1] = length(b, end_b);
        } else {
            p.n[c > 0] = length(at, c > 0 ? end_b : end_a);
        }
        p.aside = all_aside(a, p.n[0]) && all_aside(b, p.n[1]);
        a += p.n[0];
        b += p.n[1];
        ack_entry *ack = ack_find(&g->r->acks, p.name);
        if (ack) ack->used = true;
        if (!selected(g, p.name)) continue;
        if (g->n == g->cap) g->pairs = mem_grow(g->pairs, &g->cap, sizeof *g->pairs);
        g->pairs[g->n++] = p;
    }
}

/* --- what must be the same */

static const gate_file *file_of(const judging *g, const pair *p, int side, int64_t i)
{
    return &g->sets[side]->files[(side ? p->head : p->base)[i]->file];
}

/* Says once for all cases that two files differ in something. */
static void say_difference(judging *g, const pair *p, const char *what, const char *x, const char *y,
                           const gate_file *a, const gate_file *b)
{
    const char *key = keep(g->r, "%s\n%s\n%s", what, x, y);
    if (string_table_put(&g->said, key, strlen(key), 0) >= 0) return;
    push(&g->r->problems, keep(g->r, "%s: another %s: \"%s\" in %s, \"%s\" in %s; they cannot be compared", p->name,
                               what, x, a->path, y, b->path));
}

/* False when files of the case differ in what must be the same. */
static bool comparable(judging *g, const pair *p)
{
    bool same = true;
    for (int k = 0; k < GATE_FACTS; k++) {
        const gate_file *first = NULL;
        if (gate_fact_rows[k].of_times_only && p->kind != GATE_TIME) continue;
        for (int side = 0; side < 2; side++) {
            for (int64_t i = 0; i < p->n[side]; i++) {
                const gate_file *f = file_of(g, p, side, i);
                if (!f->facts[k]) continue;
                if (!first) first = f;
                if (!strcmp(first->facts[k], f->facts[k])) continue;
                say_difference(g, p, gate_fact_rows[k].name, first->facts[k], f->facts[k], first, f);
                same = false;
            }
        }
    }
    const gate_file *slow = NULL, *fast = NULL;
    for (int side = 0; side < 2 && p->kind == GATE_TIME; side++) {
        for (int64_t i = 0; i < p->n[side]; i++) {
            const gate_file *f = file_of(g, p, side, i);
            if (!(f->mhz > 0)) continue;
            if (!slow || f->mhz < slow->mhz) slow = f;
            if (!fast || f->mhz > fast->mhz) fast = f;
        }
    }
    if (slow && fast->mhz > 1.1 * slow->mhz) {
        say_difference(g, p, gate_fact_rows[FACT_CLOCK].name, keep(g->r, "%.0f MHz", slow->mhz),
                       keep(g->r, "%.0f MHz", fast->mhz), slow, fast);
        same = false;
    }
    return same;
}

/* False when a sample of the case is none; says why. */
static bool sound(judging *g, const pair *p)
{
    for (int side = 0; side < 2; side++) {
        const gate_sample **x = side ? p->head : p->base;
        for (int64_t i = 0; i < p->n[side]; i++) {
            if (!x[i]->problem) continue;
            push(&g->r->problems, keep(g->r, "%s: %s: %s", p->name, file_of(g, p, side, i)->path, x[i]->problem));
            return false;
        }
        if (p->n[side] > PROCESSES_MAX) {
            push(&g->r->problems, keep(g->r, "%s: %lld files a side; at most %d can be judged", p->name,
                                       (long long)p->n[side], PROCESSES_MAX));
            return false;
        }
    }
    return true;
}

/* --- judging */

gate_case *gate_add(gate_result *r, const char *name, gate_kind kind)
{
    if (r->n == r->cap) r->cases = mem_grow(r->cases, &r->cap, sizeof *r->cases);
    gate_case *c = &r->cases[r->n++];
    *c         = (gate_case) { .name = keep(r, "%s", name), .kind = kind, .unit = "", .why = "", .p = NAN, .test = "" };
    c->j.rule  = "";
    c->j.noise = NAN;
    return c;
}

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

static void judge_time(judging *g, const pair *p)
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
        c->why = keep(r,
                      "%lld and %lld processes hold no interval; %lld a side do, or --noise PERCENT between processes",
                      (long long)p->n[0], (long long)p->n[1], (long long)c->j.needs);
    else if (c->j.needs > 100000)
        c->why = keep(r, "noise of %.2g %% between processes is above the margin", c->j.noise);
    else if (isnan(c->j.noise))
        c->why = keep(r, "at the noise given about %lld processes a side would decide", (long long)c->j.needs);
    else
        c->why = keep(r, "at the noise seen, %.2g %% between processes, about %lld a side would decide", c->j.noise,
                      (long long)c->j.needs);
}

static void ends_of(const gate_sample **x, int64_t n, double *least, double *most)
{
    *least = INFINITY, *most = -INFINITY;
    for (int64_t i = 0; i < n; i++) *least = fmin(*least, x[i]->count), *most = fmax(*most, x[i]->count);
}

/* A count is the same, more or less. Where the files of a side differ, both ends must be the
 * same. */
static void judge_count(judging *g, const pair *p)
{
    const gate_file *a = file_of(g, p, 0, 0), *b = file_of(g, p, 1, 0);
    if (a->adapter && b->adapter && strcmp(a->adapter, b->adapter) != 0) {
        push(&g->r->notes, keep(g->r, "%s: not judged, another adapter: \"%s\" in %s, \"%s\" in %s", p->name,
                                a->adapter, a->path, b->adapter, b->path));
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
static int read_system(judging *g, compare_system *out, const pair *p, int side)
{
    char            *logs[RUNS_MAX];
    int              n = 0, rc = OK;
    const gate_file *first = file_of(g, p, side, 0);
    for (int64_t i = 0; i < p->n[side] && !rc; i++) {
        const gate_file *f    = file_of(g, p, side, i);
        bool             seen = false;
        for (int64_t k = 0; k < i; k++) seen |= f->adapter && json_equal(file_of(g, p, side, k)->asked, f->asked);
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

static int compare_pair(judging *g, compared *k, const pair *p)
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

static void judge_score(judging *g, const pair *p, const compared *k)
{
    gate_result *r  = g->r;
    const int    at = find_metric(&k->c, metric_of(p->base[0]));
    if (at < 0) {
        push(&r->problems, keep(r, "%s: the logs of one side lack it", p->name));
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
        c->why = keep(r, "about %lld items would decide%s", (long long)c->j.needs,
                      isnan(s->seed_error) ? "" : ", or more training seeds");
    else
        c->why = "the difference lies about the margin";
}

/* --- notes */

/* Said of times: which side ran first. */
static void note_order(judging *g)
{
    int64_t first[2] = { INT64_MAX, INT64_MAX }, last[2] = { -1, -1 };
    bool    known = true, any = false;
    for (size_t i = 0; i < g->n; i++) {
        const pair *p = &g->pairs[i];
        if (p->kind != GATE_TIME || !p->n[0] || !p->n[1]) continue;
        any = true;
        for (int side = 0; side < 2; side++) {
            for (int64_t k = 0; k < p->n[side]; k++) {
                const int64_t made = file_of(g, p, side, k)->made;
                known &= made >= 0;
                if (made < first[side]) first[side] = made;
                if (made > last[side]) last[side] = made;
            }
        }
    }
    if (!any) return;
    if (!known)
        push(&g->r->notes, "some files do not say when they were made, so whether the sides ran in turn is not known: "
                           "drift of the machine may look like a change");
    else if (last[0] < first[1] || last[1] < first[0])
        push(&g->r->notes, keep(g->r,
                                "not interleaved: all of %s ran before all of %s, so drift of the machine cannot be "
                                "told from a change; run them in turn",
                                last[0] < first[1] ? "BASE" : "HEAD", last[0] < first[1] ? "HEAD" : "BASE"));
}

static void check_age(judging *g)
{
    gate_result     *r     = g->r;
    const int64_t    now   = r->o.now ? r->o.now : (int64_t)time(NULL);
    const gate_file *worst = NULL;
    if (!r->o.max_age_days) return;
    for (size_t i = 0; i < g->sets[0]->n_files; i++) {
        const gate_file *f = &g->sets[0]->files[i];
        if (!worst || f->made < worst->made) worst = f;
    }
    if (worst && worst->made < 0)
        push(&r->problems, keep(r, "%s: does not say when it was made, and --max-age-days asks for at most %lld days",
                                worst->path, (long long)r->o.max_age_days));
    else if (worst && now - worst->made > 86400 * r->o.max_age_days)
        push(&r->problems,
             keep(r, "%s: the baseline is %lld days old, at most %lld are allowed (--max-age-days); make it anew",
                  worst->path, (long long)((now - worst->made) / 86400), (long long)r->o.max_age_days));
}

static void note_files(gate_result *r, const gate_set *s, const char *side)
{
    if (s->copies)
        push(&r->notes, keep(r, "%s: %lld files are copies of others and count once", side, (long long)s->copies));
    if (s->skipped)
        push(&r->notes, keep(r,
                             "%s: %lld JSON files are neither records nor reports of Google Benchmark and were not "
                             "looked at: %s%s",
                             side, (long long)s->skipped, s->first_skipped, s->skipped > 1 ? ", ..." : ""));
}

/* --- all of it */

static bool judged(const pair *p) { return p->n[0] && p->n[1]; }

/* Sorts out what has one side only, what cannot be compared and what is left aside; keeps the
 * rest. */
static void sort_out(judging *g)
{
    gate_result *r    = g->r;
    size_t       kept = 0;
    for (size_t i = 0; i < g->n; i++) {
        pair      *p   = &g->pairs[i];
        ack_entry *ack = ack_find(&r->acks, p->name);
        if (p->n[0] && !p->n[1] && ack)
            push(&r->notes, keep(r, "%s: gone, as acknowledged: %s", p->name, ack->reason));
        else if (!judged(p))
            push(p->n[0] ? &r->missing : &r->fresh, keep(r, "%s", p->name));
        else if (sound(g, p) && comparable(g, p))
            g->pairs[kept++] = *p;
    }
    g->n = kept;
    /* Throughput and memory of runs that were made for their scores wait for enough of these, unless
     * there is nothing else. */
    bool others = false;
    for (size_t i = 0; i < g->n; i++) others |= !g->pairs[i].aside;
    kept = 0;
    for (size_t i = 0; i < g->n; i++) {
        const pair *p   = &g->pairs[i];
        const bool  few = p->n[0] < GATE_LEAST || p->n[1] < GATE_LEAST;
        if (others && p->aside && few && !(r->o.noise > 0))
            push(&r->unjudged, keep(r, "%s", p->name));
        else if (p->kind == GATE_SCORE && !(p->base[0]->count > 0))
            push(&r->notes, keep(r, "%s: not judged, its metric has no scale, so no points", p->name));
        else
            g->pairs[kept++] = *p;
    }
    g->n = kept;
    for (size_t i = 0; i < g->n; i++) r->simultaneous += g->pairs[i].kind != GATE_EXACT;
}

static int judge_pairs(judging *g)
{
    compared k  = { 0 };
    int      rc = OK;
    for (size_t i = 0; i < g->n && !rc; i++) {
        const pair *p = &g->pairs[i];
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

static int prepare(judging *g, const gate_options *o)
{
    int bad = o->only ? regcomp(&g->only, o->only, REG_EXTENDED | REG_NOSUB) : 0;
    if (bad) {
        char why[128];
        regerror(bad, &g->only, why, sizeof why);
        return input_error("--only %s: %s; it is an extended regular expression over the cases' names", o->only, why);
    }
    g->only_given = o->only != NULL;
    return o->ack ? ack_read(&g->r->acks, o->ack) : OK;
}

int gate_judge_sets(gate_result *r, gate_set *base, gate_set *head, const gate_options *o)
{
    *r         = (gate_result) { .o = *o };
    judging g  = { .r = r, .sets = { base, head } };
    int     rc = prepare(&g, o);
    if (!rc) {
        gate_set_names(base, head);
        g.sorted[0] = sort_samples(base);
        g.sorted[1] = sort_samples(head);
        pair_up(&g);
        note_files(r, base, "BASE");
        note_files(r, head, "HEAD");
        check_age(&g);
        note_order(&g);
        if (!g.n && o->only)
            rc = input_error("--only %s: no case has such a name; BASE has \"%s\"", o->only,
                             base->n_samples ? g.sorted[0][0]->name : "none");
        sort_out(&g);
        if (!rc) rc = judge_pairs(&g);
    }
    if (g.only_given) regfree(&g.only);
    string_table_free(&g.said);
    free(g.sorted[0]);
    free(g.sorted[1]);
    free(g.pairs);
    if (rc) gate_result_free(r);
    return rc;
}

/* --- the result */

static bool is_bad(const gate_case *c) { return c->j.verdict >= GATE_CHANGED; }

/* The worst first: what failed, what is open, what was accepted, what is fine; within these by the
 * end of the interval that is worse. */
static int by_badness(const void *x, const void *y)
{
    const gate_case *a = x, *b = y;
    const int        of_a = a->accepted ? GATE_INCONCLUSIVE - 1 : (int)a->j.verdict,
              of_b        = b->accepted ? GATE_INCONCLUSIVE - 1 : (int)b->j.verdict;
    if (of_a != of_b) return of_b - of_a;
    const double worse_a = a->kind == GATE_SCORE ? -a->j.low : a->j.high,
                 worse_b = b->kind == GATE_SCORE ? -b->j.low : b->j.high;
    if (worse_a != worse_b && !isnan(worse_a) && !isnan(worse_b)) return worse_a < worse_b ? 1 : -1;
    return strcmp(a->name, b->name);
}

static void apply_acks(gate_result *r)
{
    const int64_t now = r->o.now ? r->o.now : (int64_t)time(NULL);
    for (size_t i = 0; i < r->n; i++) {
        gate_case *c   = &r->cases[i];
        ack_entry *ack = ack_find(&r->acks, c->name);
        if (!ack) continue;
        ack->used = true;
        if (is_bad(c) && now < ack->ends)
            c->accepted = ack;
        else if (!is_bad(c) && now < ack->ends)
            push(&r->notes, keep(r, "%s: line %lld: %s is %s, so its acknowledgement is not needed", r->acks.path,
                                 (long long)ack->line, c->name, gate_word(c->j.verdict)));
    }
    for (size_t i = 0; i < r->acks.n; i++) {
        const ack_entry *ack = &r->acks.entries[i];
        if (!ack->used)
            push(&r->problems, keep(r, "%s: line %lld: \"%s\" is the name of no case", r->acks.path,
                                    (long long)ack->line, ack->name));
        else if (now >= ack->ends)
            push(&r->problems, keep(r,
                                    "%s: line %lld: the acknowledgement of \"%s\" expired on %s: mend the case, or "
                                    "give the line another day",
                                    r->acks.path, (long long)ack->line, ack->name, ack->until));
    }
}

void gate_finish(gate_result *r)
{
    apply_acks(r);
    if (r->n) qsort(r->cases, r->n, sizeof *r->cases, by_badness);
    if (!r->n && !r->problems.n && !r->missing.n) push(&r->problems, "BASE and HEAD have no case in common");
}

void gate_result_free(gate_result *r)
{
    gate_texts *lists[] = { &r->missing, &r->fresh, &r->unjudged, &r->notes, &r->problems };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) free(lists[i]->items);
    free(r->cases);
    ack_free(&r->acks);
    arena_free(&r->memory);
    *r = (gate_result) { 0 };
}

/* Up to five names of the cases with a verdict that nobody accepted; their number. */
static int64_t count(const gate_result *r, bool bad, str *names)
{
    int64_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        const gate_case *c = &r->cases[i];
        if (bad ? !is_bad(c) || c->accepted : c->j.verdict != GATE_INCONCLUSIVE) continue;
        if (names && n < 5) str_item(names, ", ", c->name);
        if (names && n == 5) str_puts(names, ", ...");
        n++;
    }
    return n;
}

const char *gate_overall(const gate_result *r)
{
    if (count(r, true, NULL)) return "regressed";
    if (r->problems.n || r->missing.n) return "inconclusive";
    return count(r, false, NULL) && !r->o.allow_inconclusive ? "inconclusive" : "pass";
}

int gate_status(const gate_result *r)
{
    str     names = { 0 };
    int     rc    = OK;
    int64_t n;
    if (r->problems.n || r->missing.n) {
        for (size_t i = 0; i < r->problems.n && i < 10; i++) str_item(&names, "\n  ", r->problems.items[i]);
        for (size_t i = 0; i < r->missing.n && i < 10; i++) {
            str_item(&names, "\n  ", r->missing.items[i]);
            str_puts(&names, ": in BASE and not in HEAD; if that is meant, acknowledge it (--ack)");
        }
        n  = (int64_t)(r->problems.n + r->missing.n);
        rc = n == 1 ? input_error("%s", names.s)
                    : input_error("%lld things stand in the way:\n  %s%s", (long long)n, names.s,
                                  r->problems.n > 10 || r->missing.n > 10 ? "\n  ..." : "");
    } else if ((n = count(r, true, &names))) {
        rc = run_error("%lld of %zu cases regressed or changed: %s", (long long)n, r->n, names.s);
    } else if (!r->o.allow_inconclusive && (n = count(r, false, &names))) {
        run_error("%lld of %zu cases are inconclusive: %s", (long long)n, r->n, names.s);
        rc = ERR_INCONCLUSIVE;
    }
    str_free(&names);
    return rc;
}
