#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/memory.h"

enum { ITEMS_MAX = 64 }; /* of one forward of the held-out set */

/* --- what the allocator and its regulariser see of an adapter: places in theta */

static int64_t trained_at(const adapter_tensor *t) { return t && t->trained ? t->offset : -1; }

static int find_module(const adapter *a, const expand_job *job, adalora_module *out)
{
    int                   site = (int)job->site;
    const adapter_tensor *u    = adapter_find(a, FACTOR_U, job->layer, site),
                         *A    = adapter_find(a, FACTOR_A, job->layer, site),
                         *B    = adapter_find(a, FACTOR_B, job->layer, site);
    if (!u || !u->trained || A->cols != job->in || B->rows != job->out)
        return input_error(
            "method %s: a method that allocates ranks needs a trained u, and A and B of each linear's own shape",
            a->spec.method.name);
    *out = (adalora_module) {
        .rank = job->r, .in = job->in, .out = job->out, .u = trained_at(u), .A = trained_at(A), .B = trained_at(B)
    };
    return OK;
}

static int add_allocator(trainer *t, int64_t total)
{
    adapter        *a       = t->adapter;
    adalora_module *modules = mem_alloc((size_t)a->n_jobs, sizeof *modules);
    int             rc      = OK;
    for (int64_t j = 0; j < a->n_jobs && !rc; j++) rc = find_module(a, &a->jobs[j], &modules[j]);
    if (!rc) rc = adalora_new(&t->allocator, &t->options->adalora, total, modules, a->n_jobs, t->params.count);
    free(modules);
    if (rc) return rc;
    t->theta = mem_alloc((size_t)t->params.count, sizeof(double));
    t->grad  = mem_alloc((size_t)t->params.count, sizeof(double));

    orthogonality_item *items = mem_alloc((size_t)a->n_tensors, sizeof *items);
    int64_t             count = 0;
    for (const adapter_tensor *x = a->tensors; x < a->tensors + a->n_tensors; x++)
        if (x->trained && (x->factor == FACTOR_A || x->factor == FACTOR_B))
            items[count++] = (orthogonality_item) { adapter_values(a, x), adapter_gradient(a, x), x->rows, x->cols,
                                                    x->factor == FACTOR_A };
    t->regulariser = orthogonality_new(a->be->params, items, count);
    free(items);
    return OK;
}

int trainer_new(trainer **out, model *m, adapter *a, const trainer_options *o, int64_t total)
{
    const backend *be = m->be;
    trainer       *t  = mem_alloc(1, sizeof *t);
    *out              = NULL;
    t->options        = o;
    t->model          = m;
    t->adapter        = a;
    t->params         = (trained_array) { .value = a ? a->theta : params_of(m->flat),
                                          .grad  = a ? a->grad : m->flat_grad,
                                          .count = a ? a->theta_count : m->flat_count };
    int rc            = OK;
    if (a && a->spec.method.allocates) rc = add_allocator(t, total);
    if (rc) {
        trainer_free(t);
        return rc;
    }
    t->params.m = be->params->alloc(be->params, t->params.count);
    t->params.v = be->params->alloc(be->params, t->params.count);
    t->dec      = decoder_new(m);
    trainer_refresh(t);
    *out = t;
    return OK;
}

void trainer_free(trainer *t)
{
    if (!t) return;
    t->model->be->release(t->model->be, t->params.m);
    t->model->be->release(t->model->be, t->params.v);
    decoder_free(t->dec);
    adalora_free(t->allocator);
    orthogonality_free(t->regulariser);
    pack_free(&t->packed);
    free(t->theta);
    free(t->grad);
    free(t);
}

void trainer_refresh(trainer *t)
{
    if (t->adapter) adapter_expand(t->adapter);
}

/* --- one step */

static const pair_arrays *pairs_of(const trainer *t) { return t->adapter ? adapter_pairs(t->adapter) : NULL; }

/* Before any update the fault is the input's, a bad base or adapter. Later it is the run's. */
static int not_finite(const trainer *t, const char *what, double value, double lr)
{
    long long step = (long long)t->step + 1;
    if (step == 1)
        return input_error(
            "%s: %s of step 1 is %g before any update: the weights hold numbers that are not finite, or too large",
            t->model->dir, what, value);
    return run_error(
        "step %lld: %s is %g at learning rate %g: training diverged; lower --lr, give --warmup or --clip 1", step, what,
        value, lr);
}

