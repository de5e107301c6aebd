/* How often the gate is wrong, on simulated processes and scores whose true change is known.
 *
 *     calibrate_test             checks the rates on a few hundred gates of some kinds
 *     calibrate_test N [SEED]    prints the table over all kinds from N gates each: scripts/calibrate --gate
 *     calibrate_test N scores    the part on scores alone */
#include "core/memory.h"
#include "core/rng.h"
#include "core/stats.h"
#include "core/test.h"
#include "gate/verdict.h"
#include "metrics/paired.h"

/* --- processes */

enum { SAMPLES = 10, PROCESSES = 50 };

/* How a process's samples scatter, and how processes differ. */
typedef enum { NORMAL, BIMODAL, OUTLIERS, KINDS } noise_kind;
static const char *const kind_names[KINDS] = { "log-normal", "bimodal", "outliers" };

typedef struct {
    noise_kind kind;
    double     within, between; /* standard deviations of logs */
    int64_t    n, cases;
    bool       blocks; /* pairs that share a drift of 5 % */
    double     given;  /* percent: --noise; 0: not given */
} world;

static gate_process draw(rng *r, const world *w, double change, int64_t block, double drift)
{
    double logs[SAMPLES], place = change + drift + w->between * rng_normal(r);
    /* A process keeps its mode: where its memory happens to lie. */
    if (w->kind == BIMODAL && rng_uniform(r) < 0.3) place += 2 * w->between;
    if (w->kind == OUTLIERS && rng_uniform(r) < 0.1) place += 0.2 * rng_uniform(r);
    for (int i = 0; i < SAMPLES; i++) {
        logs[i] = place + w->within * rng_normal(r);
        if (w->kind == BIMODAL && rng_uniform(r) < 0.3) logs[i] += 3 * w->within;
        if (w->kind == OUTLIERS && rng_uniform(r) < 0.05) logs[i] += 1;
    }
    return gate_process_of(logs, SAMPLES, block);
}

/* Shares of gates with each verdict on a case with this true change, in percent. */
static void rates_of(rng *r, const world *w, double percent, int64_t trials, double rates[GATE_REGRESSED + 1])
{
    int64_t      counts[GATE_REGRESSED + 1] = { 0 };
    gate_process base[PROCESSES], head[PROCESSES];
    for (int64_t t = 0; t < trials; t++) {
        gate_judgement j;
        for (int64_t i = 0; i < w->n; i++) {
            const double drift = w->blocks ? 0.05 * rng_normal(r) : 0;
            base[i]            = draw(r, w, 0, w->blocks ? i : -1, drift);
            head[i]            = draw(r, w, log1p(percent / 100), w->blocks ? i : -1, drift);
        }
        gate_judge(&j, base, w->n, head, w->n, &(gate_rule) { .margin = 3, .noise = w->given, .cases = w->cases });
        counts[j.verdict]++;
    }
    for (int v = 0; v <= GATE_REGRESSED; v++) rates[v] = (double)counts[v] / (double)trials;
}

/* --- scores */

typedef struct {
    int64_t n;
    double  lost, differ, margin; /* points; share of items that differ; points */
} score_world;

static gate_verdict judge_scores(rng *r, const score_world *w)
{
    paired_counts k     = { 0 };
    const double  worse = (w->differ + w->lost / 100) / 2, better = (w->differ - w->lost / 100) / 2;
    for (int64_t i = 0; i < w->n; i++) {
        const double u = rng_uniform(r);
        k.only_a += u < worse;
        k.only_b += u >= worse && u < worse + better;
        k.both += u >= worse + better;
    }
    const interval i = paired_share_interval(k, gate_alpha(1));
    return gate_decide(100 * i.low, 100 * i.high, w->margin, false);
}

/* The share of gates with that verdict. */
static double score_rate(rng *r, const score_world *w, gate_verdict v, int64_t trials)
{
    int64_t n = 0;
    for (int64_t t = 0; t < trials; t++) n += judge_scores(r, w) == v;
    return (double)n / (double)trials;
}

/* --- the table */

static double chance(double rate, int64_t trials) { return sqrt(rate * (1 - rate) / (double)trials); }

typedef struct {
    world  w;
    double at[GATE_REGRESSED + 1], none[GATE_REGRESSED + 1], ten[GATE_REGRESSED + 1];
} row;

enum { ROWS = KINDS * 2 * 3 * 4 * 4 };

static world world_of(int i)
{
    static const double  withins[] = { 0.01, 0.1 }, betweens[] = { 0, 0.005, 0.02 };
    static const int64_t sizes[] = { 5, 8, 20, 50 };
    return (world) { .cases   = i % 2 ? 10 : 1,
                     .blocks  = i / 2 % 2,
                     .n       = sizes[i / 4 % 4],
                     .between = betweens[i / 16 % 3],
                     .within  = withins[i / 48 % 2],
                     .kind    = (noise_kind)(i / 96) };
}

