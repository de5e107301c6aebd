#include "train/order.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"
#include "core/rng.h"

void example_order_init(example_order *o, int64_t n, uint64_t seed, bool shuffle)
{
    *o = (example_order) {
        .n = n, .epoch = -1, .seed = seed, .shuffle = shuffle, .items = mem_alloc((size_t)n, sizeof *o->items)
    };
}

void example_order_free(example_order *o)
{
    free(o->items);
    *o = (example_order) { 0 };
}

int64_t example_order_at(example_order *o, int64_t position)
{
    int64_t epoch = position / o->n;
    if (!o->shuffle) return position % o->n;
    if (epoch != o->epoch) {
        char purpose[64];
        snprintf(purpose, sizeof purpose, "train order, epoch %lld", (long long)epoch);
        rng r = rng_stream(o->seed, purpose);
        for (int64_t i = 0; i < o->n; i++) o->items[i] = i;
        rng_shuffle(&r, o->items, o->n);
        o->epoch = epoch;
    }
    return o->items[position % o->n];
}
