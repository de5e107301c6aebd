/* One line of samples.jsonl: what was asked, what was answered, what it scored. */
#ifndef TIEBREAK_EVAL_SAMPLE_H
#define TIEBREAK_EVAL_SAMPLE_H
#include "eval/lm/lm.h"
#include "metrics/metric.h"

/* Append the line (no newline). stats: every metric's, one after the other. Scores are on the
 * metric's own scale; a metric that is a function of counts writes these under "stats". */
void sample_print(str *out, const data_item *item, const request *r, const answer *a, request_kind kind,
                  const metric_list *metrics, const double *stats);
#endif
