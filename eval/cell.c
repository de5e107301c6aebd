#include "eval/cell_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/error.h"
#include "core/file.h"
#include "core/progress.h"
#include "core/record.h"
#include "eval/lm_eval/log.h"
#include "kernels/facts.h"

static void cell_close(cell *c)
{
    if (c->lm) c->lm->close(c->lm);
    dataset_free(c->data);
    task_close(c->task);
}

static int cell_open(cell *c)
{
    const eval_request *q  = c->q;
    int                 rc = task_open(&c->task, q->task, q->prompt);
    if (!rc) rc = task_read(c->task, q->data, &c->data);
    if (!rc && !c->data->n) rc = input_error("%s: holds no items", q->data);
    return rc ? rc : open_model(&c->lm, q, task_needs_tokenizer(c->task));
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
static int finish(const cell *c, const harness_result *r, json *asked, json *result, const char *log, json **record)
{
    char *path = path_join(c->q->out, "record.json");
    int   rc   = write_samples(r, c->q->out);
    *record    = record_new("eval", asked, result, c->lm->device, c->lm->threads);
    if (c->lm->be) backend_sign(c->lm->be, *record);
    if (!rc) rc = record_write(*record, path);
    if (!rc) remove(log);
    free(path);
    return rc;
}

static harness cell_harness(const cell *c)
{
    const eval_request *q = c->q;
    return (harness) { .lm             = c->lm,
                       .task           = c->task,
                       .data           = c->data,
                       .where          = q->data,
                       .limit          = q->limit,
                       .shuffled       = q->shuffled,
                       .shuffle_seed   = q->shuffle_seed,
                       .shots          = { q->fewshot, q->fewshot_data, q->fewshot_seed,
                                           q->fewshot_draw && !strcmp(q->fewshot_draw, "first") },
                       .batch          = q->batch,
                       .max_new_tokens = q->max_new_tokens,
                       .metrics        = q->metrics,
                       .allow_identity = q->allow_identity,
                       .quiet          = q->quiet };
}

static int run(const cell *c, harness *h, const harness_plan *plan, json *asked, const char *id, json **record)
{
    char          *log = path_join(c->q->out, "journal.jsonl");
    double         t   = clock_s();
    harness_result r   = { 0 };
    int            rc  = file_make_dirs(c->q->out);
    h->journal         = log;
    h->cell            = id;
    if (!rc) rc = harness_run(h, plan, &r);
    if (rc)
        json_free(asked);
    else
        rc = finish(c, &r, asked, cell_result(c, plan, &r, clock_s() - t), log, record);
    harness_result_free(&r);
    free(log);
    return rc;
}

/* From the folder of the finished cell, so that they can be had later too. */
static int write_lm_eval_logs(const cell *c, const harness_plan *plan, const json *record)
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
                                    .cfg       = c->lm->cfg,
                                    .tok       = c->lm->tok,
                                    .chosen    = plan->chosen,
                                    .n         = plan->n };
    int                 rc      = lm_eval_log_write(&run, q->lm_eval_logs);
    free(samples);
    return rc;
}

/* Options that make sense only together. */
static int check_request(const eval_request *q)
{
    int rc = check_model_options(q);
    if (rc) return rc;
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
    cell         c    = { .q = q, .started = clock_s() };
    harness_plan plan = { 0 };
    harness      h;
    json        *asked = NULL;
    char         id[17];
    *record = NULL;
    int rc  = check_request(q);
    if (!rc) rc = cell_open(&c);
    if (!rc) {
        h  = cell_harness(&c);
        rc = harness_make_plan(&h, &plan);
    }
    if (!rc) rc = cell_asked(&c, plan.rules.max_new, &asked);
    if (!rc) {
        record_id(asked, id);
        rc = look_at_folder(q->out, id, asked, record);
    }
    if (!rc && !*record)
        rc = run(&c, &h, &plan, asked, id, record);
    else
        json_free(asked);
    if (!rc && q->lm_eval_logs) rc = write_lm_eval_logs(&c, &plan, *record);
    if (rc) {
        json_free(*record);
        *record = NULL;
    }
    harness_plan_free(&plan);
    cell_close(&c);
    return rc;
}
