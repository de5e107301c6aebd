#include "eval/cell_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/error.h"
#include "core/file.h"
#include "core/machine.h"
#include "core/progress.h"
#include "core/record.h"
#include "eval/lm_eval/log.h"
#include "tasks/subset.h"
#include "kernels/facts.h"

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
    c->be                 = backend_for(q->device, q->dtype);
    c->threads            = q->threads ? (int)q->threads : machine_cores();
    if (!c->be) return ERR_INPUT;
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

/* --- the folder */

/* The first member in which two cells differ, as "limit": 10 there, 3 here. */
static void difference(const json *there, const json *here, str *out)
{
    const json *sides[] = { here, there };
    str         a = { 0 }, b = { 0 };
    for (int side = 0; side < 2 && !out->n; side++) {
        for (const json *j = sides[side]->child; j && !out->n; j = j->next) {
            const json *t = json_find(there, j->string), *h = json_find(here, j->string);
            if (t && h && cJSON_Compare(t, h, true)) continue;
            if (t) json_print(t, &a, false);
            if (h) json_print(h, &b, false);
            str_printf(out, "\"%s\" is %.120s there, %.120s here", j->string, t ? str_c(&a) : "absent",
                       h ? str_c(&b) : "absent");
        }
    }
    str_free(&a);
    str_free(&b);
}

/* OK with *record when the cell is finished there; OK without when it is to be run; an error
 * when the folder is another's. */
static int look_at_folder(const char *out, const char *id, const json *asked, json **record)
{
    char *path = path_join(out, "record.json"), *samples = path_join(out, "samples.jsonl"),
         *log = path_join(out, "journal.jsonl"), other[17];
    int rc    = OK;
    *record   = NULL;
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
            rc = input_error("%s: holds another finished cell: %s. Choose another --out, or remove the folder", out,
                             str_c(&text));
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

/* --- running */

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
    json       *result  = cell_result(c, r, adapted, harness_s);
    char       *path    = path_join(c->q->out, "record.json");
    int         rc      = write_samples(r, c->q->out);
    *record             = record_new("eval", asked, result, c->served ? "http" : c->be->params->name, c->threads);
    if (!c->served) backend_sign(c->be, *record);
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
                       .shots          = { q->fewshot, q->fewshot_data, q->fewshot_seed,
                                           q->fewshot_draw && !strcmp(q->fewshot_draw, "first") },
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
                                    .cfg       = c->model ? &c->model->cfg : NULL,
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
        return input_error("--adapter %s: the model at %s is served as it is; score its served adapter by --model-name",
                           q->adapter, q->model);
    if (url && (q->dtype || (q->device && strcmp(q->device, "cpu") != 0)))
        return input_error(
            "--device and --dtype are for a model that runs here; where the one at %s runs, its server decides",
            q->model);
    if (!url && (q->tokenizer || q->http.gen_kwargs || q->http.model || q->http.key_env || q->http.concurrency))
        return input_error(
            "--tokenizer, --model-name, --gen-kwargs, --api-key-env and --concurrency are for a served model: --model http://HOST[:PORT]/v1");
    if (q->shuffled && !q->limit) return input_error("--shuffle-seed draws the N items of --limit N: give --limit too");
    if (q->fewshot && !q->fewshot_data)
        return input_error("--fewshot %lld: give --fewshot-data FILE, the examples' file", (long long)q->fewshot);
    if (q->fewshot_data && !q->fewshot)
        return input_error("--fewshot-data %s: give --fewshot K, the number of examples", q->fewshot_data);
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
    if (!rc) rc = cell_asked(&c, h.max_new_tokens = rules.max_new, &asked);
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
