/* 95 % intervals of one score, each with the rule that made it. */
#ifndef TIEBREAK_EVAL_INTERVAL_H
#define TIEBREAK_EVAL_INTERVAL_H
#include <stdint.h>

#include "eval/metric.h"

typedef struct {
    double      low, high; /* NaN where undefined */
    const char *rule;      /* "wilson", "normal", "bootstrap" */
} interval;

/* Wilson's score interval of a share (Wilson 1927): right of n. Never leaves 0..1 and is never empty, where the normal one fails near both. */
interval wilson_interval(double right, int64_t n);
/* value +- 1.96 standard errors. */
interval normal_interval(double value, double error);
/* Central 95 % of resamples, as sacreBLEU cuts them: order statistics n / 40 and n - 1 - n / 40. Sorts the values. */
interval resampled_interval(double *values, int64_t n);

/* A mean of items that are all 0 or 1: right or wrong. stats [n, n_stats]. */
bool metric_is_share(const metric *m, const double *stats, int64_t n);
/* Of a metric's value with its standard error, both known: Wilson's where it is a share, else the normal one. */
interval metric_interval(const metric *m, const double *stats, int64_t n, double value, double error);
#endif
