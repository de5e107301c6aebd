#include "train/run.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/progress.h"
#include "core/record.h"
#include "kernels/facts.h"
#include "train/cell.h"
#include "train/checkpoint.h"
#include "train/folder.h"
#include "train/order.h"

enum { VALID_TOKENS = 2048 }; /* tokens of one forward of the held-out set */

/* What a run remembers from step to step, and over a kill. */
typedef struct {
    double  loss_first, loss_last;
    int64_t tokens;          /* trained on so far */
    double  train_s, wall_s; /* in steps; in all, validation and checkpoints included */
    json   *valid;           /* [[step, loss], ...]; NULL without a held-out set */
    int64_t valid_tokens;
    int64_t log_bytes; /* of train_log.jsonl at the last checkpoint */
} progress_state;

typedef struct {
    setup                 s;
    trainer              *trainer;
    example_order         order;
    const train_example **items; /* [per_step] */
    json                 *asked;
    char                  id[17];
    progress_state        state;
    FILE                 *log;
    char                 *log_path, *checkpoint_path;
    int                   lock; /* -1: not held */
    /* clock at the start of this process's run, at the last checkpoint */
    double   started, saved;
    progress bar;
} run;

/* --- the log: one line a step, nothing in it that differs between two runs of a cell */

static int open_log(run *r)
{
    struct stat info;
    bool        there = !stat(r->log_path, &info);
    if (r->state.log_bytes > (there ? (int64_t)info.st_size : 0))
        return input_error(
            "%s: shorter than the checkpoint beside it says (%lld bytes): remove the folder and train again",
            r->log_path, (long long)r->state.log_bytes);
    if (there && truncate(r->log_path, (off_t)r->state.log_bytes))
        return run_error("%s: cannot be cut: %s", r->log_path, strerror(errno));
    r->log = fopen(r->log_path, "ab");
    return r->log ? OK : run_error("%s: cannot be written: %s", r->log_path, strerror(errno));
}

static int log_step(run *r, const step_result *x, double lr, const double *valid_loss)
{
    fprintf(r->log, "{\"step\":%lld,\"loss\":%.15g,\"lr\":%.15g,\"grad_norm\":%.15g,\"tokens\":%lld,\"scored\":%lld",
            (long long)r->trainer->step, x->loss, lr, x->grad_norm, (long long)x->tokens, (long long)x->scored);
    if (r->trainer->allocator)
        fprintf(r->log, ",\"orth\":%.15g,\"budget\":%lld", x->orth,
                (long long)adalora_budget(r->trainer->allocator, r->trainer->step));
    if (valid_loss) fprintf(r->log, ",\"valid_loss\":%.15g", *valid_loss);
    fputs("}\n", r->log);
    return fflush(r->log) ? run_error("%s: cannot be written: %s", r->log_path, strerror(errno)) : OK;
}

/* --- checkpoints */

static json *state_json(const run *r)
{
    const progress_state *p = &r->state;
    json                 *j = json_object();
    json_set_str(j, "cell", r->id);
    json_set_num(j, "loss_first", p->loss_first);
    json_set_num(j, "loss_last", p->loss_last);
    json_set_int(j, "tokens", p->tokens);
    json_set_num(j, "train_s", p->train_s);
    json_set_num(j, "wall_s", p->wall_s + clock_s() - r->started);
    json_set(j, "valid", p->valid ? cJSON_Duplicate(p->valid, true) : cJSON_CreateNull());
    json_set_int(j, "valid_tokens", p->valid_tokens);
    json_set_int(j, "log_bytes", p->log_bytes);
    return j;
}

static int save_checkpoint(run *r)
{
    if (fsync(fileno(r->log))) return run_error("%s: fsync failed: %s", r->log_path, strerror(errno));
    struct stat info;
    if (fstat(fileno(r->log), &info)) return run_error("%s: %s", r->log_path, strerror(errno));
    r->state.log_bytes = info.st_size;
    json *j            = state_json(r);
    int   rc           = checkpoint_write(r->trainer, j, r->checkpoint_path);
    json_free(j);
    r->saved = clock_s();
    return rc;
}

