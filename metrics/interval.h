/* 95 % intervals of one score, each with the rule that made it. */
#ifndef TIEBREAK_METRICS_INTERVAL_H
#define TIEBREAK_METRICS_INTERVAL_H
#include <stdint.h>

#include "metrics/metric.h"

typedef struct {
    double      low, high; /* NaN where undefined */
    const char *rule;      /* "wilson", "normal", "bootstrap" */
} interval;

/* Wilson's score interval of a share (Wilson 1927): right of n. Never leaves 0..1 and is never
 * empty, where the normal one fails near both. */
interval wilson_interval(double right, int64_t n);
/* value +- 1.96 standard errors. */
interval normal_interval(double value, double error);
/* Central 95 % of resamples, as sacreBLEU cuts them: order statistics n / 40 and n - 1 - n / 40.
 * Sorts the values. */
interval resampled_interval(double *values, int64_t n);

/* sacreBLEU's --confidence: the metric's value over bootstrap resamples of the items, drawn as
 * it draws them; *mean is the resamples'. Its sums are float32, these are exact: equal to about
 * 1e-4. */
interval bootstrap_interval(const metric *m, const double *stats, int64_t n, int64_t resamples, uint64_t seed,
                            double *mean);
/* A signature with such a procedure in it, appended as sacreBLEU writes it:
 * BLEU|nrefs:1|bs:1000|seed:12345|case:mixed|... ("ar": randomisation). A signature that names
 * no references gets it at its end. */
void signature_of_draws(const char *signature, const char *procedure, int64_t draws, uint64_t seed, str *out);

/* A mean of items that are all 0 or 1: right or wrong. stats [n, n_stats]. */
bool metric_is_share(const metric *m, const double *stats, int64_t n);
/* Of a metric's value with its standard error, both known: Wilson's where it is a share, else
 * the normal one. */
interval metric_interval(const metric *m, const double *stats, int64_t n, double value, double error);
#endif
