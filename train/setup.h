/* Everything that a training opens, checked against each other, and the plan: how many steps over
 * how many items. */
#ifndef TIEBREAK_TRAIN_SETUP_H
#define TIEBREAK_TRAIN_SETUP_H
#include "train/examples.h"
#include "train/run.h"
#include "train/schedule.h"

typedef struct {
    const train_request *q;
    const backend       *be;
    int                  threads;
    bool                 full; /* every weight is trained; there is no adapter */
    task                *task;
    tokenizer           *tok; /* NULL for a task that needs none */
    model               *model;
    adapter             *adapter; /* NULL for full */
    examples             data, valid;
    int64_t              max_length;
    const schedule      *schedule;
    int64_t              steps, per_step; /* items a step: batch * accumulate */
    /* place in the order of items where the run ends: the last step may be a short one */
    int64_t items_end;
} setup;

/* ERR_INPUT names the option or the file that does not fit. Call setup_close in any case. */
int  setup_open(setup *s, const train_request *q);
void setup_close(setup *s);
#endif
