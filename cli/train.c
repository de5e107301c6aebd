/* tiebreak train: fine-tune one adapter, or every weight. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/verbs.h"
#include "core/error.h"
#include "core/record.h"
#include "tasks/task.h"
#include "train/run.h"

static train_request q;
static const char   *betas;
static bool          as_json;

/* "0.9,0.999" */
static int parse_betas(const char *text, double *beta1, double *beta2)
{
    char *end;
    *beta1 = strtod(text, &end);
    if (end != text && *end == ',') {
        const char *second = end + 1;
        *beta2             = strtod(second, &end);
        if (end != second && !*end && *beta1 >= 0 && *beta1 < 1 && *beta2 >= 0 && *beta2 < 1) return OK;
    }
    return input_error("train: --betas %s: must be two numbers X,Y with 0 <= X, Y < 1, as 0.9,0.999", text);
}

static void print_result(const json *r)
{
    const json *valid    = record_get(r, field_result_valid);
    double      too_long = record_number(r, field_result_too_long);
    printf("%.0f steps, loss %.4f -> %.4f", record_number(r, field_result_steps),
           record_number(r, field_result_loss_first), record_number(r, field_result_loss_last));
    if (valid)
        printf(", held out %.4f -> %.4f", record_number(valid, field_held_out_loss_first),
               record_number(valid, field_held_out_loss_last));
    printf("\n%.0f trained numbers, %.0f bytes in %s\n", record_number(r, field_result_trainable),
           record_number(r, field_result_adapter_bytes), q.out);
    if (too_long > 0)
        printf("%.0f of %.0f items were too long and left out\n", too_long,
               too_long + record_number(r, field_result_items));
    printf("%.1f s, %.0f tokens/s, peak %.0f MB\n", record_number(r, field_result_wall_s),
           record_number(r, field_result_tokens_per_s), record_number(r, field_result_peak_bytes) / 1e6);
}

