/* What was to be reached on a GPU, as rows of data, and whether the records show it. */
#ifndef TIEBREAK_REPORTS_GOALS_H
#define TIEBREAK_REPORTS_GOALS_H
#include "reports/overhead.h"

/* Whether the point's variant can serve any adapter at any time, so that it may stand for its
 * method. */
bool goal_counts(const overhead_point *p);

typedef struct {
    double value, low, high; /* low and high: 95 % interval, or both the value */
} goal_value;
/* "met", "missed", or "not separable": the interval holds the limit. at_most: the value must not
 * be above it, else not below. A NaN is "not measured". */
const char *goal_verdict(goal_value v, double limit, bool at_most);
#endif
