/* One line of samples.jsonl: what was asked, what came back, and how it scored. */
#ifndef TIEBREAK_EVAL_SAMPLE_H
#define TIEBREAK_EVAL_SAMPLE_H
#include "eval/lm/lm.h"
#include "metrics/metric.h"

/* Appends the line, without a newline. stats holds every metric's numbers, one after the other.
 * Scores are on the metric's own scale; a metric that is a function of counts writes the counts
 * under "stats". */
void sample_print(str *out, const data_item *item, const request *r, const answer *a, request_kind kind,
                  const metric_list *metrics, const double *stats);
#endif
