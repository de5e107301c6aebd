/* Two systems on the same items: how far apart they are, and whether chance alone would put them
 * there.
 *
 *     paired_input  in = { .a = base, .b = tuned, .n = n, .width = m->n_stats, .value = metric_of_sums, .ctx = m };
 *     paired_result r;
 *     paired_test(&in, &PAIRED_DEFAULTS, &r);
 *     printf("%+.2f, 95 %% %.2f..%.2f, p = %.4f\n", r.difference, r.gap.low, r.gap.high, r.p_randomisation);
 *
 * Everything works on the sufficient statistics of items (metrics/metric.h), so corpus scores
 * are tested as what they are: functions of sums.
 * The draws are NumPy's, in sacreBLEU's order, so its p-values and intervals are among the answers. */
#ifndef TIEBREAK_METRICS_PAIRED_H
#define TIEBREAK_METRICS_PAIRED_H
#include <stdint.h>

#include "metrics/interval.h"
#include "metrics/uncertainty.h"

/* --- right or wrong */

/* What became of each item: both systems right, one of them, neither. */
typedef struct {
    int64_t both, only_a, only_b, neither;
} paired_counts;

/* a, b [n]: above 0.5 is right. */
paired_counts paired_count(const double *a, const double *b, int64_t n);
/* McNemar's test, conditional on the only_a + only_b items that differ: exact two-sided binomial
 * p-value. Conservative: at 5 % it alarms less often. No item differs: 1. */
double mcnemar_exact(int64_t only_a, int64_t only_b);
/* The same with half the weight on what was observed (Fagerland, Lydersen, Laake 2013): near its
 * nominal level, and the test to go by. */
double mcnemar_mid(int64_t only_a, int64_t only_b);
/* Standard error of the difference of two shares on the same items: sqrt(((b + c) / n - d^2) /
 * (n - 1)). NaN for n < 2. */
double paired_share_stderr(paired_counts c);

/* --- any statistic of sums */

typedef struct {
    const double *a, *b; /* [n, width]: the baseline's statistics and the other's, item by item */
    int64_t       n;
    int           width; /* <= 64 */
    statistic    *value;
    const void   *ctx;
} paired_input;

typedef struct {
    int64_t  resamples, randomisations; /* >= 1 */
    uint64_t seed;
} paired_options;
/* sacreBLEU's */
#define PAIRED_DEFAULTS ((paired_options) { .resamples = 1000, .randomisations = 10000, .seed = 12345 })

typedef struct {
    double   a, b, difference; /* b - a */
    double   error;            /* of the difference: the resamples' standard deviation */
    interval gap;              /* of the difference: the resamples' central 95 % */
    /* Two-sided. Bootstrap: how often |d_i - d| >= |d|. Approximate randomisation: how often
     * |d_i| >= |d| when each item's answers change places with probability 1/2; the test to go
     * by. Ties count as reached, and the observed order is one of those counted (+1). */
    double p_bootstrap, p_randomisation;
    /* sacreBLEU's of the same draws. They ask for more than |d|, so systems without any
     * difference get 1 / (N + 1); and the bootstrap's statistic, |d_i| - mean |d_i|, makes it
     * one-sided: it alarms in about a tenth of pairs of equal systems. */
    double sacrebleu_p_bootstrap, sacrebleu_p_randomisation;
    /* Of each system alone. sacreBLEU prints the resamples' mean and half the interval's width;
     * its sums are float32, these are exact: equal to about 1e-4. */
    double   a_mean, b_mean;
    interval a_interval, b_interval;
} paired_result;

/* n >= 1. One item, or none that differs: p = 1. */
void paired_test(const paired_input *in, const paired_options *options, paired_result *out);
#endif
