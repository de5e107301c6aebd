#include "reports/goals.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "reports/limit.h"
#include "reports/peers.h"

typedef goal_value (*reading)(const overhead_point *p);
static goal_value time_of(const overhead_point *p) { return (goal_value) { p->overhead, p->low, p->high }; }
static goal_value bytes_of(const overhead_point *p)
{
    double bytes = isfinite(p->moved) ? p->moved : p->byte_share;
    return (goal_value) { bytes, bytes, bytes };
}
static goal_value launches_of(const overhead_point *p)
{
    double more = p->launches - p->base_launches;
    return (goal_value) { more, more, more };
}

/* Each for bf16, rank 16, cold, and the variant that reads least; a method of NULL: every method
 * that was measured there. against: in relation to the same of this method, (1 + value) / (1 +
 * other) - 1. unit: of one part; "" for a number of launches. */
static const struct {
    const char *goal, *op;
    int64_t     tokens, d_out, adapters;
    const char *method, *against;
    reading     read;
    double      limit, unit;
    const char *unit_name;
} goals[] = {
    { "prefill: time over the base", "fwd", 4096, 12288, 1, NULL, NULL, time_of, 0.025, 100, " %" },
    { "training: time over the base", "fwd+bwd", 8192, 12288, 1, NULL, NULL, time_of, 0.045, 100, " %" },
    { "decode of 1: launches more than the base", "decode", 1, 12288, 1, NULL, NULL, launches_of, 1, 1, "" },
    { "decode of 8: launches more than the base", "decode", 8, 12288, 1, NULL, NULL, launches_of, 1, 1, "" },
    { "decode of 64: launches more than the base", "decode", 64, 12288, 1, NULL, NULL, launches_of, 1, 1, "" },
    { "training: a tied method beside LoRA", "fwd+bwd", 8192, 12288, 1, "tied-lora", "lora", time_of, 0, 100, " %" },
    { "backward alone: a tied method beside LoRA", "bwd", 8192, 12288, 1, "tied-lora", "lora", time_of, 0, 100, " %" },
    { "64 tenants: a tied method's bytes over the base", "decode", 64, 12288, 64, "tied-lora", NULL, bytes_of, 0.04,
      100, " %" },
    { "64 tenants: its time over the base", "decode", 64, 12288, 64, "tied-lora", NULL, time_of, 0.04, 100, " %" },
};
static const int64_t goal_rank = 16;

/* Merged weights serve the one adapter they were merged with. */
bool goal_counts(const overhead_point *p) { return strcmp(p->variant, "merged") != 0; }

const char *goal_verdict(goal_value v, double limit, bool at_most)
{
    if (!(isfinite(v.value) && isfinite(v.low) && isfinite(v.high))) return "not measured";
    bool surely = at_most ? v.high <= limit : v.low >= limit, never = at_most ? v.low > limit : v.high < limit;
    return surely ? "met" : never ? "missed" : "not separable";
}

static bool fits(const overhead_point *p, size_t g, const char *method)
{
    return overhead_on_gpu(p) && !p->emulated && goal_counts(p) && !strcmp(p->op, goals[g].op) &&
           p->tokens == goals[g].tokens && p->d_out == goals[g].d_out && p->adapters == goals[g].adapters &&
           (p->adapters == 1 || !strcmp(p->popularity, "different")) && p->rank == goal_rank &&
           !strcmp(p->dtype, "bf16") && !strcmp(p->mode, "cold") && !strcmp(p->method, method);
}

static const overhead_point *best_of(const overhead *o, size_t g, const char *method)
{
    const overhead_point *best = NULL;
    for (size_t i = 0; i < o->n; i++) {
        const overhead_point *p = &o->points[i];
        if (fits(p, g, method) && (!best || goals[g].read(p).value < goals[g].read(best).value)) best = p;
    }
    return best;
}

