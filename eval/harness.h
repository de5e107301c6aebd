/* The harness: items of a data file through a model to scores.
 *
 *     harness        h = { .lm = m, .task = k, .data = set };
 *     harness_plan   plan;
 *     harness_result r;
 *     int rc = harness_make_plan(&h, &plan);
 *     if (!rc) rc = harness_run(&h, &plan, &r);
 *     for (int i = 0; !rc && i < plan.metrics.n; i++)
 *         printf("%s %.4f\n", plan.metrics.rows[i].name, r.value[i]);
 *
 * Items are worked on longest first in fixed groups, and everything that comes out is in data
 * order. What an item gets depends on the model, the task and the data alone, to the bit: not on
 * the batch, the threads or the items beside it. A run that was killed and went on ends with the
 * same bytes. (For a served model all of this is up to its server.) */
#ifndef TIEBREAK_EVAL_HARNESS_H
#define TIEBREAK_EVAL_HARNESS_H
#include "eval/journal.h"
#include "eval/lm/lm.h"
#include "metrics/metric.h"
#include "tasks/fewshot.h"

typedef struct {
    lm            *lm;
    const task    *task;
    const dataset *data;
    const char    *where;    /* the data file, for messages and for its whole records; NULL: not known */
    int64_t        limit;    /* how many items; 0: all */
    bool           shuffled; /* a draw of them (tasks/subset.h) instead of the first */
    int64_t        shuffle_seed;
    shot_options   shots;          /* examples before each prompt */
    int64_t        batch;          /* GENERATE: sequences at once; else items a forward; 0: chosen by tokens */
    int64_t        max_new_tokens; /* 0: the task's */
    const char    *metrics;        /* NULL: the task's; else names with commas ("loss") */
    const char    *journal;        /* path, or NULL: not resumable */
    const char    *cell;           /* id of the cell that owns the journal */
    bool           allow_identity; /* an adapter that changes no logit is scored all the same */
    bool           quiet;
} harness;

/* What will be asked of the model, about which items, and what is made of the answers. */
typedef struct {
    metric_list   metrics;
    request_rules rules;
    int64_t       n, *chosen; /* [n] the items' places in the data, ascending */
} harness_plan;

typedef struct {
    int64_t n;
    double  value[METRICS_MAX], error[METRICS_MAX]; /* of the plan's metrics; error NaN: undefined */
    int64_t n_refs;                                 /* references of each item; 0: their number varies */
    int64_t prompt_tokens, completion_tokens;       /* in this and earlier runs of the cell */
    int64_t tokens_now;                             /* both together, in this run alone: for its rate */
    int64_t cut_items, cut_tokens;                  /* prompts that were cut from the left */
    char    prompt_sha256[65];                      /* of all rendered prompts, targets and choices, in order */
    /* How far an adapter moves the first items' logits; zeros where the model has no probe. */
    adapter_delta delta;
    journal       items; /* every sample, in data order */
} harness_result;

/* Finds the metrics of these names (NULL: the task's own) and what the model has to be asked for
 * them. ERR_INPUT when a name is unknown or does not fit the task. */
int harness_metrics(const task *t, const char *names, metric_list *metrics, request_kind *kind);
/* ERR_INPUT for more new tokens than there is room for, or for any where nothing is generated. Free
 * with harness_plan_free, also after an error. */
int  harness_make_plan(const harness *h, harness_plan *out);
void harness_plan_free(harness_plan *p);

/* ERR_FAILED when the adapter changes no logit and that is not allowed. *out is empty after an
 * error. */
int  harness_run(const harness *h, const harness_plan *plan, harness_result *out);
void harness_result_free(harness_result *r);
#endif
