#include "gate/verdict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/stats.h"
#include "gate/shift.h"

const char *gate_word(gate_verdict v)
{
    static const char *const words[] = {
        [GATE_IMPROVED] = "improved", [GATE_EQUIVALENT] = "equivalent", [GATE_INCONCLUSIVE] = "inconclusive",
        [GATE_CHANGED] = "changed",   [GATE_REGRESSED] = "regressed",
    };
    return words[v];
}

double gate_alpha(int64_t cases) { return 0.05 / (double)(cases > 1 ? cases : 1); }

gate_verdict gate_decide(double low, double high, double margin, bool more_is_worse)
{
    const double worst = more_is_worse ? high : -low, best = more_is_worse ? low : -high;
    if (isnan(low) || isnan(high)) return GATE_INCONCLUSIVE;
    if (best > margin) return GATE_REGRESSED;
    if (worst < -margin) return GATE_IMPROVED;
    return best >= -margin && worst <= margin ? GATE_EQUIVALENT : GATE_INCONCLUSIVE;
}

/* --- one process */

gate_process gate_process_of(const double *logs, int64_t n, int64_t block)
{
    const int64_t l = n < 6 ? 0 : stats_median_low(n);
    /* Quantiles at whole places are order statistics. */
    const double at    = n > 1 ? (double)l / (double)(n - 1) : 0;
    const double width = stats_quantile(logs, n, 1 - at) - stats_quantile(logs, n, at);
    return (gate_process) { stats_median(logs, n), n < 6 ? width / 2 : width / 4, block };
}

/* --- both sides */

typedef struct {
    const gate_process *p;
    int64_t             n;
    double             *values, mean, sd; /* sd NaN below two */
} side;

static side side_of(const gate_process *p, int64_t n)
{
    side s = { .p = p, .n = n, .values = mem_alloc((size_t)n, sizeof *s.values) };
    for (int64_t i = 0; i < n; i++) s.values[i] = p[i].value;
    s.mean = stats_mean(s.values, n);
    s.sd   = stats_sd(s.values, n);
    return s;
}

/* The spread between processes, of both sides together; NaN where neither has two. */
static double pooled_sd(const side *a, const side *b)
{
    const double df_a = a->n > 1 ? (double)(a->n - 1) : 0, df_b = b->n > 1 ? (double)(b->n - 1) : 0;
    const double sum = (df_a > 0 ? df_a * a->sd * a->sd : 0) + (df_b > 0 ? df_b * b->sd * b->sd : 0);
    return df_a + df_b > 0 ? sqrt(sum / (df_a + df_b)) : NAN;
}

/* The variance of a side's mean that its samples within leave. */
static double within(const side *s)
{
    double sum = 0;
    for (int64_t i = 0; i < s->n; i++) sum += s->p[i].error * s->p[i].error;
    return sum / (double)(s->n * s->n);
}

static int by_block(const void *x, const void *y)
{
    const gate_process *a = x, *b = y;
    return (a->block > b->block) - (a->block < b->block);
}

static gate_process *in_blocks(const side *s)
{
    gate_process *own = mem_alloc((size_t)s->n, sizeof *own);
    memcpy(own, s->p, (size_t)s->n * sizeof *own);
    qsort(own, (size_t)s->n, sizeof *own, by_block);
    return own;
}

/* The mean of the processes from *i on that share a block; moves *i past them. */
static double block_mean(const gate_process *p, int64_t n, int64_t *i)
{
    const int64_t from = *i;
    double        sum  = 0;
    for (; *i < n && p[*i].block == p[from].block; ++*i) sum += p[*i].value;
    return sum / (double)(*i - from);
}

/* The differences of the blocks that both sides have, of which *n is the number, the caller's; NULL
 * where a process has no block. */
