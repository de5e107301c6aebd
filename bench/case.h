/* Bench cases: one adapted linear, beside its base GEMM, for every method, rank, operation and shape.
 *
 * A case is a point of four lists (operations, methods, ranks, shapes): adding a row to a list adds its cases. Names read
 * "fwd/lora/r=8/shape=mini/site=qkv/tokens=512/device=cpu/dtype=f32"; --filter is a regular expression over them.
 *
 * What is timed, per call, on layers taken in turn (so that a tied A and B stay in cache over layers where an untied pair does not):
 *   fwd      y = x W^T;  the pair's forward                        prefill: the map ran once, when the adapter was loaded
 *   decode   the same with few rows                                one new token of each of `tokens` sequences
 *   bwd      dx = dy W;  the pair's backward;  the map's transpose
 *   fwd+bwd  the map; y = x W^T; the pair; dx = dy W; the pair's backward; the map's transpose     a training step of one linear
 * The base of each is the same without the adapter. Base and case are timed in turn in one loop, first one first, then the other. */
#ifndef TIEBREAK_BENCH_CASE_H
#define TIEBREAK_BENCH_CASE_H
#include "core/json.h"
#include "kernels/backend.h"
#include "model/config.h"
#include "model/method.h"

typedef struct {
    const char *name;   /* "fwd" */
    int64_t     tokens; /* rows; a row of the table each: decode has three */
    bool        forward, backward, expands;
} bench_op;

typedef struct {
    char            name[160];
    const bench_op *op;
    const method   *method;
    int64_t         rank;
    const char     *shape; /* preset of model/config.h */
    site_id         site;
} bench_spec;

/* Every case on a backend, in the order of the lists; caller frees. */
bench_spec *bench_specs(const backend *be, int64_t *n);

/* Set up, check the answer against f64 at sampled outputs, time at least min_time_s (10 to 4000 pairs), check again, write the sample arrays and the
 * summary. *result and *asked as core/record.h says for kind bench; caller frees. */
int bench_measure(const bench_spec *spec, const backend *be, double min_time_s, uint64_t seed, json **asked, json **result);
#endif
