/* One optimiser step: pack, forward, backward, expand's transpose, regulariser, clip, AdamW,
 * allocator, expand.
 *
 *     trainer *t;
 *     int rc = trainer_new(&t, model, adapter, &options, steps);
 *     for (step = 1; step <= steps && !rc; step++)
 *         rc = trainer_step(t, items, n, micro, lr, &result);
 *     trainer_free(t);
 *
 * An adapter and a whole model (adapter NULL) take one path, over arrays of values, gradients and
 * moments. Everything is allocated in trainer_new or while the first batches warm up. The same
 * model, adapter, items and rates give the same bits, whatever the threads, on a backend whose ops
 * promise it (kernels/backend.h). */
#ifndef TIEBREAK_TRAIN_TRAINER_H
#define TIEBREAK_TRAIN_TRAINER_H
#include "adapters/adapter.h"
#include "model/decoder.h"
#include "train/adalora.h"
#include "train/orthogonality.h"
#include "train/examples.h"

typedef struct {
    double          beta1, beta2, eps, weight_decay; /* AdamW in PyTorch's order */
    double          clip;                            /* L2 norm over all trained numbers; 0: none */
    adalora_options adalora;                         /* for methods whose row `allocates` */
} trainer_options;

/* One array of trained numbers with its gradient and AdamW's first and second moment, m and v, all
 * [count] of the backend's parameter type. */
typedef struct {
    param  *value, *grad, *m, *v;
    int64_t count;
} trained_array;

typedef struct {
    /* mean -log p over all scored tokens of the step, before the update; without the regulariser */
    double loss;
    double orth;      /* R of the regulariser; 0 where there is none */
    double grad_norm; /* before clipping, regulariser included */
    /* of the items as the file has them, with the trailing positions that need not be computed */
    int64_t tokens;
    int64_t scored;      /* tokens the loss is a mean of */
    bool    masked_anew; /* the allocator chose ranks in this step */
} step_result;

typedef struct {
    const trainer_options *options;
    model                 *model;
    adapter               *adapter; /* NULL: the model itself is trained */
    decoder               *dec;
    trained_array          params;
    int64_t                step; /* steps done */
    pack                   packed;
    adalora               *allocator; /* NULL for methods whose row does not allocate */
    orthogonality         *regulariser;
    double                *theta, *grad; /* host copies for the allocator */
} trainer;

/* A trainer for a run of `total` steps; borrows model, adapter and options. ERR_INPUT when the
 * allocator's options do not fit, or the model was not opened trainable where it has to be. */
int  trainer_new(trainer **out, model *m, adapter *a, const trainer_options *o, int64_t total);
void trainer_free(trainer *t); /* NULL is fine */

/* Takes one step on n items, in order. `micro` of them go through the model at once, and gradients
 * add up over these micro-batches. A loss or gradient that is not finite is an error, which names
 * step and rate and leaves values and moments as they were. */
int trainer_step(trainer *t, const train_example *const *items, int64_t n, int64_t micro, double lr, step_result *out);

/* The mean -log p over the scored tokens of all items with the present values, which stay as they
 * are. tokens_max bounds one forward. */
int trainer_loss(trainer *t, const train_example *items, int64_t n, int64_t tokens_max, double *loss, int64_t *scored);

/* Remakes what is derived from the values, after they were read from a checkpoint. */
void trainer_refresh(trainer *t);
#endif
