#include "metrics/calibrate.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"
#include "core/rng.h"
#include "core/stats.h"
#include "metrics/bleu.h"
#include "metrics/paired.h"

/* 20 / 400 is 5 % exactly, so a p-value from 399 draws can be 0.05. */
enum { DRAWS = 399 };
static const double level = 0.05, band_low = 0.03, band_high = 0.07;

/* --- data: two systems have part of every item's difficulty in common, so that pairing matters */

/* Right or wrong: with probability 0.6 both systems share one outcome, else each has its own, right
 * with 0.6. There the second system is better by `plant`. */
static void draw_shares(rng *r, double plant, int64_t n, double *a, double *b)
{
    for (int64_t i = 0; i < n; i++) {
        bool same = rng_uniform(r) < 0.6;
        a[i]      = rng_uniform(r) < 0.6;
        b[i]      = same ? a[i] : rng_uniform(r) < 0.6 + plant;
    }
}

/* Like the F1 of short answers: exactly right, exactly wrong, or in between. */
static double draw_f1(rng *r, double plant)
{
    double kind = rng_uniform(r), part = rng_uniform(r);
    return kind < 0.45 + plant ? 1 : kind < 0.7 ? 0 : part;
}

static void draw_parts(rng *r, double plant, int64_t n, double *a, double *b)
{
    for (int64_t i = 0; i < n; i++) {
        bool same = rng_uniform(r) < 0.5;
        a[i]      = draw_f1(r, 0);
        b[i]      = same ? a[i] : draw_f1(r, plant);
    }
}

/* A translation's counts: tokens are right or wrong, and an n-gram is right where all its tokens
 * are; lengths differ a little from the reference's. */
static void draw_counts(rng *r, double right, double *stats)
{
    enum { SHORTEST = 6, LONGEST = 26 };
    int ref_len = SHORTEST + (int)rng_below(r, LONGEST - SHORTEST + 1), hyp_len = ref_len - 1 + (int)rng_below(r, 3),
        run         = 0;
    double *correct = stats + 2, *total = stats + 2 + BLEU_ORDER;
    stats[0] = hyp_len;
    stats[1] = ref_len;
    for (int k = 0; k < BLEU_ORDER; k++) correct[k] = 0, total[k] = hyp_len - k;
    for (int i = 0; i < hyp_len; i++) {
        run = rng_uniform(r) < right ? run + 1 : 0;
        for (int k = 0; k < BLEU_ORDER && k < run; k++) correct[k]++;
    }
}

static void draw_translations(rng *r, double plant, int64_t n, double *a, double *b)
{
    for (int64_t i = 0; i < n; i++, a += BLEU_STATS, b += BLEU_STATS) {
        double right = 0.4 + 0.5 * rng_uniform(r); /* how easy the sentence is */
        bool   same  = rng_uniform(r) < 0.4;
        draw_counts(r, right, a);
        if (same)
            for (int w = 0; w < BLEU_STATS; w++) b[w] = a[w];
        else
            draw_counts(r, right + plant, b);
    }
}

static const struct {
    const char *name, *metric;
    int64_t     n;
    double      plant;
    void (*draw)(rng *r, double plant, int64_t n, double *a, double *b);
} cases[CALIBRATION_CASES] = {
    { "right or wrong, as accuracy", "acc", 400, 0.14, draw_shares },
    { "parts of 1, as F1", "f1", 250, 0.16, draw_parts },
    { "n-gram counts, as BLEU", "bleu", 120, 0.06, draw_translations },
};
enum { SHARE = 1, MEAN = 2, CORPUS = 4 };

/* --- tests */

typedef struct {
    paired_result paired;
    paired_counts counts;
    double        unpaired_error;
} trial;

static double by_mid_p(const trial *t) { return mcnemar_mid(t->counts.only_a, t->counts.only_b); }
static double by_exact(const trial *t) { return mcnemar_exact(t->counts.only_a, t->counts.only_b); }
static double by_randomisation(const trial *t) { return t->paired.p_randomisation; }
static double by_bootstrap(const trial *t) { return t->paired.p_bootstrap; }
static double by_interval(const trial *t) { return t->paired.gap.low > 0 || t->paired.gap.high < 0 ? 0 : 1; }
static double by_sacrebleu_randomisation(const trial *t) { return t->paired.sacrebleu_p_randomisation; }
static double by_sacrebleu_bootstrap(const trial *t) { return t->paired.sacrebleu_p_bootstrap; }
static double by_unpaired(const trial *t)
{
    return 2 * stats_normal_cdf(-fabs(t->paired.difference) / t->unpaired_error);
}