static double *block_differences(const side *base, const side *head, int64_t *n)
{
    *n = 0;
    for (int64_t i = 0; i < base->n; i++)
        if (base->p[i].block < 0) return NULL;
    for (int64_t i = 0; i < head->n; i++)
        if (head->p[i].block < 0) return NULL;
    gate_process *a = in_blocks(base), *b = in_blocks(head);
    double       *d = mem_alloc((size_t)base->n, sizeof *d);
    for (int64_t i = 0, j = 0; i < base->n && j < head->n;) {
        const int64_t gap = a[i].block - b[j].block;
        if (gap < 0)
            i++;
        else if (gap > 0)
            j++;
        else {
            const double x = block_mean(a, base->n, &i);
            d[(*n)++]      = block_mean(b, head->n, &j) - x;
        }
    }
    free(a);
    free(b);
    return d;
}

/* --- the interval, of logs */

static const double efficiency = 0.955; /* of rank tests on normal numbers */

/* How many a side would decide, when the difference of two has this standard deviation. */
static int64_t needed(double sd_of_pair, const gate_judgement *j, double alpha, int64_t least)
{
    const double gap = fmax(fabs(fabs(j->change) - j->margin), j->margin / 2) / 100;
    const double n   = pow(stats_normal_quantile(1 - alpha / 2) * sd_of_pair / gap, 2) / efficiency;
    return n > (double)least ? (n < 1e9 ? (int64_t)ceil(n) : 1000000000) : least;
}

void gate_judge(gate_judgement *out, const gate_process *base, int64_t n_base, const gate_process *head, int64_t n_head,
                const gate_rule *rule)
{
    const double alpha = gate_alpha(rule->cases);
    side         a = side_of(base, n_base), b = side_of(head, n_head);
    int64_t      n_pairs, pairs_least = shift_of_pairs_least(alpha), two_least = shift_of_two_least(alpha);
    double      *pairs = block_differences(&a, &b, &n_pairs), seen = pooled_sd(&a, &b), sd_of_pair = seen * M_SQRT2;
    bool         enough = n_base >= GATE_LEAST && n_head >= GATE_LEAST, by_pairs = enough && n_pairs >= pairs_least;
    shift        s = by_pairs ? shift_of_pairs(pairs, n_pairs, alpha)
                              : shift_of_two(a.values, n_base, b.values, n_head, alpha);
    *out           = (gate_judgement) { .margin = rule->margin, .n_base = n_base, .n_head = n_head, .rule = "" };
    if (two_least < GATE_LEAST) two_least = GATE_LEAST;
    if (enough && s.exists) {
        out->rule = by_pairs ? "signed-rank" : "Mann-Whitney";
    } else if (rule->noise > 0) {
        const double between = fmax(rule->noise / 100, seen); /* fmax takes the number beside a NaN */
        const double half    = stats_normal_quantile(1 - alpha / 2) *
                            sqrt(between * between * (1. / (double)n_base + 1. / (double)n_head) + within(&a) +
                                 within(&b));
        s          = (shift) { b.mean - a.mean, b.mean - a.mean - half, b.mean - a.mean + half, true };
        out->rule  = "noise given";
        sd_of_pair = between * M_SQRT2;
        two_least  = 1;
    } else {
        s.low = s.high = NAN;
    }
    out->change  = 100 * expm1(s.middle);
    out->low     = 100 * expm1(s.low);
    out->high    = 100 * expm1(s.high);
    out->noise   = 100 * seen;
    out->verdict = gate_decide(out->low, out->high, rule->margin, true);
    if (out->verdict == GATE_INCONCLUSIVE) {
        if (by_pairs) /* in blocks, each with the same number of processes a side */
            out->needs = needed(stats_sd(pairs, n_pairs), out, alpha, pairs_least) * ((n_base + n_pairs - 1) / n_pairs);
        else
            out->needs = isnan(sd_of_pair) ? two_least : needed(sd_of_pair, out, alpha, two_least);
    }
    free(pairs);
    free(a.values);
    free(b.values);
}
