/* The record of an evaluation: its configuration and what came out. */
#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/progress.h"
#include "eval/cell_private.h"

/* Options that are not in use leave no trace: a cell keeps its id when options are added. */
static int put_options(json *asked, const eval_request *q)
{
    if (q->shuffled) record_put_count(asked, field_asked_shuffle_seed, q->shuffle_seed);
    if (!q->fewshot) return OK;
    char  sha256[65];
    json *shots = json_object();
    int   rc    = sha256_file(q->fewshot_data, sha256);
    record_put_count(shots, field_fewshot_k, q->fewshot);
    record_put_text(shots, field_fewshot_draw, q->fewshot_draw ? q->fewshot_draw : "random");
    record_put_count(shots, field_fewshot_seed, q->fewshot_seed);
    record_put(shots, field_fewshot_data, record_named(q->fewshot_data, rc ? NULL : sha256));
    record_put(asked, field_asked_fewshot, shots);
    return rc;
}

int eval_asked(const evaluation *e, int64_t max_new, json **asked)
{
    const eval_request *q    = e->q;
    json               *said = NULL;
    *asked                   = NULL;
    int rc                   = e->lm->describe(e->lm, &said);
    if (rc) return rc;
    json *j = *asked = json_object();
    record_put(j, field_asked_base, json_take(said, record_key(field_asked_base)));
    record_put_text(j, field_asked_task, e->task->name);
    record_put_count(j, field_asked_task_version, e->task->version);
    record_put_text(j, field_asked_prompt, e->task->variant);
    record_put(j, field_asked_data, record_named(q->data, e->data->sha256));
    record_put_count_or_null(j, field_asked_limit, q->limit);
    record_put_text(j, field_asked_metrics, q->metrics);
    record_put_count_or_null(j, field_asked_max_new_tokens, max_new);
    for (const json *m; (m = json_members(said));) json_set(j, m->string, json_take(said, m->string));
    json_free(said);
    return json_unless(put_options(j, q), asked);
}

static json *metrics_json(const harness_plan *plan, const harness_result *r)
{
    json *all = json_object();
    for (int k = 0; k < plan->metrics.n; k++) {
        const metric *m    = &plan->metrics.rows[k];
        json         *one  = json_object();
        str           sign = { 0 };
        metric_signature(m, r->n_refs, &sign);
        record_put_number(one, field_metric_value, r->value[k]);
        record_put_number(one, field_metric_stderr, r->error[k]);
        record_put_text(one, field_metric_better, m->higher ? "higher" : "lower");
        record_put_text(one, field_metric_signature, str_c(&sign));
        json_set(all, m->name, one);
        str_free(&sign);
    }
    return all;
}

static json *delta_json(const adapter_delta *d)
{
    json *j = json_object();
    record_put_count(j, field_adapter_delta_items, d->items);
    record_put_count(j, field_adapter_delta_rows, d->rows);
    record_put_number(j, field_adapter_delta_max_abs_logit, d->max_abs_logit);
    record_put_number(j, field_adapter_delta_mean_abs_logit, d->mean_abs_logit);
    record_put_count(j, field_adapter_delta_argmax_changed, d->argmax_changed);
    return j;
}

json *eval_result(const evaluation *e, const harness_plan *plan, const harness_result *r, double harness_s)
{
    json     *j = json_object();
    const lm *m = e->lm;
    record_put_count(j, field_result_n, r->n);
    record_put(j, field_result_metrics, metrics_json(plan, r));
    record_put_count(j, field_result_trainable, m->trainable);
    record_put_count(j, field_result_adapter_bytes, m->adapter_bytes);
    record_put_text(j, field_result_prompt_sha256, r->prompt_sha256);
    if (m->probe) record_put(j, field_result_adapter_delta, delta_json(&r->delta));
    if (m->account) m->account(m, j);
    record_put_text(j, field_result_samples, "samples.jsonl");
    record_put_count(j, field_result_tokens, r->prompt_tokens);
    record_put_count(j, field_result_new_tokens, r->completion_tokens);
    record_put_count(j, field_result_cut_items, r->cut_items);
    record_put_count(j, field_result_cut_tokens, r->cut_tokens);
    record_put_number(j, field_result_wall_s, clock_s() - e->started);
    record_put_number(j, field_result_tokens_per_s, harness_s > 0 ? (double)r->tokens_now / harness_s : 0);
    record_put_count(j, field_result_peak_bytes, mem_peak_bytes());
    if (m->be && m->be->peak_bytes) record_put_count(j, field_result_device_peak_bytes, m->be->peak_bytes(m->be));
    return j;
}
