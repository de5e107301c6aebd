/* The order in which steps see the items.
 *
 *     example_order o;
 *     example_order_init(&o, n, seed, true);
 *     int64_t item = example_order_at(&o, k);     // k = 0, 1, 2, ... over all epochs
 *
 * Items form one endless stream, epoch after epoch. Each epoch is shuffled by random numbers of its
 * own for (seed, epoch). A step takes the next batch * accumulate items, across an epoch's end too,
 * so the same seed gives the same order whatever the batch, the steps or the threads. */
#ifndef TIEBREAK_TRAIN_ORDER_H
#define TIEBREAK_TRAIN_ORDER_H
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int64_t  n, epoch; /* epoch of `items`; -1: none yet */
    uint64_t seed;
    bool     shuffle;
    int64_t *items; /* [n] */
} example_order;

void    example_order_init(example_order *o, int64_t n, uint64_t seed, bool shuffle); /* n >= 1 */
void    example_order_free(example_order *o);
int64_t example_order_at(example_order *o, int64_t position);
#endif
