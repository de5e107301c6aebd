#include "train/cell.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"

/* {"name": last part of the path, "sha256"} */
static json *named_hash(const char *path, const char *sha256)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    char *own = mem_strndup(path, n);
    json *j   = json_object();
    json_set_str(j, "name", path_base(own));
    json_set_str(j, "sha256", sha256);
    free(own);
    return j;
}

static void set_int_or_null(json *j, const char *key, int64_t value)
{
    json_set(j, key, value ? cJSON_CreateNumber((double)value) : cJSON_CreateNull());
}

/* Settings a method's row asks for on top. */
static void describe_allocator(json *j, const adalora_options *o)
{
    json_set_int(j, "target_rank", o->target_rank);
    json_set_int(j, "tinit", o->tinit);
    json_set_int(j, "tfinal", o->tfinal);
    json_set_int(j, "delta_t", o->delta_t);
    json_set_num(j, "allocator_beta1", o->beta1);
    json_set_num(j, "allocator_beta2", o->beta2);
    json_set_num(j, "orth_reg", o->orth);
}

static int describe_training(json *j, const setup *s)
{
    const train_request   *q = s->q;
    const trainer_options *o = &s->options;
    json_set_str(j, "task", s->task->name);
    json_set_int(j, "task_version", s->task->version);
    json_set_str(j, "prompt", s->task->variant);
    json_set(j, "data", named_hash(q->data, s->data.sha256));
    json_set(j, "valid", q->valid ? named_hash(q->valid, s->valid.sha256) : cJSON_CreateNull());
    set_int_or_null(j, "valid_every", q->valid ? q->valid_every : 0);
    set_int_or_null(j, "epochs", q->epochs);
    json_set_int(j, "accumulate", q->accumulate);
    json_set_int(j, "max_length", s->max_length);
    json_set_bool(j, "shuffle", !q->no_shuffle);
    json_set_str(j, "schedule", s->schedule->name);
    json_set_int(j, "warmup", q->warmup);
    json_set_num(j, "beta1", o->beta1);
    json_set_num(j, "beta2", o->beta2);
    json_set_num(j, "eps", o->eps);
    json_set_num(j, "weight_decay", o->weight_decay);
    json_set_num(j, "clip", o->clip);
    if (s->adapter && s->adapter->spec.method.allocates) describe_allocator(j, &o->adalora);
    char sha256[65];
    int  rc = q->init_adapter ? adapter_hash(q->init_adapter, sha256) : OK;
    json_set(j, "init_adapter", !rc && q->init_adapter ? named_hash(q->init_adapter, sha256) : cJSON_CreateNull());
    return rc;
}

static int describe_adapter(json *j, const setup *s)
{
    const train_request *q    = s->q;
    const adapter_spec  *spec = s->adapter ? &s->adapter->spec : NULL;
    char                 text[METHOD_SPEC_MAX], sites[64];
    if (spec) method_spec(&spec->method, text, sizeof text);
    if (spec) site_set_print(spec->sites, sites, sizeof sites);
    json_set_str(j, "method", spec ? spec->method.name : "full");
    json_set_str(j, "spec", spec ? text : NULL);
    set_int_or_null(j, "rank", spec ? spec->rank : 0);
    json_set(j, "alpha",
             spec && method_takes_alpha(&spec->method) ? cJSON_CreateNumber(spec->alpha) : cJSON_CreateNull());
    json_set_str(j, "sites", spec ? sites : NULL);
    json_set_int(j, "seed", q->seed);
    json_set_int(j, "steps", s->steps);
    json_set_num(j, "lr", q->lr);
    json_set_int(j, "batch", q->batch);
    json *training = json_object();
    json_set(j, "train", training);
    return describe_training(training, s);
}

int cell_describe(json **asked, const setup *s)
{
    json *j = *asked = json_object();
    json_set(j, "base", named_hash(s->q->model, model_hash(s->model)));
    /* other devices add in another order: other bits, another cell */
    if (s->be->facts) json_set_str(j, "device", s->be->params->name);
    if (s->be->params != s->be) json_set_str(j, "dtype", s->be->dtype);
    json_set_str(j, "task", s->task->name);
    json_set_int(j, "task_version", s->task->version);
    json_set_str(j, "prompt", s->task->variant);
    json_set(j, "data", named_hash(s->q->data, s->data.sha256));
    json *a = json_object();
    json_set(j, "adapter", a);
    return describe_adapter(a, s);
}
