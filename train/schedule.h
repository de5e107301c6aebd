/* Learning-rate schedules: transformers' get_constant/linear/cosine_schedule_with_warmup (5.23),
 * as PyTorch's LambdaLR runs them.
 *
 *     const schedule *s;
 *     int rc = schedule_find(&s, "cosine");
 *     double lr = schedule_lr(s, 1e-3, step, warmup, total);          // step 1, 2, ...
 *
 * With warm-up the first step's rate is 0: LambdaLR starts at index 0 of the ramp. */
#ifndef TIEBREAK_TRAIN_SCHEDULE_H
#define TIEBREAK_TRAIN_SCHEDULE_H
#include <stdint.h>

typedef struct {
    const char *name;
    /* of the steps done and left, as shares of the steps after warm-up */
    double (*factor)(double done, double left);
} schedule;

/* ERR_INPUT with the list of names when there is no such schedule. */
int schedule_find(const schedule **out, const char *name);
/* The rate of optimiser step 1, 2, ...; warmup >= 0, total >= 1 steps. */
double schedule_lr(const schedule *s, double lr, int64_t step, int64_t warmup, int64_t total);
#endif
