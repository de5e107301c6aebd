/* Multiple choice: does the right choice have the largest log-likelihood
 * (lm-evaluation-harness's multiple_choice)? */
#ifndef TIEBREAK_METRICS_CHOICE_H
#define TIEBREAK_METRICS_CHOICE_H
#include "metrics/metric.h"

/* argmax of ll[i] / length[i] (length NULL: of ll[i]); the first on ties; a choice of length 0
 * counts as minus infinity. */
int64_t choice_argmax(const double *ll, const int64_t *length, int64_t n);

/* rows of the metric table: by sum, per character (code points, as the harness's code does), per
 * UTF-8 byte */
void acc_item(const metric *m, const metric_input *in, double *stats);
void acc_norm_item(const metric *m, const metric_input *in, double *stats);
void acc_bytes_item(const metric *m, const metric_input *in, double *stats);
#endif
