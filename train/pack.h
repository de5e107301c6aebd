/* Examples packed into one batch without padding. What follows an item's last scored position is
 * left out too, for it changes no loss.
 *
 *     pack p = { 0 };
 *     pack_items(&p, items, n);              // p.batch is what decoder_forward takes
 *     pack_free(&p);
 *
 * Buffers grow to the largest batch seen and are then reused. */
#ifndef TIEBREAK_TRAIN_PACK_H
#define TIEBREAK_TRAIN_PACK_H
#include "tasks/task.h"
#include "model/decoder.h"

typedef struct {
    batch    batch;
    int32_t *ids, *pos, *rows, *targets;
    segment *segments;
    double  *nll; /* room for a loss per row */
    int64_t  tokens_cap, rows_cap, segments_cap;
} pack;

/* An item without a scored position is left out whole. batch.n_tokens may be 0. */
void pack_items(pack *p, const train_example *const *items, int64_t n);
void pack_free(pack *p);
/* How many positions of the item the model has to see: up to the last that is scored. */
int64_t pack_length(const train_example *e);
#endif
