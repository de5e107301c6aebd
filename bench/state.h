/* The arrays of one bench case, and running its base and what is timed on them. */
#ifndef TIEBREAK_BENCH_STATE_H
#define TIEBREAK_BENCH_STATE_H
#include "adapters/adapter.h"
#include "bench/case.h"
#include "core/rng.h"
#include "kernels/variant.h"

enum { BENCH_PAIRS = 3 }; /* the most of one linear */

/* One set of arrays. Sets may share what their mode leaves in cache. */
typedef struct {
    adapter *adapter;
    int64_t  layer; /* of the adapter */
    real    *W, *x, *dy, *y, *dx;
    /* the case's call, and what it points to, as far as the variant wants that: the op before (at
     * the site `down` SwiGLU, else RMSNorm), many adapters, the method's own factors. */
    adapted_linear  call;
    adapted_pair    pairs[BENCH_PAIRS];
    adapted_source  source;
    adapted_batch   batch;
    adapted_factors factors[BENCH_PAIRS];
    real           *narrow[BENCH_PAIRS][FACTOR_COUNT]; /* factors in the working type */
} bench_set;

/* An adapted site, and the columns of y that its pair acts on. */
typedef struct {
    site_id site;
    int64_t at, out;
} bench_site;

typedef struct {
    const bench_spec      *spec;
    const backend         *be;
    const adapted_variant *variant; /* what the case runs: the spec's, or the device's default */
    adapted_takes          takes;   /* what it is given */
    linear_dims            dims;
    bench_site             sites[BENCH_PAIRS]; /* count of them */
    int                    count;
    int64_t                ldx, ldy; /* row strides of x and dy; y and dx are contiguous */
    int64_t                n_sets;   /* of a cold mode odd, so that base and case meet each in turn */
    bench_set             *sets;
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

/* The model whose shape it is: a preset, or for "square-4096" one whose site `o` has 4096 inputs
 * and outputs. */
int bench_shape(model_config *c, const char *name);

/* The map of a pair on a set, and the pair it makes. */
const expand_job  *bench_job(const bench_set *t, int pair);
const pair_arrays *bench_pair_of(const bench_state *s, const bench_set *t, int pair);
bool               bench_shares_A(const bench_state *s, int pair); /* with the pair before it */

/* The base, and what the case times, once, on one set. The case is its parts, one after another;
 * those that are not of its operation do nothing. */
typedef enum { PART_MAP, PART_ADAPT, PART_FORWARD, PART_BACKWARD, PART_TRANSPOSE, PART_COUNT } bench_part;
void bench_run_base(bench_state *s, int64_t set);
void bench_run_part(bench_state *s, int64_t set, bench_part part);
void bench_run_case(bench_state *s, int64_t set);
/* The adapter's forward, whose h a backward alone reads: sets that share their arrays have the h
 * of the last one. */
void bench_run_forward(bench_state *s, int64_t set);
#endif
