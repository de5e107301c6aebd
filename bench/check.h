/* The checks of a case's answer: sampled outputs and gradients against the formula in f64, straight
 * from the factors, and the same bits twice. */
#ifndef TIEBREAK_BENCH_CHECK_H
#define TIEBREAK_BENCH_CHECK_H
#include "bench/state.h"

/* Runs the case once on the first and on the last set and compares sampled elements of y and dx
 * with W x + s v * (B R (u * (A x))), where each pair has its columns, computed in f64. An element
 * may be off by 1e-5 of the sum of its terms' magnitudes: f32 rounding of sums of this length stays
 * ten times below it, a wrong factor far above. In bf16 2^-7 of it: A', B', h and the result twice
 * are rounded by up to 2^-8 of themselves, which are a small part of that sum. After a backward the
 * gradients too. ERR_FAILED names the case, the element and both values. */
int bench_check(bench_state *s);
/* Checks gradients that one run of the case added to zeros. Each pair has one element checked of
 * dA, du, dR, dB and dv, as far as they train, at a drawn rank, input and output. */
int bench_check_gradients(bench_state *s, int64_t set, rng *g);
/* *same: two runs on the first set gave the same bits of y, dx and the adapter's gradients.
 * ERR_FAILED only where the device failed. */
int bench_repeats(bench_state *s, bool *same);
#endif