static int read_state(run *r, const json *j)
{
    const char     *path = r->checkpoint_path, *cell;
    progress_state *p    = &r->state;
    int             rc   = json_get_str(j, path, "cell", &cell);
    if (!rc && strcmp(cell, r->id))
        rc = input_error("%s: belongs to cell %s, not %s: remove the folder and train again", path, cell, r->id);
    if (!rc) rc = json_get_num(j, path, "loss_first", -INFINITY, INFINITY, &p->loss_first);
    if (!rc) rc = json_get_num(j, path, "loss_last", -INFINITY, INFINITY, &p->loss_last);
    if (!rc) rc = json_get_int(j, path, "tokens", 0, INT64_MAX / 2, &p->tokens);
    if (!rc) rc = json_get_num(j, path, "train_s", 0, INFINITY, &p->train_s);
    if (!rc) rc = json_get_num(j, path, "wall_s", 0, INFINITY, &p->wall_s);
    if (!rc) rc = json_get_int(j, path, "valid_tokens", 0, INT64_MAX / 2, &p->valid_tokens);
    if (!rc) rc = json_get_int(j, path, "log_bytes", 0, INT64_MAX / 2, &p->log_bytes);
    if (!rc && json_has(j, "valid")) p->valid = cJSON_Duplicate(json_find(j, "valid"), true);
    return rc;
}

static int load_checkpoint(run *r)
{
    json *j;
    int   rc = checkpoint_read(r->trainer, &j, r->checkpoint_path);
    if (rc) return rc;
    rc = read_state(r, j);
    json_free(j);
    if (!rc && !r->s.q->quiet)
        fprintf(stderr, "train: %s: going on after step %lld of %lld\n", r->s.q->out, (long long)r->trainer->step,
                (long long)r->s.steps);
    return rc;
}

/* --- the held-out set */

static int measure_valid(run *r, double *loss)
{
    if (!r->state.valid) r->state.valid = json_array();
    int rc = trainer_loss(r->trainer, r->s.valid.items, r->s.valid.n, VALID_TOKENS, loss, &r->state.valid_tokens);
    if (rc) return error_context(rc, "%s: after step %lld", r->s.q->valid, (long long)r->trainer->step);
    json *point = json_array();
    json_push(point, cJSON_CreateNumber((double)r->trainer->step));
    json_push(point, cJSON_CreateNumber(*loss));
    json_push(r->state.valid, point);
    return OK;
}

static bool valid_due(const run *r)
{
    const train_request *q    = r->s.q;
    int64_t              step = r->trainer->step;
    return q->valid && (step == r->s.steps || (q->valid_every && step % q->valid_every == 0));
}

/* --- steps */

static int64_t pick_items(run *r)
{
    int64_t from = r->trainer->step * r->s.per_step, to = from + r->s.per_step;
    if (to > r->s.items_end) to = r->s.items_end;
    for (int64_t k = from; k < to; k++) r->items[k - from] = &r->s.data.items[example_order_at(&r->order, k)];
    return to - from;
}

static int one_step(run *r)
{
    const train_request *q = r->s.q;
    step_result          x;
    double lr = schedule_lr(r->s.schedule, q->lr, r->trainer->step + 1, q->warmup, r->s.steps), start = clock_s(),
           valid_loss;
    int rc = trainer_step(r->trainer, r->items, pick_items(r), q->batch, lr, &x);
    if (rc) return rc;
    r->state.train_s += clock_s() - start;
    r->state.tokens += x.tokens;
    r->state.loss_last = x.loss;
    if (r->trainer->step == 1) r->state.loss_first = x.loss;
    bool valid = valid_due(r);
    if (valid) rc = measure_valid(r, &valid_loss);
    if (!rc) rc = log_step(r, &x, lr, valid ? &valid_loss : NULL);
    char note[64];
    snprintf(note, sizeof note, "loss %.4f", x.loss);
    progress_update(&r->bar, r->trainer->step, note);
    return rc;
}

static int all_steps(run *r)
{
    const train_request *q  = r->s.q;
    int                  rc = OK;
    double               loss;
    r->bar = progress_start("train", r->s.steps, "step", q->quiet);
    progress_update(&r->bar, r->trainer->step, NULL);
    if (q->valid && !r->state.valid) rc = measure_valid(r, &loss);
    int64_t here = 0;
    while (!rc && r->trainer->step < r->s.steps) {
        rc = one_step(r);
        if (!rc && r->trainer->step < r->s.steps && clock_s() - r->saved >= q->checkpoint_s) rc = save_checkpoint(r);
        if (!rc && ++here == q->stop_after && r->trainer->step < r->s.steps)
            rc = run_error("stopped after %lld steps as asked; the same command goes on", (long long)here);
    }
    progress_end(&r->bar);
    return rc;
}

