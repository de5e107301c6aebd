/* The buffers of one bench case, and the check of its answer: sampled outputs against the
 * formula in f64, straight from the factors. */
#ifndef TIEBREAK_BENCH_CHECK_H
#define TIEBREAK_BENCH_CHECK_H
#include "bench/case.h"
#include "core/rng.h"
#include "kernels/variant.h"
#include "adapters/adapter.h"

/* One set of arrays. Sets may share what their mode leaves in cache. */
typedef struct {
    adapter *adapter;
    int64_t  layer; /* of the adapter */
    real    *W, *x, *dy, *y, *dx;
    /* the case's call, and what it points to, as far as the variant wants that: the op before (at
     * the site `down` SwiGLU, else RMSNorm), many adapters, the method's own factors. */
    adapted_linear  call;
    adapted_pair    pair;
    adapted_source  source;
    adapted_batch   batch;
    adapted_factors factors;
    real           *narrow[FACTOR_COUNT]; /* factors in the working type */
} bench_set;

typedef struct {
    const bench_spec      *spec;
    const backend         *be;
    const adapted_variant *variant; /* what the case runs: the spec's, or the device's default */
    linear_dims            dims;
    int64_t                ldx, ldy; /* row strides of x and dy; y and dx are contiguous */
    /* lag: the case is on the set that the base is on `lag` calls later, so that neither warms
     * the other's cache. */
    int64_t    n_sets, lag;
    bench_set *sets;
} bench_state;

/* The cell of the record; caller frees. */
json *bench_asked_of(const bench_state *s);
/* What there will be, without the arrays. */
int bench_plan(bench_state *s, const bench_spec *spec, const backend *be);
/* The arrays too. After an error free it all the same. */
int  bench_state_init(bench_state *s, const bench_spec *spec, const backend *be, uint64_t seed);
void bench_state_free(bench_state *s);
/* Many adapters (bench/many_adapters.c): which one each row takes (caller frees), how many
 * different ones that are; a set's batch with its arrays; and what a method's factors of all
 * these hold together, in the working type. */
int32_t *bench_which_of(const bench_spec *spec);
int64_t  bench_distinct(const bench_spec *spec);
void     bench_batch_fill(const bench_state *s, bench_set *t);
double   bench_adapter_bytes(const bench_state *s);
/* An array of random values of this standard deviation, of a period that divides no row. */
real *bench_random(const backend *be, int64_t n, double sd, rng *r);

/* The base, and what the case times, once, on one set. */
void bench_run_base(bench_state *s, int64_t set);
void bench_run_case(bench_state *s, int64_t set);
/* The adapter's forward, whose h a backward alone reads: sets that share their arrays have the h
 * of the last one. */
void bench_run_forward(bench_state *s, int64_t set);
/* Runs the case once on the first and on the last set and compares sampled elements of y and dx
 * with
 * W x + s v * (B R (u * (A x))) computed in f64. An element may be off by 1e-5 of the sum of its
 * terms' magnitudes: f32 rounding of sums of this length stays ten times below it, a wrong
 * factor far above. In bf16 2^-7 of it: A', B', h and the result twice are rounded by up to 2^-8
 * of themselves, which are a small part of that sum. After a backward the gradients too.
 * ERR_FAILED names the case, the element and both values. */
int bench_check(bench_state *s);
/* Checks gradients that one run of the case added to zeros: one element each of dA, du, dR,
 * dB and dv, as far as they train, at a drawn rank, input and output. */
int bench_check_gradients(bench_state *s, int64_t set, rng *g);
/* *same: two runs on the first set gave the same bits of y, dx and the adapter's gradients.
 * ERR_FAILED only where the device failed. */
int bench_repeats(bench_state *s, bool *same);
#endif
