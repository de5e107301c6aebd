/* How long two texts may be before comparing them takes more memory than a machine should be asked
 * for. */
#ifndef TIEBREAK_METRICS_TEXT_LIMIT_H
#define TIEBREAK_METRICS_TEXT_LIMIT_H
#include "metrics/metric.h"

/* ERR_INPUT naming `where`, the metric and the limit. Only rougeLsum keeps a table: a bit for each
 * pair of tokens in two lines. */
int text_limit_check(const metric_list *list, slice prediction, const slice *references, int64_t n, const char *where);
#endif