static const struct {
    const char *name, *note;
    int         use, recommended; /* bit sets of kinds of data */
    double (*p)(const trial *t);
} tests[CALIBRATION_TESTS] = {
    { "McNemar mid-p", "", SHARE, SHARE, by_mid_p },
    { "McNemar exact", "conservative by construction", SHARE, 0, by_exact },
    { "approximate randomisation", "", SHARE | MEAN | CORPUS, MEAN | CORPUS, by_randomisation },
    { "paired bootstrap", "", SHARE | MEAN | CORPUS, 0, by_bootstrap },
    { "95 % interval without 0", "", SHARE | MEAN | CORPUS, 0, by_interval },
    { "sacreBLEU's randomisation", "counts > where others count >=", CORPUS, 0, by_sacrebleu_randomisation },
    { "sacreBLEU's bootstrap", "one-sided: its statistic is |d_i| - mean |d_i|", CORPUS, 0, by_sacrebleu_bootstrap },
    { "unpaired z", "blind to what the systems share", SHARE | MEAN, 0, by_unpaired },
};

const char *calibration_case_name(int k) { return cases[k].name; }
const char *calibration_test_name(int t) { return tests[t].name; }
bool        calibration_recommended(int k, int t) { return tests[t].recommended >> k & 1; }

/* --- trials */

static double unpaired_error(const metric *m, const double *a, const double *b, int64_t n)
{
    return m->n_stats == 1 ? hypot(metric_stderr(m, a, n), metric_stderr(m, b, n)) : NAN;
}

/* Returns the set of tests that alarm; *gap receives the difference found. */
static unsigned run_trial(int k, uint64_t seed, bool planted, int64_t number, double *gap)
{
    const metric *m = metric_find(cases[k].metric);
    char          purpose[64];
    int64_t       n = cases[k].n;
    snprintf(purpose, sizeof purpose, "%s/%s/%lld", cases[k].metric, planted ? "planted" : "equal", (long long)number);
    rng     r = rng_stream(seed, purpose);
    double *a = mem_alloc((size_t)(n * m->n_stats), sizeof *a), *b = mem_alloc((size_t)(n * m->n_stats), sizeof *b);
    cases[k].draw(&r, planted ? cases[k].plant : 0, n, a, b);
    trial t = { .counts = { 0 } };
    paired_test(&(paired_input) { a, b, n, m->n_stats, metric_of_sums, m },
                &(paired_options) { .resamples = DRAWS, .randomisations = DRAWS, .seed = rng_u64(&r) }, &t.paired);
    if (m->n_stats == 1) t.counts = paired_count(a, b, n);
    t.unpaired_error = unpaired_error(m, a, b, n);
    unsigned alarms  = 0;
    for (int i = 0; i < CALIBRATION_TESTS; i++)
        if (tests[i].use >> k & 1 && tests[i].p(&t) <= level) alarms |= 1u << i;
    *gap = t.paired.difference;
    free(a);
    free(b);
    return alarms;
}

/* Returns the mean difference. */
static double count_alarms(int k, uint64_t seed, bool planted, int64_t trials, int64_t counts[CALIBRATION_TESTS])
{
    unsigned *alarms = mem_alloc((size_t)trials, sizeof *alarms);
    double   *gaps   = mem_alloc((size_t)trials, sizeof *gaps);
#pragma omp parallel for schedule(dynamic, 8)
    for (int64_t i = 0; i < trials; i++) alarms[i] = run_trial(k, seed, planted, i, &gaps[i]);
    for (int t = 0; t < CALIBRATION_TESTS; t++) {
        counts[t] = 0;
        for (int64_t i = 0; i < trials; i++) counts[t] += alarms[i] >> t & 1;
    }
    double mean = stats_mean(gaps, trials);
    free(alarms);
    free(gaps);
    return mean;
}

