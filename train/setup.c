#include "train/setup.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/machine.h"
#include "kernels/variant.h"
#include "adapters/base.h"

static int open_task(setup *s, int64_t positions)
{
    const train_request *q  = s->q;
    int                  rc = task_open(&s->task, q->task, q->prompt);
    if (!rc && task_needs_tokenizer(s->task)) rc = tokenizer_open(&s->tok, q->model);
    if (!rc && s->tok && s->task->rules.append_eos && tokenizer_eos(s->tok) < 0)
        warn("%s: no end token in tokenizer_config.json, special_tokens_map.json, config.json or "
             "generation_config.json: nothing closes a target, so the model does not learn to stop",
             q->model);
    s->max_length = q->max_length && q->max_length < positions ? q->max_length : positions;
    if (!rc) rc = examples_read(&s->data, s->task, q->data, s->tok, s->max_length);
    if (!rc && q->valid) rc = examples_read(&s->valid, s->task, q->valid, s->tok, s->max_length);
    return rc;
}

/* Ends the run by --steps or --epochs, whichever comes first. */
static void plan(setup *s)
{
    const train_request *q = s->q;
    s->per_step            = q->batch * q->accumulate;
    s->steps               = q->steps;
    s->items_end           = q->steps * s->per_step;
    if (q->epochs && (!q->steps || q->epochs * s->data.n < s->items_end)) {
        s->items_end = q->epochs * s->data.n;
        s->steps     = (s->items_end + s->per_step - 1) / s->per_step;
    }
}

/* --- the adapter: the method's own start, or a folder's */

static int new_adapter(setup *s, const model_config *c)
{
    const train_request *q    = s->q;
    adapter_spec         spec = { .rank = q->rank ? q->rank : 8, .seed = (uint64_t)q->seed };
    if (!q->method) return input_error("--method M is needed, as `lora`; `tiebreak count --help` lists them");
    int rc = method_find(&spec.method, q->method);
    if (!rc && q->alpha > 0 && !method_takes_alpha(&spec.method))
        rc = input_error("--alpha %g: method %s has a fixed scale, alpha has no place in it; leave --alpha out",
                         q->alpha, q->method);
    const char *sites = q->sites ? q->sites : "qkv";
    if (!rc) rc = site_set_parse(&spec.sites, sites);
    if (!rc) rc = site_set_fit(&spec.sites, c, sites);
    spec.alpha = q->alpha > 0 ? q->alpha : method_takes_alpha(&spec.method) ? (double)spec.rank : 0;
    return rc ? rc : adapter_new(&s->adapter, s->be, c, spec);
}

static int continue_adapter(setup *s, const model_config *c)
{
    const train_request *q    = s->q;
    const char          *from = q->init_adapter;
    int                  rc   = adapter_open(&s->adapter, s->be, c, from);
    if (rc) return rc;
    const adapter_spec *spec = &s->adapter->spec;
    char                its[METHOD_SPEC_MAX], asked[METHOD_SPEC_MAX];
    method              m;
    site_set            sites;
    if (q->method) {
        if ((rc = method_find(&m, q->method))) return rc;
        method_spec(&spec->method, its, sizeof its);
        method_spec(&m, asked, sizeof asked);
        if (strcmp(its, asked) || m.allocates != spec->method.allocates)
            return input_error("--method %s: --init-adapter %s is %s (%s); leave --method out", q->method, from,
                               spec->method.name, its);
    }
    if (q->sites) {
        if ((rc = site_set_parse(&sites, q->sites)) || (rc = site_set_fit(&sites, c, q->sites))) return rc;
        site_set_print(spec->sites, its, sizeof its);
        if (sites != spec->sites)
            return input_error("--sites %s: --init-adapter %s has the sites %s; leave --sites out", q->sites, from,
                               its);
    }
    if (q->rank && q->rank != spec->rank)
        return input_error("--rank %lld: --init-adapter %s has rank %lld; leave --rank out", (long long)q->rank, from,
                           (long long)spec->rank);
    if (q->alpha > 0 && q->alpha != spec->alpha)
        return input_error("--alpha %g: --init-adapter %s has alpha %g; leave --alpha out", q->alpha, from,
                           spec->alpha);
    return OK;
}

static int refuse_for_full(const setup *s)
{
    const train_request *q = s->q;
    if (q->sites) return input_error("--sites %s: full trains every weight; leave --sites out", q->sites);
    if (q->alpha > 0) return input_error("--alpha %g: full has no scale; leave --alpha out", q->alpha);
    if (s->be->params != s->be)
        return input_error(
            "--dtype %s: full trains every weight, in steps that %s is too coarse for; leave --dtype out", q->dtype,
            q->dtype);
    if (q->init_adapter) return input_error("--init-adapter %s: full trains no adapter; leave it out", q->init_adapter);
    return OK;
}

int setup_open(setup *s, const train_request *q)
{
    model_config c;
    *s         = (setup) { .q = q, .be = backend_for(q->device, q->dtype) };
    s->full    = q->method && !strcmp(q->method, "full");
    s->threads = q->threads ? (int)q->threads : machine_cores();
    if (!s->be) return ERR_INPUT;
    if (!q->steps && !q->epochs)
        return input_error("one of --steps N and --epochs N is needed (with both, whatever ends first)");
    if (!file_is_dir(q->model))
        return input_error("--model %s: must be a Hugging Face folder with the weights", q->model);
    s->be->set_threads(s->be, s->threads);
    /* What is quick to refuse comes first: options and shapes, then the data, then the weights. */
    const adapted_variant *variant;
    int                    rc = adapted_asked(s->be, q->variant, &variant);
    if (!rc && s->full) rc = refuse_for_full(s);
    if (!rc) rc = config_load(&c, q->model);
    if (!rc) rc = schedule_find(&s->schedule, q->schedule ? q->schedule : "constant");
    if (!rc && !s->full) rc = q->init_adapter ? continue_adapter(s, &c) : new_adapter(s, &c);
    if (!rc) rc = open_task(s, c.positions);
    if (!rc) plan(s);
    if (!rc) rc = model_open(&s->model, q->model, s->be, s->full);
    if (!rc && q->init_adapter) rc = adapter_check_base(q->init_adapter, s->model, q->base_changed);
    if (!rc)
        rc = model_use_variant(s->model, q->variant, s->adapter ? adapter_pairs(s->adapter) : NULL, true,
                               q->max_length ? q->max_length : c.positions);
    return rc;
}

void setup_close(setup *s)
{
    adapter_free(s->adapter);
    model_close(s->model);
    examples_free(&s->data);
    examples_free(&s->valid);
    tokenizer_close(s->tok);
    task_close(s->task);
}