static void print_scores(int64_t trials, uint64_t seed)
{
    rng r = rng_seed(seed);
    static const struct {
        score_world  w;
        gate_verdict v;
    } scores[] = { { { 500, 9, 0.2, 2 }, GATE_REGRESSED },   { { 2300, 5, 0.2, 2 }, GATE_REGRESSED },
                   { { 6500, 0, 0.2, 2 }, GATE_EQUIVALENT }, { { 1000, 0, 0.2, 2 }, GATE_EQUIVALENT },
                   { { 100, 2, 0.2, 2 }, GATE_REGRESSED },   { { 500, 2, 0.2, 2 }, GATE_REGRESSED },
                   { { 2300, 2, 0.2, 2 }, GATE_REGRESSED },  { { 6500, 2, 0.2, 2 }, GATE_REGRESSED },
                   { { 500, 2, 0.05, 2 }, GATE_REGRESSED } };
    printf("scores: items, of which differ, points lost, margin -> the verdict's share\n");
    for (size_t i = 0; i < sizeof scores / sizeof *scores; i++) {
        const score_world *w = &scores[i].w;
        printf("  n %5lld, %2.0f %%, lost %g, margin %g: %s in %.2f %%\n", (long long)w->n, 100 * w->differ, w->lost,
               w->margin, gate_word(scores[i].v), 100 * score_rate(&r, w, scores[i].v, trials));
    }
}

static int print_all(int64_t trials, uint64_t seed)
{
    static row rows[ROWS];
    double     worst_aa = 0, sum[2] = { 0 };
    int        above = 0;
    /* A stream for each row: the same numbers whatever the number of threads. */
#pragma omp parallel for schedule(dynamic, 1)
    for (int i = 0; i < ROWS; i++) {
        rng r     = rng_seed(seed + 1000003 * (uint64_t)i);
        rows[i].w = world_of(i);
        rates_of(&r, &rows[i].w, 3, trials, rows[i].at);
        rates_of(&r, &rows[i].w, 0, trials, rows[i].none);
        rates_of(&r, &rows[i].w, 10, trials, rows[i].ten);
    }
    printf("%lld gates of each kind, margin 3 %%; the share that says so, in percent\n", (long long)trials);
    printf("%-11s %7s %8s %4s %6s %7s | %18s | %25s | %15s\n", "noise", "within", "between", "n", "cases", "blocks",
           "true change 3 %", "no change", "10 %");
    printf("%48s | %9s %8s | %9s %6s %8s | %6s %8s\n", "", "regressed", "limit", "regressed", "equiv.", "inconcl.",
           "found", "inconcl.");
    for (const row *x = rows; x < rows + ROWS; x++) {
        const world *w     = &x->w;
        const double limit = 0.025 / (double)w->cases;
        worst_aa           = fmax(worst_aa, x->none[GATE_REGRESSED]);
        above += !(x->at[GATE_REGRESSED] <= limit + 3.5 * chance(limit, trials));
        sum[w->cases > 1] += x->at[GATE_REGRESSED] * 2 / ROWS;
        printf("%-11s %5.0f %% %6.1f %% %4lld %6lld %7s | %9.2f %8.2f | %9.2f %6.1f %8.1f | %6.1f %8.1f\n",
               kind_names[w->kind], 100 * w->within, 100 * w->between, (long long)w->n, (long long)w->cases,
               w->blocks ? "yes" : "no", 100 * x->at[GATE_REGRESSED], 100 * limit, 100 * x->none[GATE_REGRESSED],
               100 * x->none[GATE_EQUIVALENT], 100 * x->none[GATE_INCONCLUSIVE], 100 * x->ten[GATE_REGRESSED],
               100 * x->ten[GATE_INCONCLUSIVE]);
    }
    printf(
        "%d kinds. Regressed when the truth is the margin: on average %.2f %% of gates of one case (limit 2.5), %.3f %% "
        "of those of ten (0.25); %d kinds above their limit beyond chance (3.5 standard deviations). Nothing changed: "
        "at most %.2f %%\n",
        ROWS, 100 * sum[0], 100 * sum[1], above, 100 * worst_aa);
    puts("");
    print_scores(trials, seed);
    return above > 0;
}

/* --- the ordinary run */