/* --- what comes out */

static int64_t file_bytes(const char *dir, const char *name)
{
    struct stat info;
    char       *path  = path_join(dir, name);
    int64_t     bytes = stat(path, &info) ? 0 : (int64_t)info.st_size;
    free(path);
    return bytes;
}

/* tiebreak.json beside a model's files: whose weights these are. */
static int write_full_card(const run *r)
{
    json *card = json_object();
    str   text = { 0 };
    char *path = path_join(r->s.q->out, "tiebreak.json");
    json_set(card, "base", cJSON_Duplicate(json_find(r->asked, "base"), true));
    json_set(card, "adapter", cJSON_Duplicate(json_find(r->asked, "adapter"), true));
    json_print(card, &text, true);
    int rc = file_write_atomic(path, text.s, text.n);
    json_free(card);
    str_free(&text);
    free(path);
    return rc;
}

/* AdaLoRA's settings under PEFT's names, for adapter_config.json. */
static json *allocator_json(const adalora_options *o)
{
    json *j = json_object();
    json_set_int(j, "target_r", o->target_rank);
    json_set_int(j, "tinit", o->tinit);
    json_set_int(j, "tfinal", o->tfinal);
    json_set_int(j, "deltaT", o->delta_t);
    json_set_num(j, "beta1", o->beta1);
    json_set_num(j, "beta2", o->beta2);
    json_set_num(j, "orth_reg_weight", o->orth);
    json_set_int(j, "total_step", o->total);
    return j;
}

/* What adapter_config.json says of the training, under "tiebreak". */
static json *training_card(const run *r)
{
    static const char *const keys[] = { "steps", "lr", "batch", "train" };
    const json              *a      = json_find(r->asked, "adapter");
    json                    *j      = json_object();
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        json_set(j, keys[i], cJSON_Duplicate(json_find(a, keys[i]), true));
    if (r->trainer->allocator) json_set(j, "allocator", allocator_json(&r->trainer->allocator->options));
    return j;
}

/* The final mask as adapter.kept wants it, [n_jobs * rank]; NULL without an allocator. */
static bool *final_mask(const run *r)
{
    const adalora *alloc = r->trainer->allocator;
    if (!alloc) return NULL;
    int64_t              rank    = r->s.adapter->spec.rank;
    bool                *mask    = mem_alloc((size_t)(alloc->n_modules * rank), sizeof *mask);
    const unsigned char *triplet = alloc->kept;
    for (int64_t m = 0; m < alloc->n_modules; m++)
        for (int64_t i = 0; i < alloc->modules[m].rank; i++) mask[m * rank + i] = *triplet++;
    return mask;
}

static int save_weights(const run *r)
{
    const setup *s = &r->s;
    if (s->full) {
        int rc = model_save(s->model, s->q->out, s->q->model);
        return rc ? rc : write_full_card(r);
    }
    json *card       = training_card(r);
    bool *mask       = final_mask(r);
    s->adapter->kept = mask;
    int rc = adapter_save(s->adapter, s->q->out, json_find(json_find(r->asked, "base"), "name")->valuestring, card);
    s->adapter->kept = NULL;
    free(mask);
    json_free(card);
    return rc;
}

static json *valid_json(const run *r)
{
    const json *curve = r->state.valid;
    if (!curve) return cJSON_CreateNull();
    const json *first = cJSON_GetArrayItem(curve, 0), *last = cJSON_GetArrayItem(curve, cJSON_GetArraySize(curve) - 1);
    json       *j = json_object();
    json_set_int(j, "items", r->s.valid.n);
    json_set_int(j, "tokens", r->state.valid_tokens);
    json_set_num(j, "loss_first", cJSON_GetArrayItem(first, 1)->valuedouble);
    json_set_num(j, "loss_last", cJSON_GetArrayItem(last, 1)->valuedouble);
    json_set(j, "curve", cJSON_Duplicate(curve, true));
    return j;
}

