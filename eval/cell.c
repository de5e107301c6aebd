#include "eval/cell_private.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/progress.h"
#include "eval/lm_eval/log.h"
#include "kernels/facts.h"

static void close_all(evaluation *e)
{
    cell_close(&e->cell);
    if (e->lm) e->lm->close(e->lm);
    dataset_free(e->data);
    task_close(e->task);
}

static int open_all(evaluation *e)
{
    const eval_request *q  = e->q;
    int                 rc = task_open(&e->task, q->task, q->prompt);
    if (!rc) rc = task_read(e->task, q->data, &e->data);
    if (!rc && !e->data->n) rc = input_error("%s: holds no items", q->data);
    return rc ? rc : open_model(&e->lm, q, task_needs_tokenizer(e->task));
}

/* --- running */

static int write_samples(const harness_result *r, const char *out)
{
    str text = { 0 };
    for (int64_t i = 0; i < r->n; i++) {
        str_puts(&text, r->items.items[i].sample);
        str_putc(&text, '\n');
    }
    int rc = file_write_in(out, "samples.jsonl", &text);
    str_free(&text);
    return rc;
}

/* Samples first, the record last: a folder with a record is finished. */
static int finish(evaluation *e, const harness_plan *plan, const harness_result *r, double harness_s)
{
    const lm *m  = e->lm;
    int       rc = write_samples(r, e->q->out);
    if (rc) return rc;
    return cell_finish(&e->cell, eval_result(e, plan, r, harness_s), m->device, m->threads, backend_facts(m->be));
}

static harness harness_of(const evaluation *e)
{
    const eval_request *q = e->q;
    return (harness) { .lm             = e->lm,
                       .task           = e->task,
                       .data           = e->data,
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

static int run(evaluation *e, harness *h, const harness_plan *plan)
{
    char          *log = path_join(e->q->out, "journal.jsonl");
    double         t   = clock_s();
    harness_result r   = { 0 };
    int            rc  = cell_begin(&e->cell);
    h->journal         = log;
    h->cell            = e->cell.id;
    if (!rc) rc = harness_run(h, plan, &r);
    if (!rc) rc = finish(e, plan, &r, clock_s() - t);
    harness_result_free(&r);
    free(log);
    return rc;
}

/* The logs are made from the folder of the finished cell, so that they can be had later too. */
static int write_lm_eval_logs(const evaluation *e, const harness_plan *plan)
{
    const eval_request *q       = e->q;
    char               *samples = path_join(q->out, "samples.jsonl");
    lm_eval_run         run     = { .task      = e->task,
                                    .data      = e->data,
                                    .data_file = q->data,
                                    .record    = e->cell.record,
                                    .samples   = samples,
                                    .model     = q->model,
                                    .adapter   = q->adapter,
                                    .cfg       = e->lm->cfg,
                                    .tok       = e->lm->tok,
                                    .chosen    = plan->chosen,
                                    .n         = plan->n };
    int                 rc      = lm_eval_log_write(&run, q->lm_eval_logs);
    free(samples);
    return rc;
}

/* Refuses options that make sense only together. */
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
    evaluation   e    = { .q = q, .started = clock_s() };
    harness_plan plan = { 0 };
    harness      h;
    json        *asked = NULL;
    int          rc    = check_request(q);
    if (!rc) rc = open_all(&e);
    if (!rc) {
        h  = harness_of(&e);
        rc = harness_make_plan(&h, &plan);
    }
    if (!rc) rc = eval_asked(&e, plan.rules.max_new, &asked);
    if (!rc) rc = cell_look(&e.cell, RECORD_EVAL, q->out, asked);
    if (!rc && e.cell.state != CELL_FINISHED) rc = run(&e, &h, &plan);
    if (!rc && q->lm_eval_logs) rc = write_lm_eval_logs(&e, &plan);
    *record = rc ? NULL : cell_take_record(&e.cell);
    harness_plan_free(&plan);
    close_all(&e);
    return rc;
}
