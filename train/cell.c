#include "train/cell.h"

#include "adapters/card.h"
#include "core/error.h"
#include "core/record.h"

/* The settings of a method whose row allocates ranks. */
static void put_allocator(json *j, const adalora_options *o)
{
#define PUT_INT record_put_count
#define PUT_NUM record_put_number
#define PUT(member, type, field, ...) PUT_##type(j, field_training_##field, o->member);
    ADALORA_OPTIONS(PUT)
}

static int put_training(json *j, const setup *s)
{
    const train_request   *q = s->q;
    const trainer_options *o = &q->options;
    record_put_text(j, field_training_task, s->task->name);
    record_put_count(j, field_training_task_version, s->task->version);
    record_put_text(j, field_training_prompt, s->task->variant);
    record_put(j, field_training_data, record_named(q->data, s->data.sha256));
    record_put(j, field_training_valid, q->valid ? record_named(q->valid, s->valid.sha256) : NULL);
    record_put_count_or_null(j, field_training_valid_every, q->valid ? q->valid_every : 0);
    record_put_count_or_null(j, field_training_epochs, q->epochs);
    record_put_count(j, field_training_accumulate, q->accumulate);
    record_put_count(j, field_training_max_length, s->max_length);
    record_put_flag(j, field_training_shuffle, !q->no_shuffle);
    record_put_text(j, field_training_schedule, s->schedule->name);
    record_put_count(j, field_training_warmup, q->warmup);
    record_put_number(j, field_training_beta1, o->beta1);
    record_put_number(j, field_training_beta2, o->beta2);
    record_put_number(j, field_training_eps, o->eps);
    record_put_number(j, field_training_weight_decay, o->weight_decay);
    record_put_number(j, field_training_clip, o->clip);
    if (s->adapter && s->adapter->spec.method.allocates) put_allocator(j, &o->adalora);
    char sha256[65];
    int  rc = q->init_adapter ? adapter_hash(q->init_adapter, sha256) : OK;
    record_put(j, field_training_init_adapter, !rc && q->init_adapter ? record_named(q->init_adapter, sha256) : NULL);
    return rc;
}

static int put_adapter(json *j, const setup *s)
{
    const train_request *q = s->q;
    record_put_count(j, field_adapter_seed, q->seed);
    record_put_count(j, field_adapter_steps, s->steps);
    record_put_number(j, field_adapter_lr, q->lr);
    record_put_count(j, field_adapter_batch, q->batch);
    json *training = json_object();
    record_put(j, field_adapter_train, training);
    return put_training(training, s);
}

int train_asked(json **asked, const setup *s)
{
    json *j = *asked = json_object();
    record_put(j, field_asked_base, record_named(s->q->model, model_hash(s->model)));
    /* Other devices and types add in another order, so their cells are others. */
    if (!s->be->host) record_put_text(j, field_asked_device, s->be->params->name);
    if (s->be->params != s->be) record_put_text(j, field_asked_dtype, s->be->dtype);
    if (s->q->variant) record_put_text(j, field_asked_variant, s->q->variant);
    record_put_text(j, field_asked_task, s->task->name);
    record_put_count(j, field_asked_task_version, s->task->version);
    record_put_text(j, field_asked_prompt, s->task->variant);
    record_put(j, field_asked_data, record_named(s->q->data, s->data.sha256));
    json *card = adapter_card(s->adapter);
    record_put(j, field_asked_adapter, card);
    return put_adapter(card, s);
}
