/* results_DATE.json, as lm-evaluation-harness lays it out. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/file.h"
#include "core/record.h"
#include "eval/lm_eval/log.h"
#include "eval/lm_eval/pyjson.h"

/* {TASK: value}, the form of most members. */
static json *by_task(const lm_eval_run *r, json *value)
{
    json *j = json_object();
    json_set(j, r->task->name, value);
    return j;
}

static const json *asked(const lm_eval_run *r, record_field f)
{
    return record_get(record_get(r->record, field_record_asked), f);
}
static const json *metrics_of(const lm_eval_run *r)
{
    return record_get(record_get(r->record, field_record_result), field_result_metrics);
}
static int64_t shots_of(const lm_eval_run *r)
{
    return record_count(asked(r, field_asked_fewshot), field_fewshot_k, 0);
}

/* Values and standard errors, as "acc,none": 0.26 and "acc_stderr,none": 0.044. */
static json *values(const lm_eval_run *r)
{
    json *j = json_object();
    json_set_str(j, "name", r->task->name);
    json_set_str(j, "alias", r->task->name);
    json_set_int(j, "sample_len", r->n);
    for (const json *m = metrics_of(r)->child; m; m = m->next) {
        const char *theirs, *filter;
        double      value = record_number(m, field_metric_value), error = record_number(m, field_metric_stderr);
        str         key = { 0 };
        lm_eval_metric(m->string, &theirs, &filter);
        str_printf(&key, "%s,%s", theirs, filter);
        json_set(j, key.s, isnan(value) ? json_null() : py_float(value));
        str_clear(&key);
        str_printf(&key, "%s_stderr,%s", theirs, filter);
        json_set(j, key.s, isnan(error) ? json_of_text("N/A") : py_float(error));
        str_free(&key);
    }
    return j;
}

static json *metric_entries(const lm_eval_run *r)
{
    json *list = json_array();
    for (const json *m = metrics_of(r)->child; m; m = m->next) {
        const char *theirs, *filter;
        json       *one = json_object();
        lm_eval_metric(m->string, &theirs, &filter);
        json_set_str(one, "metric", theirs);
        json_set_str(one, "aggregation", metric_find(m->string)->n_stats == 1 ? "mean" : theirs);
        json_set_bool(one, "higher_is_better", metric_find(m->string)->higher);
        json_set_str(one, "signature", record_text(m, field_metric_signature, ""));
        json_push(list, one);
    }
    return list;
}

static json *higher_is_better(const lm_eval_run *r)
{
    json *j = json_object();
    for (const json *m = metrics_of(r)->child; m; m = m->next) {
        const char *theirs, *filter;
        lm_eval_metric(m->string, &theirs, &filter);
        if (!json_find(j, theirs)) json_set_bool(j, theirs, metric_find(m->string)->higher);
    }
    return j;
}

static json *task_config(const lm_eval_run *r)
{
    static const char *const types[] = { [TASK_GENERATE]   = "generate_until",
                                         [TASK_CHOICES]    = "multiple_choice",
                                         [TASK_LIKELIHOOD] = "loglikelihood_rolling" };
    json                    *j       = json_object();
    json_set_str(j, "task", r->task->name);
    json_set_str(j, "dataset_path", r->data_file);
    json_set_str(j, "doc_to_text", r->task->rules.prompt);
    json_set_str(j, "doc_to_target", r->task->rules.target);
    json_set_str(j, "description", "");
    json_set_str(j, "target_delimiter", r->task->rules.delimiter);
    json_set_str(j, "fewshot_delimiter", r->task->rules.shot_separator);
    json_set_int(j, "num_fewshot", shots_of(r));
    json_set(j, "metric_list", metric_entries(r));
    json_set_str(j, "output_type", types[r->task->answer]);
    if (r->task->answer == TASK_GENERATE) json_set(j, "generation_kwargs", lm_eval_generation_kwargs(r));
    json_set_int(j, "repeats", 1);
    json_set_bool(j, "should_decontaminate", false);
    json_set(j, "metadata", json_format("{'version':%lld,'prompt':%s}", (long long)r->task->version, r->task->variant));
    return j;
}

