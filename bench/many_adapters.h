/* A decode step of many adapters: each row of the batch takes one of them. The layers of the case's
 * adapter stand for the adapters, so what a method ties over layers is what they share. */
#ifndef TIEBREAK_BENCH_MANY_ADAPTERS_H
#define TIEBREAK_BENCH_MANY_ADAPTERS_H
#include "bench/state.h"

/* Which adapter each row takes; caller frees. */
int32_t *bench_which_of(const bench_spec *spec);
/* How many different adapters the rows take; 1 without many adapters. */
int64_t bench_distinct(const bench_spec *spec);
/* Fills the batch of a set's call: device arrays of the state's backend, which
 * bench_state_free releases. */
void bench_batch_fill(const bench_state *s, bench_set *t);
/* Bytes of a method's factors of all these adapters together, in the working type. */
double bench_adapter_bytes(const bench_state *s);
#endif
