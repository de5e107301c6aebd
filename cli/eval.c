/* tiebreak eval: score a base, or a base and an adapter, on a task. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/verbs.h"
#include "core/error.h"
#include "core/record.h"
#include "eval/cell.h"
#include "tasks/task.h"

static eval_request q;
static bool         as_json;

static void print_metric(const json *m)
{
    double error = record_number(m, field_metric_stderr);
    printf("  %-22s %10.4f", m->string, record_number(m, field_metric_value));
    if (isnan(error))
        printf("  %10s", "");
    else
        printf(" ± %8.4f ", error);
    printf("  %s\n", record_text(m, field_metric_signature, ""));
}

static void print_result(const json *record)
{
    const json *asked = record_get(record, field_record_asked), *r = record_get(record, field_record_result),
               *delta = record_get(r, field_result_adapter_delta);
    printf("%s, prompt %s, %.0f items\n", record_text(asked, field_asked_task, ""),
           record_text(asked, field_asked_prompt, ""), record_number(r, field_result_n));
    for (const json *m = json_members(record_get(r, field_result_metrics)); m; m = m->next) print_metric(m);
    if (record_number(r, field_result_cut_items) > 0)
        printf("  %.0f prompts were cut from the left, %.0f tokens in all\n", record_number(r, field_result_cut_items),
               record_number(r, field_result_cut_tokens));
    if (delta)
        printf(
            "  the adapter moves logits by %.3g on average, %.3g at most; %.0f of %.0f likeliest tokens change (first %.0f items)\n",
            record_number(delta, field_adapter_delta_mean_abs_logit),
            record_number(delta, field_adapter_delta_max_abs_logit),
            record_number(delta, field_adapter_delta_argmax_changed), record_number(delta, field_adapter_delta_rows),
            record_number(delta, field_adapter_delta_items));
    printf("  %.1f s, %.0f tokens/s, peak %.0f MB, samples in %s/%s\n", record_number(r, field_result_wall_s),
           record_number(r, field_result_tokens_per_s), record_number(r, field_result_peak_bytes) / 1e6, q.out,
           record_text(r, field_result_samples, ""));
}

const option eval_options[] = {
    { "model", OPT_STR, &q.model, .required = true, .arg = "DIR|URL",
      .help = "base model: a Hugging Face folder, or the http(s) address of an OpenAI-compatible completions API" },
    { "adapter", OPT_STR, &q.adapter, .arg = "DIR",
      .help = "adapter on it: a PEFT folder, or one that `tiebreak train` wrote" },
    { "task", OPT_STR, &q.task, .required = true, .arg = "T", .help = "a task's JSON file, or one of",
      .name_in_table = task_builtin_name },
    { "data", OPT_STR, &q.data, .required = true, .arg = "FILE",
      .help = "the task's data file, in its original format" },
    { "prompt", OPT_STR, &q.prompt, .in_grid = GRID_BOTH, .arg = "NAME",
      .help = "prompt variant of the task, as `lm-eval`" },
    { "metrics", OPT_STR, &q.metrics, .in_grid = GRID_EVAL, .arg = "LIST",
      .help = "instead of the task's; `loss` scores the targets and generates nothing" },
    { "limit", OPT_INT, &q.limit, .in_grid = GRID_EVAL, .min = 1, .max = 1e15, .arg = "N",
      .help = "only N items: the first ones" },
    { "shuffle-seed", OPT_INT, &q.shuffle_seed, .in_grid = GRID_EVAL, .max = 1e15, .arg = "S", .given = &q.shuffled,
      .help = "the N of --limit drawn instead, in data order: sorted(random.Random(S).sample(range(n), N)) in Python" },
    { "fewshot", OPT_INT, &q.fewshot, .in_grid = GRID_EVAL, .min = 0, .max = 1024, .arg = "K",
      .help = "K examples before each prompt" },
    { "fewshot-data", OPT_STR, &q.fewshot_data, .in_grid = GRID_EVAL_FILE, .arg = "FILE",
      .help = "where they are drawn from, in the task's format; --data itself will do: no item sees itself" },
    { "fewshot-seed", OPT_INT, &q.fewshot_seed, .in_grid = GRID_EVAL, .max = 1e15, .def = "1234", .arg = "S",
      .help = "drawn as lm-evaluation-harness draws them" },
    { "fewshot-draw", OPT_STR, &q.fewshot_draw, .in_grid = GRID_EVAL, .arg = "HOW",
      .help = "random, or first: the first K for every item" },
    { "max-length", OPT_INT, &q.max_length, .in_grid = GRID_EVAL, .min = 2, .max = 1e9, .arg = "N",
      .help =
          "tokens of a sequence: longer ones are cut from the left; the model's positions when not given (URL: 2048, or what it says)" },
    { "batch", OPT_INT, &q.batch, .min = 1, .max = 65536, .arg = "N",
      .help = "items worked on at once; chosen by tokens when not given" },
    { "max-new-tokens", OPT_INT, &q.max_new_tokens, .in_grid = GRID_EVAL, .min = 1, .max = 1e9, .arg = "N",
      .help = "longest generated text; the task's when not given" },
    { "allow-identity", OPT_FLAG, &q.allow_identity, .in_grid = GRID_EVAL,
      .help = "score an adapter that changes no logit (else an error: it was not applied)" },
    { "base-changed", OPT_FLAG, &q.base_changed, .in_grid = GRID_BOTH,
      .help = "the adapter may meet another base than the one it was trained on or names" },
    OPTIONS_OF_DEVICE(q),
    { "tokenizer", OPT_STR, &q.tokenizer, .arg = "DIR",
      .help = "URL: folder of the model's tokenizer.json; prompts go out as ids (else as text, uncut)" },
    { "model-name", OPT_STR, &q.http.model, .arg = "NAME",
      .help = "URL: which of its models; the first when not given" },
    { "gen-kwargs", OPT_STR, &q.http.gen_kwargs, .arg = "JSON",
      .help = "URL: further members of requests for texts, as {\"repeat_penalty\":1} for llama-cpp-python" },
    { "concurrency", OPT_INT, &q.http.concurrency, .min = 1, .max = 1024, .arg = "N",
      .help = "URL: requests at once; 4 when not given" },
    { "retries", OPT_INT, &q.http.retries, .min = 0, .max = 1000, .def = "5", .arg = "N",
      .help = "URL: further tries after 429, 5xx, a broken connection" },
    { "timeout-s", OPT_NUM, &q.http.timeout_s, .min = 0.1, .max = 86400, .def = "300", .arg = "S",
      .help = "URL: longest wait for an answer" },
    { "api-key-env", OPT_STR, &q.http.key_env, .arg = "VAR",
      .help = "URL: environment variable with the bearer key; OPENAI_API_KEY when not given" },
    { "out", OPT_STR, &q.out, .required = true, .arg = "DIR", .help = "folder for samples.jsonl and record.json" },
    { "lm-eval-logs", OPT_STR, &q.lm_eval_logs, .arg = "DIR",
      .help = "results and samples as lm-evaluation-harness writes them, too" },
    { "json", OPT_FLAG, &as_json, .help = "one JSON object on stdout" },
    { 0 }
};

static int run(int argc, char **argv)
{
    static const record_field asked[] = { field_asked_task, field_asked_task_version, field_asked_prompt };
    json                     *record;
    int                       rc = options_parse(&verb_eval, eval_options, argc, argv, NULL);
    if (rc) return rc;
    if ((rc = eval_run(&q, &record))) return error_context(rc, "eval");
    if (as_json)
        json_show(record_summary(record, asked, sizeof asked / sizeof *asked, q.out));
    else
        print_result(record);
    json_free(record);
    return OK;
}

const verb verb_eval = {
    "eval", "score a base, or a base with an adapter, on a task",
    "--model DIR|URL [--adapter DIR] --task T --data FILE --out DIR",
    "  tiebreak eval --model base --task squad --data dev-v1.1.json --limit 100 --out runs/squad\n"
    "  tiebreak eval --model base --adapter runs/lora --task hellaswag --data hellaswag_val.jsonl --out runs/hs --json\n"
    "  tiebreak eval --model http://localhost:8000/v1 --tokenizer base --task gsm8k --data test.jsonl --out runs/served\n",
    run
};
