#include "eval/cell.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/error.h"
#include "core/file.h"
#include "core/machine.h"
#include "core/progress.h"
#include "core/record.h"
#include "eval/adapter_card.h"
#include "eval/harness.h"
#include "eval/lm_eval_log.h"
#include "eval/subset.h"

/* Everything a cell opens. */
typedef struct {
    const eval_request *q;
    const backend      *be;
    int                 threads;
    task               *task;
    dataset            *data;
    tokenizer          *tok;
    model              *model;
    adapter            *adapter;
    decoder            *dec;
    endpoint           *served; /* instead of model and dec */
    double              started;
} cell;

static void cell_close(cell *c)
{
    decoder_free(c->dec);
    adapter_free(c->adapter);
    model_close(c->model);
    tokenizer_close(c->tok);
    dataset_free(c->data);
    task_close(c->task);
    endpoint_close(c->served);
}

static int open_served(cell *c)
{
    endpoint_options o = c->q->http;
    o.url              = c->q->model;
    o.max_length       = c->q->max_length;
    c->threads         = 1;
    int rc             = c->q->tokenizer ? tokenizer_open(&c->tok, c->q->tokenizer) : OK;
    return rc ? rc : endpoint_open(&c->served, &o);
}

static int open_model(cell *c)
{
    const eval_request *q = c->q;
    c->be                 = backend_find("cpu");
    c->threads            = q->threads ? (int)q->threads : machine_cores();
    if (!c->be) return ERR_FAILED;
    c->be->set_threads(c->threads);
    int rc = task_needs_tokenizer(c->task) ? tokenizer_open(&c->tok, q->model) : OK;
    if (!rc) rc = model_open(&c->model, q->model, c->be, false);
    if (!rc && q->adapter) rc = adapter_open(&c->adapter, c->be, &c->model->cfg, q->adapter);
    if (rc) return rc;
    if (c->adapter) adapter_expand(c->adapter);
    c->dec = decoder_new(c->model);
    return OK;
}

static int cell_open(cell *c)
{
    const eval_request *q  = c->q;
    int                 rc = task_open(&c->task, q->task, q->prompt);
    if (!rc) rc = task_read(c->task, q->data, &c->data);
    if (!rc && !c->data->n) rc = input_error("%s: holds no items", q->data);
    if (rc) return rc;
    return is_endpoint_url(q->model) ? open_served(c) : open_model(c);
}

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

