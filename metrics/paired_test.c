#include "metrics/paired.h"

#include "core/memory.h"
#include "core/str.h"
#include "core/test.h"
#include "metrics/metric.h"

/* --- right or wrong */

static void mcnemar_equals_scipy(void **state)
{
    /* scipy 1.17.1: binomtest(min, b + c, 0.5).pvalue; 2 cdf(min) - pmf(min) */
    static const struct {
        int64_t b, c;
        double  exact, mid;
    } cases[] = {
        { 0, 1, 1, 0.5 },
        { 0, 5, 0.0625, 0.03125 },
        { 9, 3, 0.14599609375, 0.09228515625 },
        { 10, 10, 1, 1 },
        { 12, 30, 0.007915897334896727, 0.0054015726545912895 },
        { 1, 60, 5.377642775528102e-17, 2.7321894746634776e-17 },
        { 480, 520, 0.2174482932041415, 0.20610731083295378 },
        { 700, 500, 8.535366081034316e-09, 7.287284355532485e-09 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_within(fabs(mcnemar_exact(cases[i].b, cases[i].c) / cases[i].exact - 1), 1e-12);
        assert_within(fabs(mcnemar_mid(cases[i].b, cases[i].c) / cases[i].mid - 1), 1e-12);
    }
    /* lgamma's 1e6 leaves fewer digits */
    assert_within(fabs(mcnemar_exact(40210, 40800) / 0.03850722604179139 - 1), 1e-9);
    assert_within(fabs(mcnemar_mid(40210, 40800) / 0.03818019355287395 - 1), 1e-9);
    assert_within(fabs(mcnemar_exact(0, 0) - 1), 0);
    assert_within(fabs(mcnemar_mid(0, 0) - 1), 0);
}

/* The log-likelihood of b, c and n - b - c items when the difference is `at` and `only_a` the share
 * of c. */
static double likelihood(double b, double c, double n, double at, double only_a)
{
    const double only_b = only_a + at, rest = 1 - only_a - only_b;
    if (only_a < 0 || only_b < 0 || rest < 0) return -INFINITY;
    return (b > 0 ? b * log(only_b) : 0) + (c > 0 ? c * log(only_a) : 0) + (n > b + c ? (n - b - c) * log(rest) : 0);
}

/* Each end is where the score statistic, with the likeliest shares found by search, is the normal
 * quantile. */
static void the_interval_of_shares_is_where_the_score_test_turns(void **state)
{
    static const struct {
        paired_counts k;
        double        alpha, z;
    } cases[] = { { { 500, 60, 40, 400 }, 0.05, 1.959963984540054 },
                  { { 12, 9, 3, 6 }, 0.05, 1.959963984540054 },
                  { { 90, 7, 0, 3 }, 0.01, 2.5758293035489 },
                  { { 900, 20, 80, 1000 }, 0.005, 2.807033768343811 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const paired_counts *k = &cases[i].k;
        const interval       r = paired_share_interval(*k, cases[i].alpha);
        const double         n = (double)(k->both + k->only_a + k->only_b + k->neither), b = (double)k->only_b,
                     c = (double)k->only_a;
        assert_true(r.low < (b - c) / n && (b - c) / n < r.high);
        for (int end = 0; end < 2; end++) {
            const double at  = end ? r.high : r.low;
            double       low = fmax(0, -at), high = (1 - at) / 2;
            for (int step = 0; step < 200; step++) {
                const double x = low + (high - low) * 0.381966, y = low + (high - low) * 0.618034;
                if (likelihood(b, c, n, at, x) < likelihood(b, c, n, at, y))
                    low = x;
                else
                    high = y;
            }
            const double gap = b - c - n * at + (end ? 0.5 : -0.5);
            assert_within(fabs(fabs(gap) / sqrt(n * (2 * low + at - at * at)) - cases[i].z), 1e-5);
        }
    }
    /* Nothing differs: about zero, and narrower with more items. */
    const interval few  = paired_share_interval((paired_counts) { .both = 100 }, 0.05),
                   many = paired_share_interval((paired_counts) { .both = 10000 }, 0.05);
    assert_within(fabs(few.low + few.high), 1e-12);
    assert_within(many.high, few.high / 50);
    const interval all = paired_share_interval((paired_counts) { .only_b = 50 }, 0.05);
    assert_within(all.high, 1);
    assert_within(0.8, all.low);
}

static void shares_have_counts(void **state)
{
    const double a[] = { 1, 1, 0, 0, 1, 0, 1, 0 }, b[] = { 1, 0, 1, 1, 1, 0, 1, 1 };
    (void)state;
    paired_counts c = paired_count(a, b, 8);
    assert_int_equal(c.both, 3);
    assert_int_equal(c.only_a, 1);
    assert_int_equal(c.only_b, 3);
    assert_int_equal(c.neither, 1);
}

/* --- means: the same formulas over numpy 2.4.6's draws */

static double mean(const void *ctx, const double *sums, int64_t n)
{
    (void)ctx;
    return sums[0] / (double)n;
}

static void means_equal_numpy(void **state)
{
    enum { N = 40 };
    double a[N], b[N];
    (void)state;
    for (int i = 0; i < N; i++) a[i] = i * 37 % 101 / 101.0, b[i] = i * 53 % 97 / 90.0;
    paired_input  in = { .a = a, .b = b, .n = N, .width = 1, .value = mean };
    paired_result r;
    paired_test(&in, &(paired_options) { .resamples = 500, .randomisations = 700, .seed = 7 }, &r);
    assert_within(fabs(r.difference - -0.0035643564356435675), 1e-15);
    assert_within(fabs(r.error - 0.06485840271994318), 1e-14);
    assert_within(fabs(r.gap.low - -0.12814356435643576), 1e-14);
    assert_within(fabs(r.gap.high - 0.1172112211221123), 1e-14);
    assert_within(fabs(r.p_bootstrap - 0.9481037924151696), 1e-15);
    assert_within(fabs(r.sacrebleu_p_bootstrap - 0.40119760479041916), 1e-15);
    assert_within(fabs(r.p_randomisation - 0.9600570613409415), 1e-15);
    assert_within(fabs(r.sacrebleu_p_randomisation - 0.9600570613409415), 1e-15);
}

static void systems_without_a_difference_are_not_told_apart(void **state)
{
    const double  x[] = { 1, 0, 0.5, 0.25, 1, 1 }, y[] = { 1, 0, 0.5, 0.25, 1, 0 };
    paired_input  in = { .a = x, .b = x, .n = 6, .width = 1, .value = mean };
    paired_result r;
    (void)state;
    paired_test(&in, &(paired_options) { .resamples = 99, .randomisations = 99, .seed = 1 }, &r);
    assert_within(fabs(r.p_bootstrap - 1), 0);
    assert_within(fabs(r.p_randomisation - 1), 0);
    assert_within(fabs(r.sacrebleu_p_bootstrap - 0.01), 1e-15);
    assert_within(fabs(r.sacrebleu_p_randomisation - 0.01), 1e-15);
    /* One item says nothing: the difference is as large whichever way it is swapped. */
    in.b = y;
    paired_test(&in, &(paired_options) { .resamples = 99, .randomisations = 99, .seed = 1 }, &r);
    assert_within(fabs(r.p_randomisation - 1), 0);
    assert_within(fabs(r.sacrebleu_p_randomisation - 0.01), 1e-15);
    in.n = 1;
    paired_test(&in, &(paired_options) { .resamples = 99, .randomisations = 99, .seed = 1 }, &r);
    assert_within(fabs(r.p_bootstrap - 1), 0);
}

/* --- corpora: made-up texts, also made in Python, through sacreBLEU 2.6.0's PairedTest */

static uint32_t lcg;
static uint32_t next(uint32_t k)
{
    lcg = lcg * 1664525u + 1013904223u;
    return (lcg >> 16) % k;
}

static void word(str *out)
{
    static const char *const syllables[] = { "ba", "ke", "mi", "do", "lu", "fen", "tar", "gos" };
    if (out->n) str_putc(out, ' ');
    str_puts(out, syllables[next(8)]);
    str_puts(out, syllables[next(8)]);
}

/* Makes references of random words and two systems that drop every 20th word and get `percent` of
 * the others wrong. stats [n, n_stats] out. */
static void make_corpus(const metric *m, uint32_t seed, int64_t n, const uint32_t percent[2], double *stats[2])
{
    lcg = seed;
    for (int64_t i = 0; i < n; i++) {
        str      reference = { 0 };
        uint32_t words     = 4 + next(16);
        for (uint32_t w = 0; w < words; w++) word(&reference);
        slice target = { reference.s, reference.n };
        for (int s = 0; s < 2; s++) {
            str    answer = { 0 };
            size_t at     = 0;
            while (at < reference.n) {
                size_t end = at;
                while (end < reference.n && reference.s[end] != ' ') end++;
                if (next(20)) {
                    if (next(100) < percent[s]) {
                        word(&answer);
                    } else {
                        if (answer.n) str_putc(&answer, ' ');
                        str_add(&answer, reference.s + at, end - at);
                    }
                }
                at = end + 1;
            }
            metric_input in = { .prediction = { str_c(&answer), answer.n }, .references = &target, .n_references = 1 };
            metric_item(m, &in, stats[s] + i * m->n_stats);
            str_free(&answer);
        }
        str_free(&reference);
    }
}

static const struct {
    const char *metric;
    uint32_t    seed;
    int64_t     n;
    uint32_t    percent[2];
    double      a, b, a_mean, a_half, b_mean, b_half, p_bootstrap, p_randomisation;
} corpora[] = {
    { "bleu",
      1,
      60,
      { 30, 30 },
      40.0065068109842,
      38.0526076176451,
      39.864129053320184,
      6.090841581682838,
      38.03932404207096,
      5.49778196851074,
      222,
      6518 },
    { "bleu",
      2,
      120,
      { 30, 26 },
      39.88477764258602,
      43.21023976106646,
      39.95011472663434,
      4.303685488766028,
      43.20167051814069,
      4.605532751101158,
      117,
      2787 },
    { "bleu",
      3,
      120,
      { 30, 18 },
      36.58727016673925,
      52.06234051505771,
      36.50977477693241,
      4.5550713475534295,
      52.102403191176386,
      4.1168695488570535,
      1,
      1 },
    { "bleu",
      4,
      200,
      { 40, 37 },
      25.33635464448188,
      28.106273189146954,
      25.415797960775237,
      2.5724396050879523,
      28.13282815545306,
      2.933624856909338,
      61,
      1584 },
    { "chrf",
      1,
      60,
      { 30, 30 },
      66.1957841599275,
      66.19616506633889,
      66.108826,
      3.3871956,
      66.19372,
      3.0136147,
      432,
      10001 },
    { "chrf",
      2,
      120,
      { 30, 26 },
      65.88704644181553,
      68.36794352011921,
      65.922195,
      2.4442348,
      68.36422,
      2.6571312,
      73,
      1543 },
    { "chrf",
      4,
      200,
      { 40, 37 },
      57.883928795419315,
      59.81244413168408,
      57.913773,
      1.5470543,
      59.819992,
      1.8432045,
      46,
      1390 },
    { "chrf++",
      1,
      60,
      { 30, 30 },
      64.541725825644,
      64.26803478182805,
      64.46028,
      3.5427322,
      64.273,
      3.2357674,
      377,
      9143 },
    { "chrf++",
      4,
      200,
      { 40, 37 },
      55.206519650103836,
      57.140444344315746,
      55.244446,
      1.6413116,
      57.15081,
      1.9390049,
      53,
      1525 },
};

static void corpus_tests_equal_sacrebleu(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof corpora / sizeof *corpora; i++) {
        const metric *m        = metric_find(corpora[i].metric);
        int64_t       n        = corpora[i].n;
        double       *stats[2] = { mem_alloc((size_t)(n * m->n_stats), sizeof(double)),
                                   mem_alloc((size_t)(n * m->n_stats), sizeof(double)) };
        paired_result r;
        make_corpus(m, corpora[i].seed, n, corpora[i].percent, stats);
        paired_test(&(paired_input) { stats[0], stats[1], n, m->n_stats, metric_of_sums, m }, &PAIRED_DEFAULTS, &r);
        assert_within(fabs(r.a - corpora[i].a), 1e-9);
        assert_within(fabs(r.b - corpora[i].b), 1e-9);
        /* sacreBLEU prints k / 1001 and k / 10001. */
        assert_within(fabs(r.sacrebleu_p_bootstrap * 1001 - corpora[i].p_bootstrap), 1e-9);
        assert_within(fabs(r.sacrebleu_p_randomisation * 10001 - corpora[i].p_randomisation), 1e-9);
        /* Some of its resampled scores are float32. */
        assert_within(fabs(r.a_mean - corpora[i].a_mean), 1e-4);
        assert_within(fabs((r.a_interval.high - r.a_interval.low) / 2 - corpora[i].a_half), 1e-4);
        assert_within(fabs(r.b_mean - corpora[i].b_mean), 1e-4);
        assert_within(fabs((r.b_interval.high - r.b_interval.low) / 2 - corpora[i].b_half), 1e-4);
        /* A system alone is resampled with the same draws. */
        double   mean_alone;
        interval alone = bootstrap_interval(m, stats[0], n, 1000, 12345, &mean_alone);
        assert_within(
            fabs(alone.low - r.a_interval.low) + fabs(alone.high - r.a_interval.high) + fabs(mean_alone - r.a_mean), 0);
        /* Swaps rarely tie, so the two counts of randomisations agree except for the two orders
         * that change everything or nothing. */
        assert_within(fabs(r.p_randomisation - r.sacrebleu_p_randomisation), 2e-4);
        free(stats[0]);
        free(stats[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mcnemar_equals_scipy),
        cmocka_unit_test(the_interval_of_shares_is_where_the_score_test_turns),
        cmocka_unit_test(shares_have_counts),
        cmocka_unit_test(means_equal_numpy),
        cmocka_unit_test(systems_without_a_difference_are_not_told_apart),
        cmocka_unit_test(corpus_tests_equal_sacrebleu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
