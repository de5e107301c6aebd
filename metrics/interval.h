/* 95 % intervals of a score, each with the rule that made it. */
#ifndef TIEBREAK_METRICS_INTERVAL_H
#define TIEBREAK_METRICS_INTERVAL_H
#include <stdint.h>

#include "metrics/metric.h"

typedef struct {
    double      low, high; /* NaN where undefined */
    const char *rule;      /* "wilson", "normal", "bootstrap" */
} interval;

/* Wilson's score interval (Wilson 1927) of the share right / n. It never leaves 0..1 and is never
 * empty; the normal interval fails near both ends. */
interval wilson_interval(double right, int64_t n);
/* The value +- 1.96 standard errors. */
interval normal_interval(double value, double error);
/* The central 95 % of resampled values, as sacreBLEU cuts them: order statistics n / 40 and n - 1 -
 * n / 40. Sorts the values. */
interval resampled_interval(double *values, int64_t n);

/* sacreBLEU's --confidence: the metric's value over bootstrap resamples of the items, with
 * sacreBLEU's draws. *mean receives the resamples' mean. sacreBLEU sums in float32 and this sums
 * exactly, so they agree to about 1e-4. */
interval bootstrap_interval(const metric *m, const double *stats, int64_t n, int64_t resamples, uint64_t seed,
                            double *mean);
/* Appends a signature with such a procedure in it, as sacreBLEU writes it:
 * BLEU|nrefs:1|bs:1000|seed:12345|case:mixed|... ("ar" is randomisation). Where a signature names
 * no references, the procedure comes at its end. */
void signature_of_draws(const char *signature, const char *procedure, int64_t draws, uint64_t seed, str *out);

/* Whether the metric is a mean and every item's value is 0 or 1, right or wrong. stats [n,
 * n_stats]. */
bool metric_is_share(const metric *m, const double *stats, int64_t n);
/* The interval of a metric's value whose standard error is known: Wilson's for a share, else the
 * normal one. */
interval metric_interval(const metric *m, const double *stats, int64_t n, double value, double error);
#endif
