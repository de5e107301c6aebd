/* One training: a base, a method and a task's data go in; an adapter folder (for `full` a model
 * folder), its log and its record come out.
 *
 *     train_request q = { .model = "base", .task = "gsm8k", .data = "train.jsonl",
 *                         .method = "lora", .rank = 8, .steps = 100, .batch = 8, .accumulate = 1,
 *                         .lr = 1e-3, .out = "runs/a" };
 *     json *record;
 *     int   rc = train_run(&q, &record);
 *
 * A cell that was killed goes on from its last checkpoint and ends with the bytes of an unbroken
 * run; a finished one is left as it is, and its record is read. The folder holds, beside a cell's
 * own files (core/cell.h):
 *
 *     train_log.jsonl           a line for each step, the same in every run of the cell
 *     checkpoint.safetensors    where a killed run goes on, until the cell is finished
 *     adapter_config.json, adapter_model.safetensors
 *                               for `full`, a model folder's files and tiebreak.json instead */
#ifndef TIEBREAK_TRAIN_RUN_H
#define TIEBREAK_TRAIN_RUN_H
#include "core/json.h"
#include "train/trainer.h"

/* What is asked. A member of 0 or NULL is not given where its comment says so. */
typedef struct {
    const char *model, *task, *prompt, *data; /* prompt NULL: the task's default */
    const char *valid;                        /* NULL: none; held-out file of the same task */
    int64_t     valid_every;                  /* steps; 0: before and after only */
    /* a row's name, a spec, or "full"; NULL: init_adapter's */
    const char     *method;
    const char     *sites;             /* NULL: qkv, or init_adapter's */
    const char     *init_adapter;      /* NULL: the method's own start */
    bool            base_changed;      /* as adapter_check_base takes it, of init_adapter */
    int64_t         rank;              /* 0: 8, or init_adapter's */
    double          alpha;             /* 0: = rank, or init_adapter's */
    int64_t         steps, epochs;     /* 0: not given; both: whatever ends first */
    int64_t         batch, accumulate; /* items a forward, forwards a step */
    int64_t         max_length;        /* tokens; 0: what the model allows */
    double          lr;
    const char     *schedule; /* NULL: constant */
    int64_t         warmup;
    int64_t         seed;
    bool            no_shuffle;
    trainer_options options;
    const char     *out;
    /* as backend_for takes them (kernels/backend.h); NULL: cpu, the device's own */
    const char *device, *dtype;
    const char *variant;      /* of adapted linears (kernels/variant.h); NULL: the default */
    int64_t     threads;      /* 0: every core */
    double      checkpoint_s; /* seconds between checkpoints */
    /* leaves as if killed after so many steps of this process; 0: never */
    int64_t stop_after;
    bool    quiet;
} train_request;

/* Trains, goes on, or reads what is finished. *record is the caller's. */
int train_run(const train_request *q, json **record);
#endif
