/* The buffers of one bench case, and the check of its answer: sampled outputs against the formula in f64, straight from the factors. */
#ifndef TIEBREAK_BENCH_CHECK_H
#define TIEBREAK_BENCH_CHECK_H
#include "bench/case.h"
#include "model/adapter.h"

typedef struct {
    const bench_spec *spec;
    const backend    *be;
    linear_dims       dims;
    int64_t           layers; /* distinct base weights (and adapter layers) rotated through */
    adapter          *adapter;
    real             *W[8], *x, *dy, *y, *dx, *h, *dh;
} bench_state;

/* What the case times, once, on one layer. */
void bench_run_case(bench_state *s, int64_t layer);
/* Runs the case once on each layer and compares sampled elements of y and dx with
 * W x + s v * (B R (u * (A x))) computed in f64. An element may be off by 1e-5 of the sum of its terms' magnitudes: f32 rounding of sums of this
 * length stays ten times below it, a wrong factor far above. In bf16 2^-7 of it: A', B', h and the result twice are rounded by up to 2^-8 of
 * themselves, which are a small part of that sum. ERR_FAILED names the case, the element and both values. */
int bench_check(bench_state *s);
#endif
