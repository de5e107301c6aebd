/* The record of a cell: what was asked, by which it is known, and what came out. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/progress.h"
#include "adapters/card.h"
#include "eval/cell_private.h"

/* --- what was asked */

static json *named_hash(const char *name, const char *sha256)
{
    json *j = json_object();
    json_set_str(j, "name", name);
    json_set_str(j, "sha256", sha256);
    return j;
}

/* The last part of a path, whatever slashes end it. */
static void set_base_name(str *out, const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    char *own = mem_strndup(path, n);
    str_puts(out, path_base(own));
    free(own);
}

/* What is known of a served model: no weights, so no hash of them. */
static json *served_base(const endpoint *e)
{
    json *j = named_hash(endpoint_model(e), NULL);
    json_set_str(j, "url", endpoint_url(e));
    return j;
}

/* Options that are not in use leave no trace. */
static int describe_options(const cell *c, json *asked)
{
    const eval_request *q      = c->q;
    int64_t             length = c->served ? endpoint_max_length(c->served) : q->max_length;
    if (length) json_set_int(asked, "max_length", length);
    /* other devices add in another order: another cell */
    if (c->be && c->be->facts) json_set_str(asked, "device", c->be->params->name);
    if (c->be && c->be->params != c->be) json_set_str(asked, "dtype", c->be->dtype);
    if (c->served && *endpoint_gen_kwargs(c->served)) json_set_str(asked, "gen_kwargs", q->http.gen_kwargs);
    if (c->served && c->tok) {
        str tok = { 0 };
        set_base_name(&tok, q->tokenizer);
        json_set(asked, "tokenizer", named_hash(str_c(&tok), tokenizer_hash(c->tok)));
        str_free(&tok);
    }
    if (q->shuffled) json_set_int(asked, "shuffle_seed", q->shuffle_seed);
    if (!q->fewshot) return OK;
    char  sha256[65];
    str   file  = { 0 };
    json *shots = json_object();
    int   rc    = sha256_file(q->fewshot_data, sha256);
    set_base_name(&file, q->fewshot_data);
    json_set_int(shots, "k", q->fewshot);
    json_set_str(shots, "draw", q->fewshot_draw ? q->fewshot_draw : "random");
    json_set_int(shots, "seed", q->fewshot_seed);
    json_set(shots, "data", named_hash(str_c(&file), rc ? NULL : sha256));
    json_set(asked, "fewshot", shots);
    str_free(&file);
    return rc;
}

int cell_asked(const cell *c, int64_t max_new, json **asked)
{
    const eval_request *q    = c->q;
    str                 name = { 0 }, file = { 0 };
    json               *base = NULL, *adapted = NULL;
    *asked = NULL;
    int rc = c->served    ? OK
             : q->adapter ? adapter_card_read(&adapted, q->adapter, c->adapter)
                          : full_card_read(&base, &adapted, q->model);
    if (rc) return rc;
    if (c->served) base = served_base(c->served);
    if (base && adapted) json_set_str(adapted, "sha256", model_hash(c->model));
    set_base_name(&name, q->model);
    set_base_name(&file, q->data);
    json *j = *asked = json_object();
    json_set(j, "base", base ? base : named_hash(str_c(&name), model_hash(c->model)));
    json_set_str(j, "task", task_name(c->task));
    json_set_int(j, "task_version", task_version(c->task));
    json_set_str(j, "prompt", task_prompt(c->task));
    json_set(j, "data", named_hash(str_c(&file), c->data->sha256));
    json_set(j, "limit", q->limit ? cJSON_CreateNumber((double)q->limit) : cJSON_CreateNull());
    json_set_str(j, "metrics", q->metrics);
    json_set(j, "max_new_tokens", max_new ? cJSON_CreateNumber((double)max_new) : cJSON_CreateNull());
    json_set(j, "adapter", adapted ? adapted : cJSON_CreateNull());
    str_free(&name);
    str_free(&file);
    if ((rc = describe_options(c, j))) {
        json_free(j);
        *asked = NULL;
    }
    return rc;
}

/* --- what came out */

static json *metrics_json(const harness_result *r)
{
    json *all = json_object();
    for (int k = 0; k < r->metrics.n; k++) {
        const metric *m    = &r->metrics.rows[k];
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

/* What it took to get the answers, in this run. */
static json *http_json(const endpoint *e)
{
    json       *j = json_object();
    http_counts n = endpoint_counted(e);
    json_set_int(j, "concurrency", endpoint_concurrency(e));
    json_set_int(j, "requests", n.requests);
    json_set_int(j, "retries", n.retries);
    if (endpoint_other_tokens(e) >= 0) json_set_int(j, "other_than_greedy", endpoint_other_tokens(e));
    return j;
}

json *cell_result(const cell *c, const harness_result *r, const json *adapted, double harness_s)
{
    json *j = json_object();
    json_set_int(j, "n", r->n);
    json_set(j, "metrics", metrics_json(r));
    json_set_int(j, "trainable",
                 c->adapter ? c->adapter->theta_count
                 : adapted  ? config_parameters(&c->model->cfg)
                            : 0);
    json_set_int(j, "adapter_bytes", weights_bytes(c->q->adapter ? c->q->adapter : adapted ? c->q->model : NULL));
    json_set_str(j, "prompt_sha256", r->prompt_sha256);
    if (c->adapter) json_set(j, "adapter_delta", delta_json(&r->delta));
    if (c->served) json_set(j, "http", http_json(c->served));
    json_set_str(j, "samples", "samples.jsonl");
    json_set_int(j, "tokens", r->seen);
    json_set_int(j, "new_tokens", r->made);
    json_set_int(j, "cut_items", r->cut_items);
    json_set_int(j, "cut_tokens", r->cut_tokens);
    json_set_num(j, "wall_s", clock_s() - c->started);
    json_set_num(j, "tokens_per_s", harness_s > 0 ? (double)r->work / harness_s : 0);
    json_set_int(j, "peak_bytes", mem_peak_bytes());
    if (!c->served && c->be->peak_bytes) json_set_int(j, "device_peak_bytes", c->be->peak_bytes());
    return j;
}
