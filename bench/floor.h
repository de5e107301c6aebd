/* The least time a case can take on a device: its arithmetic at the rate of the device's own
 * large product, its traffic at the rate of the device's own copy, whichever is longer. Both
 * rates are measured, once a run. Launches cost nothing here: they are counted in the record
 * instead. */
#ifndef TIEBREAK_BENCH_FLOOR_H
#define TIEBREAK_BENCH_FLOOR_H
#include "bench/state.h"

typedef struct {
    double copy_bytes_per_s; /* read and written bytes both count */
    double gemm_flops_per_s; /* of y = x W^T, square, in the working type */
} bench_rates;

/* Measured at the first call for a backend, after the device has been kept busy until its clock
 * settled (a second at most). */
int bench_rates_of(const backend *be, bench_rates *out);

typedef struct {
    /* of the case in one pass: every array that has to be read or written once */
    double flops, bytes;
    double base_flops, base_bytes; /* of the same without the adapter */
    double fused_s, base_s;        /* floors of the two */
    /* sum of the floors of the ops as they are called now (kernels/pair.h, expand.h, backend.h),
     * or of a variant's steps: what separate launches can reach. */
    double ops_s;
} bench_floor;
bench_floor bench_floor_of(const bench_state *s, const bench_rates *rates);
#endif
