/* The statistics of one answered item, whoever answered it: a model, or a file of predictions. */
#ifndef TIEBREAK_TASKS_ITEM_STATS_H
#define TIEBREAK_TASKS_ITEM_STATS_H
#include "tasks/task.h"

/* What is known of the answer. A metric reads the part that its source names. */
typedef struct {
    slice         prediction; /* a generated text */
    const double *choice_ll;  /* [n_choices] log-likelihoods of the choices; NULL: not asked */
    double        ll;         /* log-likelihood of the target, and how many tokens that is */
    int64_t       tokens;
} item_answer;

/* Writes the statistics of every metric, one after the other, to stats; returns how many numbers
 * these are. */
int item_stats(const task_text *text, const item_answer *a, const metric_list *metrics, double *stats);
#endif