static json *result_json(const run *r)
{
    const setup          *s = &r->s;
    const progress_state *p = &r->state;
    const adalora        *a = r->trainer->allocator;
    json                 *j = json_object();
    json_set_int(j, "steps", s->steps);
    json_set_num(j, "loss_first", p->loss_first);
    json_set_num(j, "loss_last", p->loss_last);
    json_set_int(j, "trainable", s->full ? config_parameters(&s->model->cfg) : s->adapter->theta_count);
    json_set_int(j, "adapter_bytes",
                 file_bytes(s->q->out, s->full ? "model.safetensors" : "adapter_model.safetensors"));
    json_set_num(j, "wall_s", p->wall_s + clock_s() - r->started);
    json_set_num(j, "tokens_per_s", p->train_s > 0 ? (double)p->tokens / p->train_s : 0);
    json_set_int(j, "peak_bytes", mem_peak_bytes());
    if (s->be->peak_bytes) json_set_int(j, "device_peak_bytes", s->be->peak_bytes(s->be));
    json_set(j, "valid", valid_json(r));
    json_set_int(j, "items", s->data.n);
    json_set_int(j, "too_long", s->data.too_long);
    json_set_int(j, "unscored", s->data.unscored);
    json_set_int(j, "tokens", p->tokens);
    if (a) {
        int64_t kept = 0;
        for (int64_t m = 0; m < a->n_modules; m++) kept += adalora_kept(a, m);
        json_set_int(j, "ranks_kept", kept);
    }
    return j;
}

static int finish(run *r, json **record)
{
    int rc = save_weights(r);
    if (rc) return rc;
    *record = record_new("train", cJSON_Duplicate(r->asked, true), result_json(r), r->s.be->params->name, r->s.threads);
    backend_sign(r->s.be, *record);
    rc = folder_finish(r->s.q->out, *record);
    if (rc) {
        json_free(*record);
        *record = NULL;
    }
    return rc;
}

/* --- a run from its first look at the folder to its record */

static void say_what_is_left_out(const setup *s)
{
    const struct {
        const examples *x;
        const char     *path;
    } files[] = { { &s->data, s->q->data }, { &s->valid, s->q->valid } };
    for (int i = 0; i < 2; i++) {
        const examples *x = files[i].x;
        if (x->too_long)
            warn("%s: %lld of %lld items are longer than %lld tokens and left out (the longest: %lld)", files[i].path,
                 (long long)x->too_long, (long long)(x->n + x->too_long), (long long)s->max_length,
                 (long long)x->longest);
        if (x->unscored)
            warn("%s: %lld items have no scored token and teach nothing", files[i].path, (long long)x->unscored);
    }
}

static int train(run *r, folder_state state, json **record)
{
    setup *s = &r->s;
    say_what_is_left_out(s);
    int rc = trainer_new(&r->trainer, s->model, s->adapter, s->options);
    if (rc) return rc;
    example_order_init(&r->order, s->data.n, (uint64_t)s->q->seed, !s->q->no_shuffle);
    r->items = mem_alloc((size_t)s->per_step, sizeof *r->items);
    if (state == FOLDER_NEW) rc = folder_begin(s->q->out, r->asked);
    if (!rc) rc = folder_lock(&r->lock, s->q->out);
    if (!rc && file_exists(r->checkpoint_path)) rc = load_checkpoint(r);
    if (!rc) rc = open_log(r);
    r->saved = clock_s();
    if (!rc) rc = all_steps(r);
    if (r->log && fclose(r->log) && !rc) rc = run_error("%s: cannot be written: %s", r->log_path, strerror(errno));
    return rc ? rc : finish(r, record);
}

int train_run(const train_request *q, json **record)
{
    run          r = { .started         = clock_s(),
                       .lock            = -1,
                       .log_path        = path_join(q->out, "train_log.jsonl"),
                       .checkpoint_path = path_join(q->out, "checkpoint.safetensors") };
    folder_state state;
    *record = NULL;
    int rc  = setup_open(&r.s, q);
    if (!rc) rc = cell_describe(&r.asked, &r.s);
    if (!rc) {
        record_id(r.asked, r.id);
        rc = folder_look(&state, record, q->out, r.asked);
    }
    if (!rc && state == FOLDER_FINISHED) {
        if (!q->quiet) fprintf(stderr, "train: %s: this cell is finished; left as it is\n", q->out);
    } else if (!rc) {
        rc = train(&r, state, record);
    }
    json_free(r.state.valid);
    json_free(r.asked);
    example_order_free(&r.order);
    free(r.items);
    trainer_free(r.trainer);
    setup_close(&r.s);
    if (r.lock >= 0) close(r.lock);
    free(r.log_path);
    free(r.checkpoint_path);
    return rc;
}