static void a_change_at_the_margin_is_rarely_called_a_regression(void **state)
{
    static const world worlds[] = {
        { NORMAL, 0.01, 0.02, 5, 1, false },    { NORMAL, 0.1, 0.005, 10, 1, false },
        { BIMODAL, 0.03, 0.02, 8, 1, false },   { OUTLIERS, 0.03, 0.005, 12, 1, false },
        { BIMODAL, 0.01, 0.02, 12, 1, true },   { NORMAL, 0.01, 0.005, 20, 10, true },
        { OUTLIERS, 0.1, 0.02, 50, 10, false },
    };
    rng           r      = rng_seed(5);
    const int64_t trials = test_part(1500);
    for (size_t i = 0; i < sizeof worlds / sizeof *worlds; i++) {
        double       at[GATE_REGRESSED + 1], none[GATE_REGRESSED + 1];
        const double limit = 0.025 / (double)worlds[i].cases;
        rates_of(&r, &worlds[i], 3, trials, at);
        rates_of(&r, &worlds[i], 0, trials, none);
        assert_within(at[GATE_REGRESSED], limit + 3 * chance(limit, trials));
        assert_within(none[GATE_REGRESSED] + none[GATE_IMPROVED], 0.004);
    }
}

static void what_is_large_is_found_and_what_is_noisy_is_inconclusive(void **state)
{
    rng           r      = rng_seed(6);
    const int64_t trials = test_part(500);
    double        rates[GATE_REGRESSED + 1];
    rates_of(&r, &(world) { NORMAL, 0.01, 0.005, 12, 10, false }, 5, trials, rates);
    assert_within(0.98, rates[GATE_REGRESSED]);
    rates_of(&r, &(world) { NORMAL, 0.01, 0.005, 12, 10, false }, 0, trials, rates);
    assert_within(0.98, rates[GATE_EQUIVALENT]);
    rates_of(&r, &(world) { NORMAL, 0.1, 0.1, 6, 10, false }, 0, trials, rates);
    assert_within(0.98, rates[GATE_INCONCLUSIVE]);
    /* A drift that both sides of a block share is no noise; without blocks it would be. */
    rates_of(&r, &(world) { NORMAL, 0.01, 0.005, 12, 10, true }, 5, trials, rates);
    assert_within(0.9, rates[GATE_REGRESSED]);
}

static void noise_that_is_known_serves_few_processes(void **state)
{
    rng           r      = rng_seed(8);
    const int64_t trials = test_part(3000);
    for (int n = 1; n <= 4; n++) {
        const world w = { NORMAL, 0.01, 0.01, n, 1, false, 1 };
        double      rates[GATE_REGRESSED + 1];
        rates_of(&r, &w, 3, trials, rates);
        assert_within(rates[GATE_REGRESSED], 0.025 + 3 * chance(0.025, trials));
        rates_of(&r, &w, 10, trials, rates);
        assert_within(0.9, rates[GATE_REGRESSED]);
    }
}

static void scores_are_found_as_often_as_their_numbers_allow(void **state)
{
    rng           r      = rng_seed(7);
    const int64_t trials = test_part(600);
    const double  room   = 3 * chance(0.9, trials);
    assert_within(0.9 - room, score_rate(&r, &(score_world) { 500, 9, 0.2, 2 }, GATE_REGRESSED, trials));
    assert_within(0.9 - room, score_rate(&r, &(score_world) { 2300, 5, 0.2, 2 }, GATE_REGRESSED, trials));
    assert_within(0.9 - room, score_rate(&r, &(score_world) { 6500, 0, 0.2, 2 }, GATE_EQUIVALENT, trials));
    assert_within(0.98, score_rate(&r, &(score_world) { 1000, 0, 0.2, 2 }, GATE_INCONCLUSIVE, trials));
    const double limit = 0.025 + 3 * chance(0.025, trials);
    assert_within(score_rate(&r, &(score_world) { 500, 2, 0.2, 2 }, GATE_REGRESSED, trials), limit);
    assert_within(score_rate(&r, &(score_world) { 200, 2, 0.05, 2 }, GATE_REGRESSED, trials), limit);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        const int64_t trials = strtoll(argv[1], NULL, 10);
        if (trials < 100) {
            fprintf(stderr, "calibrate: %s: must be a whole number of gates, 100 or more\n", argv[1]);
            return ERR_INPUT;
        }
        if (argc > 2 && !strcmp(argv[2], "scores")) {
            print_scores(trials, 12345);
            return OK;
        }
        return print_all(trials, argc > 2 ? strtoull(argv[2], NULL, 10) : 12345);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_at_the_margin_is_rarely_called_a_regression),
        cmocka_unit_test(what_is_large_is_found_and_what_is_noisy_is_inconclusive),
        cmocka_unit_test(noise_that_is_known_serves_few_processes),
        cmocka_unit_test(scores_are_found_as_often_as_their_numbers_allow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