void calibration_run(calibration *c, int64_t trials, uint64_t seed)
{
    assert(trials >= 1);
    *c = (calibration) { .trials = trials, .power_trials = (trials + 3) / 4, .seed = seed };
    for (int k = 0; k < CALIBRATION_CASES; k++) {
        int64_t alarms[CALIBRATION_TESTS], found[CALIBRATION_TESTS];
        count_alarms(k, seed, false, trials, alarms);
        c->planted[k] = count_alarms(k, seed, true, c->power_trials, found);
        for (int t = 0; t < CALIBRATION_TESTS; t++) {
            c->rates[k][t] = (calibration_rate) { .used         = tests[t].use >> k & 1,
                                                  .alarms       = (double)alarms[t] / (double)trials,
                                                  .found        = (double)found[t] / (double)c->power_trials,
                                                  .alarms_range = wilson_interval((double)alarms[t], trials),
                                                  .found_range  = wilson_interval((double)found[t], c->power_trials) };
        }
    }
}

bool calibration_holds(const calibration *c)
{
    for (int k = 0; k < CALIBRATION_CASES; k++)
        for (int t = 0; t < CALIBRATION_TESTS; t++)
            if (calibration_recommended(k, t) &&
                !(c->rates[k][t].alarms_range.high >= band_low && c->rates[k][t].alarms_range.low <= band_high))
                return false;
    return true;
}

/* --- output */

void calibration_print(const calibration *c, str *out)
{
    str_printf(
        out,
        "How often paired tests alarm at 5 %%: %lld pairs of equal systems; power: %lld pairs with a planted difference. 95 %% intervals; seed "
        "%llu\n* the test that --compare goes by; its false alarms should lie in 3..7 %%\n",
        (long long)c->trials, (long long)c->power_trials, (unsigned long long)c->seed);
    for (int k = 0; k < CALIBRATION_CASES; k++) {
        str_printf(out, "\n%s: %lld items; planted: %+.3g\n  %-28s %-23s %s\n", cases[k].name, (long long)cases[k].n,
                   c->planted[k], "", "false alarms", "power");
        for (int t = 0; t < CALIBRATION_TESTS; t++) {
            const calibration_rate *r = &c->rates[k][t];
            if (!r->used) continue;
            str_printf(out, "%s %-28s %5.2f %% (%5.2f .. %5.2f)  %5.1f %% (%4.1f .. %4.1f)%s%s\n",
                       calibration_recommended(k, t) ? "*" : " ", tests[t].name, 100 * r->alarms,
                       100 * r->alarms_range.low, 100 * r->alarms_range.high, 100 * r->found, 100 * r->found_range.low,
                       100 * r->found_range.high, *tests[t].note ? "  " : "", tests[t].note);
        }
    }
}

static json *range_json(interval i)
{
    const double ends[] = { i.low, i.high };
    return json_of_numbers(ends, 2);
}

static json *rate_json(const calibration *c, int k, int t)
{
    const calibration_rate *r = &c->rates[k][t];
    json                   *j = json_object();
    json_set_str(j, "test", tests[t].name);
    json_set_bool(j, "recommended", calibration_recommended(k, t));
    json_set_num(j, "false_alarm", r->alarms);
    json_set(j, "false_alarm_interval", range_json(r->alarms_range));
    json_set_num(j, "power", r->found);
    json_set(j, "power_interval", range_json(r->found_range));
    json_set_bool(j, "in_band", r->alarms >= band_low && r->alarms <= band_high);
    return j;
}

json *calibration_json(const calibration *c)
{
    json *j = json_object(), *all = json_array();
    json_set_int(j, "trials", c->trials);
    json_set_int(j, "power_trials", c->power_trials);
    json_set_num(j, "level", level);
    json_set_int(j, "seed", (int64_t)c->seed);
    for (int k = 0; k < CALIBRATION_CASES; k++) {
        json *one = json_object(), *rates = json_array();
        json_set_str(one, "data", cases[k].name);
        json_set_int(one, "n", cases[k].n);
        json_set_num(one, "planted", c->planted[k]);
        for (int t = 0; t < CALIBRATION_TESTS; t++)
            if (c->rates[k][t].used) json_push(rates, rate_json(c, k, t));
        json_set(one, "tests", rates);
        json_push(all, one);
    }
    json_set(j, "cases", all);
    return j;
}
