/* Two systems on the same items: how far apart they are, and whether chance alone would put them
 * there.
 *
 *     paired_input  in = { .a = base, .b = tuned, .n = n, .width = m->n_stats, .value = metric_of_sums, .ctx = m };
 *     paired_result r;
 *     paired_test(&in, &PAIRED_DEFAULTS, &r);
 *     printf("%+.2f, 95 %% %.2f..%.2f, p = %.4f\n", r.difference, r.gap.low, r.gap.high, r.p_randomisation);
 *
 * Everything works on the items' sufficient statistics (metrics/metric.h), so a corpus score is
 * tested as what it is: a function of sums. The draws are NumPy's in sacreBLEU's order, so
 * sacreBLEU's p-values and intervals are among the results. */
#ifndef TIEBREAK_METRICS_PAIRED_H
#define TIEBREAK_METRICS_PAIRED_H
#include <stdint.h>

#include "metrics/interval.h"
#include "metrics/uncertainty.h"

/* --- right or wrong */

/* How many items both systems have right, only one of them, or neither. */
typedef struct {
    int64_t both, only_a, only_b, neither;
} paired_counts;

/* a, b [n]; above 0.5 is right. */
paired_counts paired_count(const double *a, const double *b, int64_t n);
/* McNemar's test, conditional on the only_a + only_b items that differ: the exact two-sided
 * binomial p-value, 1 when no item differs. It is conservative: at 5 % it alarms less often than
 * that. */
double mcnemar_exact(int64_t only_a, int64_t only_b);
/* The same with half the weight on what was observed (Fagerland, Lydersen, Laake 2013). It is near
 * its nominal level: this is the test to go by. */
double mcnemar_mid(int64_t only_a, int64_t only_b);

/* The interval of the difference of the two shares, b - a, at the level 1 - alpha: every difference
 * that Tango's score test (1998) does not reject, with half an item as continuity correction. Each
 * side misses the true difference with a probability of alpha / 2 at most, which without the
 * correction it exceeds where few items differ. Within -1 .. 1. */
interval paired_share_interval(paired_counts counts, double alpha);

/* --- any statistic of sums */

typedef struct {
    /* [n, width] each: the statistics of the baseline and of the other system, item by item */
    const double *a, *b;
    int64_t       n;
    int           width; /* <= 64 */
    statistic    *value;
    const void   *ctx;
} paired_input;

typedef struct {
    int64_t  resamples, randomisations; /* >= 1 */
    uint64_t seed;
} paired_options;
/* sacreBLEU's defaults. */
#define PAIRED_DEFAULTS ((paired_options) { .resamples = 1000, .randomisations = 10000, .seed = 12345 })

typedef struct {
    double   a, b, difference; /* b - a */
    double   error;            /* of the difference: the standard deviation of the resamples */
    interval gap;              /* of the difference: the central 95 % of the resamples */
    /* Two-sided p-values. Bootstrap: how often |d_i - d| >= |d|. Approximate randomisation, the
     * test to go by: how often |d_i| >= |d| when each item's answers change places with probability
     * 1/2. Ties count as reached, and the observed order counts as one of the draws (+1). */
    double p_bootstrap, p_randomisation;
    /* sacreBLEU's p-values from the same draws. They ask for more than |d|, so systems without any
     * difference get 1 / (N + 1). The bootstrap's statistic, |d_i| - mean |d_i|, makes it
     * one-sided: it alarms in about a tenth of pairs of equal systems. */
    double sacrebleu_p_bootstrap, sacrebleu_p_randomisation;
    /* Each system alone. sacreBLEU prints the mean of the resamples and half the interval's width;
     * it sums in float32 and this sums exactly, so they agree to about 1e-4. */
    double   a_mean, b_mean;
    interval a_interval, b_interval;
} paired_result;

/* n >= 1. With one item, or where no item differs, p = 1. */
void paired_test(const paired_input *in, const paired_options *options, paired_result *out);
#endif