#define ADALORA_OPTION(member, type, field, peft, option, lo, hi, standard, text)                                      \
    { option,    OPT_##type,      &q.options.adalora.member, .min = lo,                                                \
      .max = hi, .def = standard, .arg = ADALORA_ARG_##type, .help = "AdaLoRA: " text },
#define ADALORA_ARG_INT "N"
#define ADALORA_ARG_NUM "X"

const option train_options[] = {
    { "model", OPT_STR, &q.model, .required = true, .arg = "DIR", .help = "base model: a Hugging Face folder" },
    { "task", OPT_STR, &q.task, .required = true, .arg = "T", .help = "a task's JSON file, or one of",
      .name_in_table = task_builtin_name },
    { "data", OPT_STR, &q.data, .required = true, .arg = "FILE",
      .help = "training items in the task's original format" },
    { "prompt", OPT_STR, &q.prompt, .arg = "NAME", .help = "prompt variant of the task" },
    { "method", OPT_STR, &q.method, .arg = "M",
      .help = "`full` for every weight, a spec as 'A=tied:train,u=layer:train,B=layer:train:zero,s=alpha/r', or one of",
      .name_in_table = method_name },
    { "rank", OPT_INT, &q.rank, .min = 1, .max = RANK_MAX, .arg = "N",
      .help = "rank r of the adapter; 8 when not given (AdaLoRA: init_r)" },
    { "alpha", OPT_NUM, &q.alpha, .min = 1e-9, .max = 1e9, .arg = "X",
      .help = "numerator of the scale s; the rank when not given" },
    { "sites", OPT_STR, &q.sites, .arg = "S",
      .help          = "all, or a list with commas of (qkv is q, k and v fused, and what is taken when not given)",
      .name_in_table = site_name },
    { "init-adapter", OPT_STR, &q.init_adapter, .in_grid = GRID_TRAIN_FILE, .arg = "DIR",
      .help = "go on from this adapter; it knows its method, rank and sites" },
    { "base-changed", OPT_FLAG, &q.base_changed, .in_grid = GRID_BOTH,
      .help = "--init-adapter may meet another base than the one it was trained on or names" },
    { "out", OPT_STR, &q.out, .required = true, .arg = "DIR",
      .help = "folder for the adapter, train_log.jsonl and record.json" },
    { "steps", OPT_INT, &q.steps, .min = 1, .max = 1e12, .arg = "N", .help = "optimiser steps" },
    { "epochs", OPT_INT, &q.epochs, .min = 1, .max = 1e9, .arg = "N",
      .help = "passes over the items; with --steps, whatever ends first" },
    { "batch", OPT_INT, &q.batch, .min = 1, .max = 65536, .def = "8", .arg = "N",
      .help = "items that go through the model at once" },
    { "accumulate", OPT_INT, &q.accumulate, .min = 1, .max = 65536, .def = "1", .arg = "N",
      .help = "such batches in one step" },
    { "max-length", OPT_INT, &q.max_length, .min = 2, .max = 1e9, .arg = "N",
      .help = "longer items are left out; what the model allows when not given" },
    { "no-shuffle", OPT_FLAG, &q.no_shuffle, .help = "items in the file's order" },
    { "seed", OPT_INT, &q.seed, .min = 0, .max = 4294967295.0, .def = "0", .arg = "S",
      .help = "of the starting values and the order of items" },
    { "lr", OPT_NUM, &q.lr, .required = true, .min = 0, .max = 1e6, .arg = "X", .help = "learning rate" },
    { "schedule", OPT_STR, &q.schedule, .def = "constant", .arg = "NAME", .help = "constant, linear or cosine" },
    { "warmup", OPT_INT, &q.warmup, .min = 0, .max = 1e12, .def = "0", .arg = "N",
      .help = "steps in which the rate rises from 0" },
    { "weight-decay", OPT_NUM, &q.options.weight_decay, .min = 0, .max = 1e3, .def = "0", .arg = "X",
      .help = "AdamW's decoupled decay" },
    { "betas", OPT_STR, &betas, .def = "0.9,0.999", .arg = "X,Y", .help = "AdamW's betas" },
    { "eps", OPT_NUM, &q.options.eps, .min = 0, .max = 1, .def = "1e-8", .arg = "X", .help = "AdamW's eps" },
    { "clip", OPT_NUM, &q.options.clip, .min = 0, .max = 1e9, .def = "0", .arg = "X",
      .help = "largest L2 norm of the whole gradient; 0: none" },
    ADALORA_OPTIONS(ADALORA_OPTION) { "valid", OPT_STR, &q.valid, .in_grid = GRID_TRAIN_FILE, .arg = "FILE",
                                      .help = "held-out items: their loss before and after" },
    { "valid-every", OPT_INT, &q.valid_every, .min = 1, .max = 1e12, .arg = "N", .help = "and every N steps" },
    { "checkpoint-s", OPT_NUM, &q.checkpoint_s, .min = 0, .max = 1e9, .def = "60", .arg = "X",
      .help = "seconds between checkpoints" },
    OPTIONS_OF_DEVICE(q),
    { "json", OPT_FLAG, &as_json, .help = "one JSON object on stdout" },
    { 0 }
};
static int run(int argc, char **argv)
{
    json *record;
    int   rc = options_parse(&verb_train, train_options, argc, argv, NULL);
    if (!rc) rc = parse_betas(betas, &q.options.beta1, &q.options.beta2);
    if (rc) return rc;
    if ((rc = train_run(&q, &record))) return error_context(rc, "train");
    if (as_json)
        json_show(record_summary(record, NULL, 0, q.out));
    else
        print_result(record_get(record, field_record_result));
    json_free(record);
    return OK;
}

const verb verb_train = {
    "train", "fine-tune one adapter, or every weight",
    "--model DIR --task T --data FILE --method M --rank R --steps N --lr X --out DIR",
    "  tiebreak train --model base --task gsm8k --data train.jsonl --method lora --rank 8 --steps 200 --lr 1e-3 --out runs/lora\n"
    "  tiebreak train --model base --task squad --data train.json --method adalora --rank 12 --sites q,v --epochs 1 --lr 1e-3 \\\n"
    "    --schedule linear --warmup 20 --valid dev.json --out runs/adalora --json\n",
    run
};
