/* One evaluation: a base, perhaps an adapter, a task and a data file go in; samples and a record
 * come out, in a folder.
 *
 * What is left out of a request is left out of the record's configuration too, so that a cell keeps
 * its id when options are added. Beside a cell's own files (core/cell.h) the folder holds
 * samples.jsonl when the cell is finished, and journal.jsonl while it is not. */
#ifndef TIEBREAK_EVAL_CELL_H
#define TIEBREAK_EVAL_CELL_H
#include "core/json.h"
#include "eval/served/endpoint.h"

typedef struct {
    /* Folders. The adapter may be NULL; the model may be a URL, which is served there without
     * one. */
    const char *model, *adapter;
    const char *task, *prompt;  /* prompt NULL: the task's default */
    const char *data, *metrics; /* metrics NULL: the task's */
    const char *out;
    int64_t     limit, batch, max_new_tokens; /* 0: all; chosen; the task's */
    int64_t     max_length;                   /* 0: the model's positions */
    /* which `limit` items: the first, or a draw with shuffle_seed */
    bool        shuffled;
    int64_t     shuffle_seed;
    const char *fewshot_data; /* examples before each prompt; fewshot 0: none */
    int64_t     fewshot, fewshot_seed;
    const char *fewshot_draw;   /* NULL, "random" or "first" */
    bool        allow_identity; /* score an adapter that changes no logit */
    bool        base_changed;   /* as adapter_check_base takes it */
    /* folder for lm-evaluation-harness's files (eval/lm_eval/log.h), or NULL */
    const char *lm_eval_logs;
    /* as backend_for takes them (kernels/backend.h); NULL: cpu, the device's own */
    const char *device, *dtype;
    const char *variant; /* of adapted linears (kernels/variant.h); NULL: the default */
    int64_t     threads; /* 0: every core */
    bool        quiet;
    /* with a URL */
    const char      *tokenizer; /* folder; NULL: prompts go out as text */
    endpoint_options http;      /* its url, tokenizer and max_length are those above */
} eval_request;

/* Runs the cell, goes on with it, or reads it when `out` holds it finished. *record is the
 * caller's. A folder that holds another cell, or samples that are not this program's, is ERR_INPUT,
 * and nothing there is touched. */
int eval_run(const eval_request *q, json **record);
#endif
