/* How many kernels a case and its base launch, counted on the device's own account. */
#ifndef TIEBREAK_BENCH_LAUNCHES_H
#define TIEBREAK_BENCH_LAUNCHES_H
#include "bench/state.h"

typedef struct {
    /* launches: a call of a library counted as one. kernels: those that the library launched, as
     * the nodes of a graph of the same calls say. -1: the device does not tell. */
    int64_t launches, kernels;
} bench_launches;

/* Counts one call of the base and one of the case, which have run before on the first set.
 * ERR_FAILED where the device failed. */
int bench_count_launches(bench_state *s, bench_launches *base, bench_launches *with);
#endif
