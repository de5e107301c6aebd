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
#include "core/cell.h"
#include "kernels/facts.h"
#include "adapters/card.h"
#include "train/cell.h"
#include "train/checkpoint.h"
#include "train/order.h"

enum { VALID_TOKENS = 2048 }; /* tokens of one forward of the held-out set */

/* What a run remembers from step to step, also when it is killed between them. */
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
    cell                  cell;
    progress_state        state;
    FILE                 *log;
    char                 *log_path, *checkpoint_path;
    /* clock at the start of this process's run, at the last checkpoint */
    double   started, saved;
    progress bar;
} run;

/* --- the log: a line for each step, the same in every run of a cell */

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
    json_set_str(j, "cell", r->cell.id);
    json_set_num(j, "loss_first", p->loss_first);
    json_set_num(j, "loss_last", p->loss_last);
    json_set_int(j, "tokens", p->tokens);
    json_set_num(j, "train_s", p->train_s);
    json_set_num(j, "wall_s", p->wall_s + clock_s() - r->started);
    json_set(j, "valid", json_copy(p->valid));
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
    const char     *path = r->checkpoint_path, *id;
    progress_state *p    = &r->state;
    int             rc   = json_get_str(j, path, "cell", &id);
    if (!rc && strcmp(id, r->cell.id))
        rc = input_error("%s: belongs to cell %s, not %s: remove the folder and train again", path, id, r->cell.id);
    if (!rc) rc = json_get_num(j, path, "loss_first", -INFINITY, INFINITY, &p->loss_first);
    if (!rc) rc = json_get_num(j, path, "loss_last", -INFINITY, INFINITY, &p->loss_last);
    if (!rc) rc = json_get_int(j, path, "tokens", 0, INT64_MAX / 2, &p->tokens);
    if (!rc) rc = json_get_num(j, path, "train_s", 0, INFINITY, &p->train_s);
    if (!rc) rc = json_get_num(j, path, "wall_s", 0, INFINITY, &p->wall_s);
    if (!rc) rc = json_get_int(j, path, "valid_tokens", 0, INT64_MAX / 2, &p->valid_tokens);
    if (!rc) rc = json_get_int(j, path, "log_bytes", 0, INT64_MAX / 2, &p->log_bytes);
    if (!rc && json_has(j, "valid")) p->valid = json_copy(json_find(j, "valid"));
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
    json_push(r->state.valid, json_list(json_of_number((double)r->trainer->step), json_of_number(*loss), NULL));
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

/* AdaLoRA's settings under PEFT's names, for adapter_config.json. */
static json *allocator_json(const adalora *a)
{
#define SET_INT json_set_int
#define SET_NUM json_set_num
#define SET(member, type, field, peft, ...) SET_##type(j, peft, a->options->member);
    json *j = json_object();
    ADALORA_OPTIONS(SET)
    json_set_int(j, "total_step", a->total);
    return j;
}

/* What adapter_config.json says of the training, under "tiebreak". */
static json *training_card(const run *r)
{
    static const record_field fields[] = { field_adapter_steps, field_adapter_lr, field_adapter_batch,
                                           field_adapter_train };
    const json               *a        = record_get(r->cell.asked, field_asked_adapter);
    json                     *j        = json_object();
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        record_put(j, fields[i], json_copy(record_get(a, fields[i])));
    if (r->trainer->allocator) json_set(j, "allocator", allocator_json(r->trainer->allocator));
    return j;
}

/* The final mask as adapter_save wants it, [n_jobs * rank]; NULL without an allocator. */
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
        return rc ? rc : full_card_write(r->cell.asked, s->q->out);
    }
    json       *card = training_card(r);
    bool       *mask = final_mask(r);
    const char *base = record_text(record_get(r->cell.asked, field_asked_base), field_source_name, NULL);
    int         rc   = adapter_save(s->adapter, s->q->out, base, card, mask);
    free(mask);
    json_free(card);
    return rc;
}

