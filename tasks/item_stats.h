/* One answered item to the statistics of its metrics, whoever answered it: the harness's model, or
 * a file of predictions. */
#ifndef TIEBREAK_TASKS_ITEM_STATS_H
#define TIEBREAK_TASKS_ITEM_STATS_H
#include "tasks/task.h"

/* What is known of the answer; a metric reads the part that its source names. */
typedef struct {
    slice         prediction; /* a generated text */
    const double *choice_ll;  /* [n_choices] log-likelihoods of the choices; NULL: not asked */
    double        ll;         /* log-likelihood of the target, and how many tokens that is */
    int64_t       tokens;
} item_answer;

/* The statistics of every metric, one after the other, into stats; returns how many numbers that
 * is. */
int item_stats(const task_text *text, const item_answer *a, const metric_list *metrics, double *stats);
#endif