static void not_measured(table *t, const char *goal, const char *method, const char *limit)
{
    table_row(t);
    table_cell(t, "%s", goal);
    table_cell(t, "%s", method);
    table_cell(t, "%s", limit);
    table_cell(t, "not run on a GPU");
    table_cell(t, "-");
    table_cell(t, "not measured");
}

static void row_of(const overhead *o, size_t g, const char *method, table *t)
{
    const overhead_point *p = best_of(o, g, method), *other = goals[g].against ? best_of(o, g, goals[g].against) : NULL;
    char                  limit[32];
    snprintf(limit, sizeof limit, "at most %+g%s", goals[g].unit * goals[g].limit, goals[g].unit_name);
    if (!p || (goals[g].against && !other)) {
        not_measured(t, goals[g].goal, method, limit);
        return;
    }
    goal_value v = goals[g].read(p);
    if (other) {
        goal_value w = goals[g].read(other);
        v            = (goal_value) { (1 + v.value) / (1 + w.value) - 1, (1 + v.low) / (1 + w.high) - 1,
                                      (1 + v.high) / (1 + w.low) - 1 };
    }
    /* "no slower than" is met by what the interval cannot tell from it */
    const char *verdict = goal_verdict(v, goals[g].limit, true);
    if (other && v.low <= goals[g].limit) verdict = "met";
    table_row(t);
    table_cell(t, "%s", goals[g].goal);
    table_cell(t, "%s, %s", method, *p->variant ? p->variant : "ops");
    table_cell(t, "%s", limit);
    table_cell(t, "%+.2f%s", goals[g].unit * v.value, goals[g].unit_name);
    table_cell(t, "%+.2f .. %+.2f%s", goals[g].unit * v.low, goals[g].unit * v.high, goals[g].unit_name);
    table_cell(t, "%s", verdict);
}

/* Methods in the order of the records; the first occurrence of each. */
static int rows_of_methods(const overhead *o, size_t g, table *t)
{
    const char *seen[64];
    int         n = 0;
    for (size_t i = 0; i < o->n && n < 64; i++) {
        int k = 0;
        while (k < n && strcmp(seen[k], o->points[i].method)) k++;
        if (k < n || !fits(&o->points[i], g, o->points[i].method)) continue;
        seen[n++] = o->points[i].method;
        row_of(o, g, o->points[i].method, t);
    }
    return n;
}

static void repeat_row(const overhead *o, table *t)
{
    int64_t n = 0, differ = 0;
    for (size_t i = 0; i < o->n; i++) {
        if (!overhead_on_gpu(&o->points[i]) || o->points[i].emulated || o->points[i].same_bits < 0) continue;
        n++;
        differ += o->points[i].same_bits == 0;
    }
    if (!n) {
        not_measured(t, "every case gives the same bits when it is run again", "every method", "all");
        return;
    }
    table_row(t);
    table_cell(t, "every case gives the same bits when it is run again");
    table_cell(t, "every method");
    table_cell(t, "all");
    table_cell(t, "%lld of %lld", (long long)(n - differ), (long long)n);
    table_cell(t, "-");
    table_cell(t, differ ? "missed" : "met");
}

void goals_table(const overhead *o, json *const *records, int64_t n, table *t)
{
    table_init(
        t, "goals", "What was to be reached on a GPU",
        "bf16, rank 16, 4096 inputs, cold, the variant that takes least (merged weights left out: they serve one adapter). Met and missed: "
        "the whole 95 % "
        "interval is on that side.",
        "goal|method, variant|limit#|measured#|95 % interval#|verdict");
    for (size_t g = 0; g < sizeof goals / sizeof *goals; g++) {
        if (goals[g].method)
            row_of(o, g, goals[g].method, t);
        else if (!rows_of_methods(o, g, t)) {
            char limit[32];
            snprintf(limit, sizeof limit, "at most %+g%s", goals[g].unit * goals[g].limit, goals[g].unit_name);
            not_measured(t, goals[g].goal, "every method", limit);
        }
    }
    repeat_row(o, t);
    peer_goals(records, n, t);
}