static int describe(const cell *c, int64_t max_new, json **asked)
{
    const eval_request *q    = c->q;
    str                 name = { 0 }, file = { 0 };
    json               *base = NULL, *adapted = NULL;
    *asked = NULL;
    int rc = c->served ? OK : q->adapter ? adapter_card_read(&adapted, q->adapter, c->adapter) : full_card_read(&base, &adapted, q->model);
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

/* --- the folder */

/* The first member in which two cells differ, as "limit": 10 there, 3 here. */
static void difference(const json *there, const json *here, str *out)
{
    str a = { 0 }, b = { 0 };
    for (const json *h = here->child; h && !out->n; h = h->next) {
        const json *t = json_find(there, h->string);
        if (t && cJSON_Compare(t, h, true)) continue;
        if (t) json_print(t, &a, false);
        json_print(h, &b, false);
        str_printf(out, "\"%s\" is %.120s there, %.120s here", h->string, t ? str_c(&a) : "absent", str_c(&b));
    }
    str_free(&a);
    str_free(&b);
}

/* OK with *record when the cell is finished there; OK without when it is to be run; an error when the folder is another's. */
static int look_at_folder(const char *out, const char *id, const json *asked, json **record)
{
    char *path = path_join(out, "record.json"), *samples = path_join(out, "samples.jsonl"), *log = path_join(out, "journal.jsonl"), other[17];
    int   rc = OK;
    *record  = NULL;
    if (file_exists(out) && !file_is_dir(out)) rc = input_error("%s: --out must be a folder", out);
    if (!rc && file_exists(path)) {
        rc = record_read(record, path);
        if (!rc && strcmp(json_find(*record, "id")->valuestring, id)) {
            const char *kind = json_find(*record, "kind")->valuestring;
            str         text = { 0 };
            if (strcmp(kind, "eval"))
                str_printf(&text, "a record of kind \"%s\"", kind);
            else
                difference(json_find(*record, "asked"), asked, &text);
            rc = input_error("%s: holds another finished cell: %s. Choose another --out, or remove the folder", out, str_c(&text));
            str_free(&text);
        }
    } else if (!rc && file_exists(samples) && !(journal_cell(log, other) && !strcmp(other, id))) {
        rc = input_error("%s: samples of an unknown run: choose another --out or remove the file", samples);
    }
    if (rc) {
        json_free(*record);
        *record = NULL;
    }
    free(path);
    free(samples);
    free(log);
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
    return j;
}

static json *result_json(const cell *c, const harness_result *r, const json *adapted, double harness_s)
{
    json *j = json_object();
    json_set_int(j, "n", r->n);
    json_set(j, "metrics", metrics_json(r));
    json_set_int(j, "trainable", c->adapter ? c->adapter->theta_count : adapted ? config_parameters(&c->model->cfg) : 0);
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
    return j;
}

static int write_samples(const harness_result *r, const char *out)
{
    str   text = { 0 };
    char *path = path_join(out, "samples.jsonl");
    for (int64_t i = 0; i < r->n; i++) {
        str_puts(&text, r->items.items[i].sample);
        str_putc(&text, '\n');
    }
    int rc = file_write_atomic(path, str_c(&text), text.n);
    str_free(&text);
    free(path);
    return rc;
}

/* Samples first, the record last: a folder with a record is finished. */
static int finish(const cell *c, const harness_result *r, json *asked, double harness_s, const char *log, json **record)
{
    const json *adapted = json_has(asked, "adapter") ? json_find(asked, "adapter") : NULL;
    json       *result  = result_json(c, r, adapted, harness_s);
    char       *path    = path_join(c->q->out, "record.json");
    int         rc      = write_samples(r, c->q->out);
    *record             = record_new("eval", asked, result, c->served ? "http" : c->be->name, c->threads);
    if (!rc) rc = record_write(*record, path);
    if (!rc) remove(log);
    free(path);
    return rc;
}

static harness cell_harness(const cell *c)
{
    const eval_request *q = c->q;
    return (harness) { .dec            = c->dec,
                       .served         = c->served,
                       .pairs          = c->adapter ? adapter_pairs(c->adapter) : NULL,
                       .adapter        = q->adapter,
                       .tok            = c->tok,
                       .task           = c->task,
                       .data           = c->data,
                       .where          = q->data,
                       .limit          = q->limit,
                       .shuffled       = q->shuffled,
                       .shuffle_seed   = q->shuffle_seed,
                       .shots          = { q->fewshot, q->fewshot_data, q->fewshot_seed, q->fewshot_draw && !strcmp(q->fewshot_draw, "first") },
                       .max_length     = q->max_length,
                       .batch          = q->batch,
                       .max_new_tokens = q->max_new_tokens,
                       .metrics        = q->metrics,
                       .allow_identity = q->allow_identity,
                       .quiet          = q->quiet };
}

static int run(const cell *c, harness *h, json *asked, const char *id, json **record)
{
    char          *log = path_join(c->q->out, "journal.jsonl");
    double         t   = clock_s();
    harness_result r   = { 0 };
    int            rc  = file_make_dirs(c->q->out);
    h->journal         = log;
    h->cell            = id;
    if (!rc) rc = harness_run(h, &r);
    if (rc)
        json_free(asked);
    else
        rc = finish(c, &r, asked, clock_s() - t, log, record);
    harness_result_free(&r);
    free(log);
    return rc;
}

/* From the folder of the finished cell, so that they can be had later too. */
static int write_lm_eval_logs(const cell *c, const json *record)
{
    const eval_request *q       = c->q;
    char               *samples = path_join(q->out, "samples.jsonl");
    lm_eval_run         run     = { .task      = c->task,
                                    .data      = c->data,
                                    .data_file = q->data,
                                    .record    = record,
                                    .samples   = samples,
                                    .model     = q->model,
                                    .adapter   = q->adapter,
                                    .cfg       = &c->model->cfg,
                                    .tok       = c->tok };
    int64_t            *chosen  = subset_choose(c->data->n, q->limit, q->shuffled, q->shuffle_seed, &run.n);
    run.chosen                  = chosen;
    int rc                      = lm_eval_log_write(&run, q->lm_eval_logs);
    free(chosen);
    free(samples);
    return rc;
}

/* Options that make sense only together. */
static int check_request(const eval_request *q)
{
    bool url = is_endpoint_url(q->model);
    if (url && q->adapter)
        return input_error("--adapter %s: the model at %s is served as it is; score its served adapter by --model-name", q->adapter, q->model);
    if (!url && (q->tokenizer || q->http.model || q->http.key_env || q->http.concurrency))
        return input_error("--tokenizer, --model-name, --api-key-env and --concurrency are for a served model: --model http://HOST[:PORT]/v1");
    if (q->shuffled && !q->limit) return input_error("--shuffle-seed draws the N items of --limit N: give --limit too");
    if (q->fewshot && !q->fewshot_data) return input_error("--fewshot %lld: give --fewshot-data FILE, the examples' file", (long long)q->fewshot);
    if (q->fewshot_data && !q->fewshot) return input_error("--fewshot-data %s: give --fewshot K, the number of examples", q->fewshot_data);
    if (q->fewshot_draw && strcmp(q->fewshot_draw, "random") && strcmp(q->fewshot_draw, "first"))
        return input_error("--fewshot-draw %s: must be random or first", q->fewshot_draw);
    return OK;
}

int eval_run(const eval_request *q, json **record)
{
    cell          c = { .q = q, .started = clock_s() };
    harness       h;
    metric_list   metrics;
    request_rules rules;
    json         *asked = NULL;
    char          id[17];
    *record = NULL;
    int rc  = check_request(q);
    if (!rc) rc = cell_open(&c);
    if (!rc) {
        h  = cell_harness(&c);
        rc = harness_plan(&h, c.served ? endpoint_max_length(c.served) : c.model->cfg.positions, &metrics, &rules);
    }
    if (!rc) rc = describe(&c, h.max_new_tokens = rules.max_new, &asked);
    if (!rc) {
        record_id(asked, id);
        rc = look_at_folder(q->out, id, asked, record);
    }
    if (!rc && !*record)
        rc = run(&c, &h, asked, id, record);
    else
        json_free(asked);
    if (!rc && q->lm_eval_logs) rc = write_lm_eval_logs(&c, *record);
    if (rc) {
        json_free(*record);
        *record = NULL;
    }
    cell_close(&c);
    return rc;
}