static json *valid_json(const run *r)
{
    const json *curve = r->state.valid;
    if (!curve) return NULL;
    json *j = json_object();
    record_put_count(j, field_held_out_items, r->s.valid.n);
    record_put_count(j, field_held_out_tokens, r->state.valid_tokens);
    record_put_number(j, field_held_out_loss_first, json_number(json_at(json_at(curve, 0), 1)));
    record_put_number(j, field_held_out_loss_last, json_number(json_at(json_at(curve, json_size(curve) - 1), 1)));
    record_put(j, field_held_out_curve, json_copy(curve));
    return j;
}

static json *result_json(const run *r)
{
    const setup          *s       = &r->s;
    const progress_state *p       = &r->state;
    const adalora        *a       = r->trainer->allocator;
    const char           *weights = s->full ? "model.safetensors" : "adapter_model.safetensors";
    json                 *j       = json_object();
    record_put_count(j, field_result_steps, s->steps);
    record_put_number(j, field_result_loss_first, p->loss_first);
    record_put_number(j, field_result_loss_last, p->loss_last);
    record_put_count(j, field_result_trainable, s->full ? config_parameters(&s->model->cfg) : s->adapter->theta_count);
    record_put_count(j, field_result_adapter_bytes, file_bytes(s->q->out, weights));
    record_put_number(j, field_result_wall_s, p->wall_s + clock_s() - r->started);
    record_put_number(j, field_result_tokens_per_s, p->train_s > 0 ? (double)p->tokens / p->train_s : 0);
    record_put_count(j, field_result_peak_bytes, mem_peak_bytes());
    if (s->be->peak_bytes) record_put_count(j, field_result_device_peak_bytes, s->be->peak_bytes(s->be));
    record_put(j, field_result_valid, valid_json(r));
    record_put_count(j, field_result_items, s->data.n);
    record_put_count(j, field_result_too_long, s->data.too_long);
    record_put_count(j, field_result_unscored, s->data.unscored);
    record_put_count(j, field_result_tokens, p->tokens);
    if (a) {
        int64_t kept = 0;
        for (int64_t i = 0; i < a->n_triplets; i++) kept += a->kept[i];
        record_put_count(j, field_result_ranks_kept, kept);
    }
    return j;
}

static int finish(run *r)
{
    const backend *be = r->s.be;
    int            rc = save_weights(r);
    return rc ? rc : cell_finish(&r->cell, result_json(r), be->params->name, r->s.threads, backend_facts(be));
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

static int train(run *r)
{
    setup *s = &r->s;
    say_what_is_left_out(s);
    int rc = trainer_new(&r->trainer, s->model, s->adapter, &s->q->options, s->steps);
    if (rc) return rc;
    example_order_init(&r->order, s->data.n, (uint64_t)s->q->seed, !s->q->no_shuffle);
    r->items = mem_alloc((size_t)s->per_step, sizeof *r->items);
    rc       = cell_begin(&r->cell);
    if (!rc && file_exists(r->checkpoint_path)) rc = load_checkpoint(r);
    if (!rc) rc = open_log(r);
    r->saved = clock_s();
    if (!rc) rc = all_steps(r);
    if (r->log && fclose(r->log) && !rc) rc = run_error("%s: cannot be written: %s", r->log_path, strerror(errno));
    return rc ? rc : finish(r);
}

int train_run(const train_request *q, json **record)
{
    run   r     = { .started         = clock_s(),
                    .log_path        = path_join(q->out, "train_log.jsonl"),
                    .checkpoint_path = path_join(q->out, "checkpoint.safetensors") };
    json *asked = NULL;
    int   rc    = setup_open(&r.s, q);
    if (!rc) rc = train_asked(&asked, &r.s);
    if (rc)
        json_free(asked);
    else
        rc = cell_look(&r.cell, RECORD_TRAIN, q->out, asked);
    if (!rc && r.cell.state == CELL_FINISHED) {
        if (!q->quiet) fprintf(stderr, "train: %s: this cell is finished; left as it is\n", q->out);
    } else if (!rc) {
        rc = train(&r);
    }
    *record = rc ? NULL : cell_take_record(&r.cell);
    cell_close(&r.cell);
    json_free(r.state.valid);
    example_order_free(&r.order);
    free(r.items);
    trainer_free(r.trainer);
    setup_close(&r.s);
    free(r.log_path);
    free(r.checkpoint_path);
    return rc;
}