static json *run_config(const lm_eval_run *r)
{
    json *j = json_object(), *args = json_object();
    json_set_str(args, "pretrained", r->model);
    if (r->adapter) json_set_str(args, "peft", r->adapter);
    json_set_str(j, "model", "tiebreak");
    json_set(j, "model_args", args);
    if (r->cfg) json_set_int(j, "model_num_parameters", config_parameters(r->cfg));
    json_set_str(j, "model_dtype", "float32");
    json_set_str(j, "model_sha", record_text(asked(r, field_asked_base), field_source_sha256, NULL));
    json_set(j, "device", json_copy(record_get(record_get(r->record, field_record_where), field_where_device)));
    json_set(j, "limit", json_copy(asked(r, field_asked_limit)));
    json_set_int(j, "bootstrap_iters", 100000);
    json_set(j, "gen_kwargs", json_object());
    json_set(j, "fewshot_seed", json_copy(record_get(asked(r, field_asked_fewshot), field_fewshot_seed)));
    return j;
}

static json *sample_counts(const lm_eval_run *r)
{
    return json_format("{'original':%lld,'effective':%lld}", (long long)r->data->n, (long long)r->n);
}

/* Sets a token as its text and its id: ["<s>", "1"]. */
static void set_token(json *j, const char *key, const tokenizer *tok, int32_t id)
{
    str  text = { 0 };
    char number[16];
    bool there = id >= 0 && !tokenizer_decode(tok, &id, 1, false, &text);
    snprintf(number, sizeof number, "%d", (int)id);
    json_set(j, key, there ? json_list(json_of_text(str_c(&text)), json_of_text(number), NULL) : json_array());
    str_free(&text);
}

/* Seconds since 1970 of "2026-01-31T12:00:00Z". */
static double unix_time(const char *text)
{
    struct tm t = { 0 };
    return strptime(text, "%Y-%m-%dT%H:%M:%SZ", &t) ? (double)timegm(&t) : 0;
}

json *lm_eval_results(const lm_eval_run *r, const char *hash)
{
    static const char *const unused[] = { "system_instruction", "system_instruction_sha", "fewshot_as_multiturn",
                                          "chat_template", "chat_template_sha" };
    const json *where = record_get(r->record, field_record_where), *result = record_get(r->record, field_record_result);
    json       *j    = json_object();
    str         text = { 0 };
    json_set(j, "results", by_task(r, values(r)));
    json_set(j, "group_subtasks", json_object());
    json_set(j, "configs", by_task(r, task_config(r)));
    json_set(j, "versions", by_task(r, py_float((double)r->task->version)));
    json_set(j, "n-shot", by_task(r, json_of_number((double)shots_of(r))));
    json_set(j, "higher_is_better", by_task(r, higher_is_better(r)));
    json_set(j, "n-samples", by_task(r, sample_counts(r)));
    json_set(j, "config", run_config(r));
    json_set(j, "git_hash", json_copy(record_get(where, field_where_commit)));
    json_set(j, "date", py_float(unix_time(record_text(r->record, field_record_created, ""))));
    json_set(j, "tiebreak_version", json_copy(record_get(where, field_where_version)));
    if (r->tok) {
        set_token(j, "tokenizer_eos_token", r->tok, tokenizer_eos(r->tok));
        set_token(j, "tokenizer_bos_token", r->tok, tokenizer_bos(r->tok));
        json_set_int(j, "eot_token_id", tokenizer_eos(r->tok));
    }
    json_set(j, "max_length",
             asked(r, field_asked_max_length) ? json_copy(asked(r, field_asked_max_length))
             : r->cfg                         ? json_of_number((double)r->cfg->positions)
                                              : json_null());
    json_set(j, "task_hashes", by_task(r, json_of_text(hash)));
    json_set_str(j, "model_source", "tiebreak");
    json_set_str(j, "model_name", path_base(r->model));
    json_set_str(j, "model_name_sanitized", path_base(r->model));
    for (size_t i = 0; i < sizeof unused / sizeof *unused; i++) json_set(j, unused[i], json_null());
    py_repr(record_number(result, field_result_wall_s), &text);
    json_set_str(j, "total_evaluation_time_seconds", text.s);
    str_free(&text);
    return j;
}
