/* Multiple choice: does the right choice have the largest log-likelihood
 * (lm-evaluation-harness's multiple_choice)? */
#ifndef TIEBREAK_METRICS_CHOICE_H
#define TIEBREAK_METRICS_CHOICE_H
#include "metrics/metric.h"

/* The argmax of ll[i] / length[i], or of ll[i] where length is NULL; the first on ties. A choice of
 * length 0 counts as minus infinity. */
int64_t choice_argmax(const double *ll, const int64_t *length, int64_t n);
#endif
