#include "gate/gate_private.h"

#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/error.h"

/* The most processes a side of a case: their differences, each with each, are sorted. */
enum { PROCESSES_MAX = 2000 };

/* --- texts */

const char *gate_keep(gate_result *r, const char *format, ...)
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

void gate_say(gate_result *r, gate_texts *list, const char *format, ...)
{
    str     text = { 0 };
    va_list args;
    va_start(args, format);
    str_vprintf(&text, format, args);
    va_end(args);
    if (list->n == list->cap) list->items = mem_grow(list->items, &list->cap, sizeof *list->items);
    list->items[list->n++] = gate_keep(r, "%s", str_c(&text));
    str_free(&text);
}

/* --- the cases of both sides */

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

static bool selected(const gate_judging *g, const char *name)
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
static void pair_up(gate_judging *g)
{
    const gate_sample **a = g->sorted[0], **b = g->sorted[1], **end_a = a + g->sets[0]->n_samples,
                      **end_b = b + g->sets[1]->n_samples;
    while (a < end_a || b < end_b) {
        const int           c  = a == end_a ? 1 : b == end_b ? -1 : 0;
        const gate_sample **at = c > 0 ? b : a;
        gate_pair           p  = { (*at)->name, (*at)->kind, a, b, { 0, 0 }, false };
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

const gate_file *gate_file_of(const gate_judging *g, const gate_pair *p, int side, int64_t i)
{
    return &g->sets[side]->files[(side ? p->head : p->base)[i]->file];
}

/* Says once for all cases that two files differ in something. */
static void say_difference(gate_judging *g, const gate_pair *p, const char *what, const char *x, const char *y,
                           const gate_file *a, const gate_file *b)
{
    const char *key = gate_keep(g->r, "%s\n%s\n%s", what, x, y);
    if (string_table_put(&g->said, key, strlen(key), 0) >= 0) return;
    gate_say(g->r, &g->r->problems, "%s: another %s: \"%s\" in %s, \"%s\" in %s; they cannot be compared", p->name,
             what, x, a->path, y, b->path);
}

/* The first file of the case that differs in a fact from the first that has it, which becomes
 * *first; NULL: none does. */
static const gate_file *differing(const gate_judging *g, const gate_pair *p, int fact, const gate_file **first)
{
    *first = NULL;
    for (int side = 0; side < 2; side++) {
        for (int64_t i = 0; i < p->n[side]; i++) {
            const gate_file *f = gate_file_of(g, p, side, i);
            if (!f->facts[fact]) continue;
            if (!*first) *first = f;
            if (strcmp((*first)->facts[fact], f->facts[fact]) != 0) return f;
        }
    }
    return NULL;
}

/* False when files of the case differ in what must be the same. */
static bool comparable(gate_judging *g, const gate_pair *p)
{
    bool same = true;
    for (int k = 0; k < GATE_FACTS; k++) {
        const gate_file *first, *other;
        if (gate_fact_rows[k].of_times_only && p->kind != GATE_TIME) continue;
        if (!(other = differing(g, p, k, &first))) continue;
        say_difference(g, p, gate_fact_rows[k].name, first->facts[k], other->facts[k], first, other);
        same = false;
    }
    const gate_file *slow = NULL, *fast = NULL;
    for (int side = 0; side < 2 && p->kind == GATE_TIME; side++) {
        for (int64_t i = 0; i < p->n[side]; i++) {
            const gate_file *f = gate_file_of(g, p, side, i);
            if (!(f->mhz > 0)) continue;
            if (!slow || f->mhz < slow->mhz) slow = f;
            if (!fast || f->mhz > fast->mhz) fast = f;
        }
    }
    if (slow && fast->mhz > 1.1 * slow->mhz) {
        say_difference(g, p, gate_fact_rows[FACT_CLOCK].name, gate_keep(g->r, "%.0f MHz", slow->mhz),
                       gate_keep(g->r, "%.0f MHz", fast->mhz), slow, fast);
        same = false;
    }
    return same;
}

/* False when a sample of the case is none; says why. */
static bool sound(gate_judging *g, const gate_pair *p)
{
    for (int side = 0; side < 2; side++) {
        const gate_sample **x = side ? p->head : p->base;
        for (int64_t i = 0; i < p->n[side]; i++) {
            if (!x[i]->problem) continue;
            gate_say(g->r, &g->r->problems, "%s: %s: %s", p->name, gate_file_of(g, p, side, i)->path, x[i]->problem);
            return false;
        }
        if (p->n[side] > PROCESSES_MAX) {
            gate_say(g->r, &g->r->problems, "%s: %lld files a side; at most %d can be judged", p->name,
                     (long long)p->n[side], PROCESSES_MAX);
            return false;
        }
    }
    return true;
}

/* --- notes */

/* Said of times: which side ran first. */
static void note_order(gate_judging *g)
{
    int64_t first[2] = { INT64_MAX, INT64_MAX }, last[2] = { -1, -1 };
    bool    known = true, any = false;
    for (size_t i = 0; i < g->n; i++) {
        const gate_pair *p = &g->pairs[i];
        if (p->kind != GATE_TIME) continue;
        any = true;
        for (int side = 0; side < 2; side++) {
            for (int64_t k = 0; k < p->n[side]; k++) {
                const int64_t made = gate_file_of(g, p, side, k)->made;
                known &= made >= 0;
                if (made < first[side]) first[side] = made;
                if (made > last[side]) last[side] = made;
            }
        }
    }
    if (!any) return;
    if (!known)
        gate_say(g->r, &g->r->notes,
                 "some files do not say when they were made, so whether the sides ran in turn is not known: "
                 "drift of the machine may look like a change");
    else if (last[0] < first[1] || last[1] < first[0])
        gate_say(g->r, &g->r->notes,
                 "not interleaved: all of %s ran before all of %s, so drift of the machine cannot be "
                 "told from a change; run them in turn",
                 last[0] < first[1] ? "BASE" : "HEAD", last[0] < first[1] ? "HEAD" : "BASE");
}

static void check_age(gate_judging *g)
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
        gate_say(r, &r->problems, "%s: does not say when it was made, and --max-age-days asks for at most %lld days",
                 worst->path, (long long)r->o.max_age_days);
    else if (worst && now - worst->made > 86400 * r->o.max_age_days)
        gate_say(r, &r->problems,
                 "%s: the baseline is %lld days old, at most %lld are allowed (--max-age-days); make it anew",
                 worst->path, (long long)((now - worst->made) / 86400), (long long)r->o.max_age_days);
}

static void note_files(gate_result *r, const gate_set *s, const char *side)
{
    for (size_t i = 0; i < s->n_files; i++) {
        if (!s->files[i].facts[FACT_BUILD] || strcmp(s->files[i].facts[FACT_BUILD], "debug") != 0) continue;
        gate_say(r, &r->notes, "%s: %s: the benchmark library is a debug build, which may slow the times down", side,
                 s->files[i].path);
        break;
    }
    if (s->copies)
        gate_say(r, &r->notes, "%s: %lld files are copies of others and count once", side, (long long)s->copies);
    if (s->skipped)
        gate_say(r, &r->notes,
                 "%s: %lld JSON files are neither records nor reports of Google Benchmark and were not "
                 "looked at: %s%s",
                 side, (long long)s->skipped, s->first_skipped, s->skipped > 1 ? ", ..." : "");
}

/* --- all of it */

static bool judged(const gate_pair *p) { return p->n[0] && p->n[1]; }

/* Sorts out what has one side only, what cannot be compared and what is left aside; keeps the
 * rest. */
static void sort_out(gate_judging *g)
{
    gate_result *r    = g->r;
    size_t       kept = 0;
    for (size_t i = 0; i < g->n; i++) {
        gate_pair *p   = &g->pairs[i];
        ack_entry *ack = ack_find(&r->acks, p->name);
        if (p->n[0] && !p->n[1] && ack)
            gate_say(r, &r->notes, "%s: gone, as acknowledged: %s", p->name, ack->reason);
        else if (!judged(p))
            gate_say(r, p->n[0] ? &r->missing : &r->fresh, "%s", p->name);
        else if (sound(g, p) && comparable(g, p))
            g->pairs[kept++] = *p;
    }
    g->n = kept;
    /* Throughput and memory of runs that were made for their scores wait for enough of these,
     * unless there is nothing else. */
    bool others = false;
    for (size_t i = 0; i < g->n; i++) others |= !g->pairs[i].aside;
    kept = 0;
    for (size_t i = 0; i < g->n; i++) {
        const gate_pair *p   = &g->pairs[i];
        const bool       few = p->n[0] < GATE_LEAST || p->n[1] < GATE_LEAST;
        if (others && p->aside && few && !(r->o.noise > 0))
            gate_say(r, &r->unjudged, "%s", p->name);
        else if (p->kind == GATE_SCORE && !(p->base[0]->count > 0))
            gate_say(r, &r->notes, "%s: not judged, its metric has no scale, so no points", p->name);
        else
            g->pairs[kept++] = *p;
    }
    g->n = kept;
    for (size_t i = 0; i < g->n; i++) r->simultaneous += g->pairs[i].kind != GATE_EXACT;
    if (r->o.looks > 1) r->simultaneous *= r->o.looks;
}

static int prepare(gate_judging *g, const gate_options *o)
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
    *r              = (gate_result) { .o = *o };
    gate_judging g  = { .r = r, .sets = { base, head } };
    int          rc = prepare(&g, o);
    if (!rc) {
        gate_set_names(base, head);
        g.sorted[0] = sort_samples(base);
        g.sorted[1] = sort_samples(head);
        pair_up(&g);
        note_files(r, base, "BASE");
        note_files(r, head, "HEAD");
        check_age(&g);
        if (!g.n && o->only)
            rc = input_error("--only %s: no case has such a name; BASE has \"%s\"", o->only,
                             base->n_samples ? g.sorted[0][0]->name : "none");
        sort_out(&g);
        note_order(&g);
        if (!rc) rc = gate_judge_pairs(&g);
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

gate_case *gate_add(gate_result *r, const char *name, gate_kind kind)
{
    if (r->n == r->cap) r->cases = mem_grow(r->cases, &r->cap, sizeof *r->cases);
    gate_case *c = &r->cases[r->n++];
    *c = (gate_case) { .name = gate_keep(r, "%s", name), .kind = kind, .unit = "", .why = "", .p = NAN, .test = "" };
    c->j.rule  = "";
    c->j.noise = NAN;
    return c;
}

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
            gate_say(r, &r->notes, "%s: line %lld: %s is %s, so its acknowledgement is not needed", r->acks.path,
                     (long long)ack->line, c->name, gate_word(c->j.verdict));
    }
    for (size_t i = 0; i < r->acks.n; i++) {
        const ack_entry *ack = &r->acks.entries[i];
        if (!ack->used)
            gate_say(r, &r->problems, "%s: line %lld: \"%s\" is the name of no case", r->acks.path,
                     (long long)ack->line, ack->name);
        else if (now >= ack->ends)
            gate_say(r, &r->problems,
                     "%s: line %lld: the acknowledgement of \"%s\" expired on %s: mend the case, or "
                     "give the line another day",
                     r->acks.path, (long long)ack->line, ack->name, ack->until);
    }
}

void gate_finish(gate_result *r)
{
    apply_acks(r);
    if (r->n) qsort(r->cases, r->n, sizeof *r->cases, by_badness);
    if (!r->n && !r->problems.n && !r->missing.n)
        gate_say(r, &r->problems,
                 "there is no case to judge: BASE and HEAD have none in common, or none that can be judged");
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