static int micro_batch(trainer *t, const train_example *const *items, int64_t n, double scale, double lr,
                       double *loss_sum)
{
    pack *p = &t->packed;
    pack_clear(p);
    for (int64_t i = 0; i < n; i++) example_pack(p, items[i]);
    if (!p->batch.n_rows) return OK;
    int rc = decoder_forward(t->dec, &p->batch, pairs_of(t), true);
    if (rc) return rc;
    rc = decoder_backward(t->dec, scale, p->nll);
    if (rc == ERR_FAILED) return rc; /* the device failed: what it left in nll means nothing */
    for (int64_t i = 0; i < p->batch.n_rows; i++) {
        /* The decoder blames the weights, which is right in the first step only. */
        if (!isfinite(p->nll[i])) return t->step || !rc ? not_finite(t, "a loss", p->nll[i], lr) : rc;
        *loss_sum += p->nll[i];
    }
    return rc;
}

static void zero_grad(trainer *t)
{
    if (t->adapter)
        adapter_zero_grad(t->adapter);
    else
        t->model->be->params->zero(t->model->be->params, t->params.grad, t->params.count);
}

/* The allocator's part of the step, after the update (train/adalora.h). */
static bool allocate(trainer *t, double clip)
{
    const backend *be     = t->model->be->params;
    adalora       *alloc  = t->allocator;
    trained_array *params = &t->params;
    if (adalora_observes(alloc, t->step)) {
        be->download(be, t->theta, params->value, params->count);
        be->download(be, t->grad, params->grad, params->count);
        adalora_observe(alloc, t->theta, t->grad, clip);
    }
    if (!adalora_allocate(alloc, t->step)) return false;
    const unsigned char *kept = alloc->kept;
    for (const adalora_module *m = alloc->modules; m < alloc->modules + alloc->n_modules; kept += m->rank, m++)
        for (int64_t i = 0, end; i < m->rank; i = end) {
            /* Neighbours are zeroed together: a call to a device costs more than what it does. */
            for (end = i; end < m->rank && kept[end] == kept[i]; end++) {
            }
            if (!kept[i]) be->zero(be, param_at(be, params->value, m->u + i), end - i);
        }
    return adalora_phase_at(alloc, t->step) != ADALORA_RE_MASK;
}

/* torch.nn.utils.clip_grad_norm_ */
static double global_clip(double clip, double norm) { return clip > 0 ? fmin(1, clip / (norm + 1e-6)) : 1; }

int trainer_step(trainer *t, const train_example *const *items, int64_t n, int64_t micro, double lr, step_result *out)
{
    const backend         *be       = t->model->be;
    const trainer_options *o        = t->options;
    double                 loss_sum = 0;
    int                    rc       = OK;
    *out                            = (step_result) { 0 };
    for (int64_t i = 0; i < n; i++) out->tokens += items[i]->n, out->scored += items[i]->n_scored;
    if (!out->scored)
        return input_error(
            "step %lld: none of its %lld items has a scored token; leave such items out or raise --batch",
            (long long)t->step + 1, (long long)n);
    zero_grad(t);
    for (int64_t i = 0; i < n && !rc; i += micro)
        rc = micro_batch(t, items + i, i + micro < n ? micro : n - i, 1.0 / (double)out->scored, lr, &loss_sum);
    if (rc) return rc;
    if (t->adapter) adapter_backward(t->adapter);
    out->loss = loss_sum / (double)out->scored;
    if (t->regulariser) out->orth = orthogonality_add(t->regulariser, o->adalora.orth);
    out->grad_norm = sqrt(be->sum_squares(be, t->params.grad, t->params.count));
    if (!isfinite(out->grad_norm))
        return (rc = be->sync(be)) ? rc : not_finite(t, "the gradient's norm", out->grad_norm, lr);
    double clip = global_clip(o->clip, out->grad_norm);
    t->step++;
    be->adamw(be, t->params.value, t->params.m, t->params.v, t->params.grad, t->params.count,
              (adamw_params) { .lr           = lr,
                               .beta1        = o->beta1,
                               .beta2        = o->beta2,
                               .eps          = o->eps,
                               .weight_decay = o->weight_decay,
                               .clip         = clip,
                               .step         = t->step });
    if (t->allocator) out->masked_anew = allocate(t, clip);
    trainer_refresh(t);
    return be->sync(be);
}

int trainer_loss(trainer *t, const train_example *items, int64_t n, int64_t tokens_max, double *loss, int64_t *scored)
{
    pack  *p   = &t->packed;
    double sum = 0;
    int    rc  = OK;
    *scored    = 0;
    for (int64_t i = 0; i < n && !rc;) {
        int64_t first = i;
        pack_clear(p);
        do example_pack(p, &items[i++]);
        while (i < n && i - first < ITEMS_MAX && p->batch.n_tokens + example_length(&items[i]) <= tokens_max);
        if (!p->batch.n_rows) continue;
        rc = pack_score(p, t->dec, pairs_of(t));
        for (int64_t k = 0; !rc && k < p->batch.n_rows; k++) sum += p->nll[k];
        *scored += p->batch.n_rows;
    }
    *loss = sum / (double)*scored;
    if (!rc && !isfinite(*loss)) rc = run_error("the held-out loss is %g", *loss);
    return rc;
}
