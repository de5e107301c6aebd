/* The harness: items of a data file through a model to scores.
 *
 *     harness_result r;
 *     int rc = harness_run(&(harness) { .dec = d, .pairs = adapter_pairs(a), .tok = t, .task = k, .data = set }, &r);
 *     for (int i = 0; i < r.metrics.n; i++) printf("%s %.4f\n", r.metrics.rows[i].name, r.value[i]);
 *     harness_result_free(&r);
 *
 * Items are worked on longest first in fixed groups, and everything that comes out is in data
 * order. What an item gets depends on the model, the task and the data alone, to the bit: not on
 * the batch, the threads or the items beside it. A run that was killed and went on ends with the
 * same bytes. (Of a served model that is the server's affair.) */
#ifndef TIEBREAK_EVAL_HARNESS_H
#define TIEBREAK_EVAL_HARNESS_H
#include "eval/answer.h"
#include "tasks/fewshot.h"
#include "eval/identity.h"
#include "eval/journal.h"
#include "metrics/metric.h"
#include "eval/sample.h"

typedef struct {
    decoder           *dec;
    const pair_arrays *pairs;   /* NULL: the base alone */
    const char        *adapter; /* its name, for messages */
    endpoint          *served;  /* instead of dec: a model behind HTTP */
    /* NULL for a task that needs none, or when a served model is sent text */
    const tokenizer *tok;
    const task      *task;
    const dataset   *data;
    /* the data file, for messages and for whole records; NULL: not known */
    const char  *where;
    int64_t      limit;    /* N items; 0: all */
    bool         shuffled; /* which N: the first, or a draw (tasks/subset.h) */
    int64_t      shuffle_seed;
    shot_options shots;      /* examples before each prompt */
    int64_t      max_length; /* tokens of a sequence; 0: the model's positions */
    /* GENERATE: sequences at once; else items a forward; 0: chosen by tokens */
    int64_t     batch;
    int64_t     max_new_tokens; /* 0: the task's */
    const char *metrics;        /* NULL: the task's; else names with commas ("loss") */
    const char *journal;        /* path, or NULL: not resumable */
    const char *cell;           /* the journal's owner */
    bool        allow_identity; /* an adapter that changes no logit is scored all the same */
    bool        quiet;
} harness;

typedef struct {
    int64_t     n;
    metric_list metrics;
    double      value[METRICS_MAX], error[METRICS_MAX]; /* error NaN: undefined */
    /* references of each item; 0: their number varies */
    int64_t n_refs;
    int64_t max_new_tokens;
    /* tokens read by the model and generated, in this and earlier runs of the cell */
    int64_t seen, made;
    int64_t work;                  /* the same, both, in this run only: what the clock saw */
    int64_t cut_items, cut_tokens; /* prompts that were cut from the left */
    /* of all rendered prompts, targets and choices, in order */
    char prompt_sha256[65];
    /* with pairs: how far the adapter moves the first items' logits */
    adapter_delta delta;
    journal       items; /* every sample, in data order */
} harness_result;

/* The metrics that a request for `names` (NULL: the task's own) means, and what the model has to
 * be asked for them. ERR_INPUT when a name is unknown or does not fit the task. */
int harness_metrics(const task *t, const char *names, metric_list *metrics, request_kind *kind);
/* The metrics and all rules of a run on a model of so many positions. ERR_INPUT for what does
 * not go together: more new tokens than there is room for, or any for a task that generates
 * nothing, a length past the model's. */
int harness_plan(const harness *h, int64_t positions, metric_list *metrics, request_rules *rules);

/* ERR_FAILED when the adapter changes no logit and that is not allowed. */
int  harness_run(const harness *h, harness_result *out);
void harness_result_free(harness_result *r);
#endif
