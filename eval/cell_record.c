/* The record of a cell: what was asked, by which it is known, and what came out. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/progress.h"
#include "core/record.h"
#include "eval/cell_private.h"

/* --- what was asked */

/* Options that are not in use leave no trace. */
static int describe_options(const cell *c, json *asked)
{
    const eval_request *q = c->q;
    if (q->shuffled) json_set_int(asked, "shuffle_seed", q->shuffle_seed);
    if (!q->fewshot) return OK;
    char  sha256[65];
    json *shots = json_object();
    int   rc    = sha256_file(q->fewshot_data, sha256);
    json_set_int(shots, "k", q->fewshot);
    json_set_str(shots, "draw", q->fewshot_draw ? q->fewshot_draw : "random");
    json_set_int(shots, "seed", q->fewshot_seed);
    json_set(shots, "data", record_named(q->fewshot_data, rc ? NULL : sha256));
    json_set(asked, "fewshot", shots);
    return rc;
}

int cell_asked(const cell *c, int64_t max_new, json **asked)
{
    const eval_request *q    = c->q;
    json               *said = NULL;
    *asked                   = NULL;
    int rc                   = c->lm->describe(c->lm, &said);
    if (rc) return rc;
    json *j = *asked = json_object();
    json_set(j, "base", cJSON_DetachItemFromObjectCaseSensitive(said, "base"));
    json_set_str(j, "task", c->task->name);
    json_set_int(j, "task_version", c->task->version);
    json_set_str(j, "prompt", c->task->variant);
    json_set(j, "data", record_named(q->data, c->data->sha256));
    json_set(j, "limit", q->limit ? cJSON_CreateNumber((double)q->limit) : cJSON_CreateNull());
    json_set_str(j, "metrics", q->metrics);
    json_set(j, "max_new_tokens", max_new ? cJSON_CreateNumber((double)max_new) : cJSON_CreateNull());
    for (json *one; (one = said->child);) json_set(j, one->string, cJSON_DetachItemViaPointer(said, one));
    json_free(said);
    if ((rc = describe_options(c, j))) {
        json_free(j);
        *asked = NULL;
    }
    return rc;
}

/* --- what came out */

static json *metrics_json(const harness_plan *plan, const harness_result *r)
{
    json *all = json_object();
    for (int k = 0; k < plan->metrics.n; k++) {
        const metric *m    = &plan->metrics.rows[k];
        json         *one  = json_object();
        str           sign = { 0 };
        metric_signature(m, r->n_refs, &sign);
        json_set_num(one, "value", r->value[k]);
        json_set_num(one, "stderr", r->error[k]);
        json_set_str(one, "better", m->higher ? "higher" : "lower");
        json_set_str(one, "signature", str_c(&sign));
        json_set(all, m->name, one);
        str_free(&sign);
    }
    return all;
}

static json *delta_json(const adapter_delta *d)
{
    json *j = json_object();
    json_set_int(j, "items", d->items);
    json_set_int(j, "rows", d->rows);
    json_set_num(j, "max_abs_logit", d->max_abs_logit);
    json_set_num(j, "mean_abs_logit", d->mean_abs_logit);
    json_set_int(j, "argmax_changed", d->argmax_changed);
    return j;
}

json *cell_result(const cell *c, const harness_plan *plan, const harness_result *r, double harness_s)
{
    json     *j = json_object();
    const lm *m = c->lm;
    json_set_int(j, "n", r->n);
    json_set(j, "metrics", metrics_json(plan, r));
    json_set_int(j, "trainable", m->trainable);
    json_set_int(j, "adapter_bytes", m->adapter_bytes);
    json_set_str(j, "prompt_sha256", r->prompt_sha256);
    if (m->probe) json_set(j, "adapter_delta", delta_json(&r->delta));
    if (m->account) m->account(m, j);
    json_set_str(j, "samples", "samples.jsonl");
    json_set_int(j, "tokens", r->prompt_tokens);
    json_set_int(j, "new_tokens", r->completion_tokens);
    json_set_int(j, "cut_items", r->cut_items);
    json_set_int(j, "cut_tokens", r->cut_tokens);
    json_set_num(j, "wall_s", clock_s() - c->started);
    json_set_num(j, "tokens_per_s", harness_s > 0 ? (double)r->tokens_now / harness_s : 0);
    json_set_int(j, "peak_bytes", mem_peak_bytes());
    if (m->be && m->be->peak_bytes) json_set_int(j, "device_peak_bytes", m->be->peak_bytes(m->be));
    return j;
}
