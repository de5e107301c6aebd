/* The arrays of one bench case, and running its base and what is timed on them. */
#ifndef TIEBREAK_BENCH_STATE_H
#define TIEBREAK_BENCH_STATE_H
#include "adapters/adapter.h"
#include "bench/case.h"
#include "core/rng.h"
#include "kernels/variant.h"

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
/* An array of random values of this standard deviation, of a period that divides no row. */
real *bench_random(const backend *be, int64_t n, double sd, rng *r);

/* The base, and what the case times, once, on one set. */
void bench_run_base(bench_state *s, int64_t set);
void bench_run_case(bench_state *s, int64_t set);
/* The adapter's forward, whose h a backward alone reads: sets that share their arrays have the h
 * of the last one. */
void bench_run_forward(bench_state *s, int64_t set);
#endif
