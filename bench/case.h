/* Bench cases: one adapted linear, beside its base GEMM, for every method, rank, operation and
 * shape.
 *
 * A case is a point of lists (operations, methods, ranks, shapes, sites): adding a row to a list
 * adds its cases. Names read "fwd/lora/r=8/shape=mini/site=qkv/tokens=512/device=cpu/dtype=f32";
 * --filter is a regular expression over them.
 *
 * What is timed is one call. Calls take the layers in turn, so that a tied A and B stay in cache
 * over layers where an untied pair does not:
 *   fwd      y = x W^T;  the pair's forward
 *            Prefill: the map ran once, when the adapter was loaded.
 *   decode   the same with few rows
 *            One new token of each of `tokens` sequences.
 *   bwd      dx = dy W;  the pair's backward;  the map's transpose
 *   fwd+bwd  the map; y = x W^T; the pair; dx = dy W; the pair's backward; the map's transpose
 *            A training step of one linear.
 *
 * A sample of decode is eight such calls in a row, so that what an empty interval takes, which
 * bench/clock.h takes off, is small beside it.
 *
 * Several sites that read one input are one case: "site=q,k,v" is one GEMM with three pairs, each
 * with its own A, and "site=q,v" the same GEMM with two, as in the model. The base is that GEMM.
 *
 * Modes are said in the name and in the record, but for the first:
 *   (none)        the base weights rotate through layers, the activations stay: what a model does
 *   hot           one set of arrays, over and over
 *   cold          sets of all arrays rotate. Before one is touched again, twice the device's shared
 *                 cache has passed. This needs a device that says how large that cache is; a server
 *                 CPU's last cache is hundreds of MiB, and rotating gigabytes there is dear.
 *   back-to-back  cold, but nobody waits between samples, so the device is under load all the time
 *                 and runs at the clock that it keeps then. This needs a device with a queue.
 *
 * Where the backend has several variants of an adapted linear (kernels/variant.h), each but the
 * first is one more case of the modes hot and cold, whose name ends in "variant=augmented-k":
 *   - Preparing is timed in a training step, where the adapter has changed; not in fwd and decode.
 *   - The base reads x and dy at the variant's strides.
 *   - Variants that know many adapters decode with as many adapters as rows, too:
 *     ".../adapters=64/popularity=zipf".
 *   - Of several pairs, variants that take factors in the working type take the pairs.
 *   - Variants that begin with the op before x (`producer`: RMSNorm, at the site `down` SwiGLU)
 *     have that op in their base too. Compare their time over the base with that of others.
 *
 * Cases with the shapes, ranks and batches that other projects publish for their kernels end in
 * "/published=lorafusion" (or flashinfer, axolotl): `--filter published=` is all of them. The times
 * are still ours alone, over our base.
 *
 * A case's base is the same work without the adapter. */
#ifndef TIEBREAK_BENCH_CASE_H
#define TIEBREAK_BENCH_CASE_H
#include "core/json.h"
#include "kernels/backend.h"
#include "model/sites.h"
#include "adapters/method.h"

typedef struct {
    const char *name;   /* "fwd" */
    int64_t     tokens; /* rows; a row of the table each: decode has three */
    bool        forward, backward, expands;
    int64_t     calls; /* in one sample, each on the next set of arrays; 0: one */
} bench_op;

/* Which of many adapters the rows of a decode step take: each another one, all the same one, or
 * some more often than others, as requests come to a server. */
typedef enum {
    POPULARITY_ONE,
    POPULARITY_DIFFERENT,
    POPULARITY_SAME,
    POPULARITY_ZIPF,
    POPULARITY_COUNT
} bench_popularity;
extern const char *const bench_popularity_name[POPULARITY_COUNT]; /* "" for the first */

typedef enum { MODE_LAYERS, MODE_HOT, MODE_COLD, MODE_BACK_TO_BACK, MODE_COUNT } bench_mode;
typedef struct {
    const char *name;   /* "" for the first */
    bool        cold;   /* all arrays rotate */
    bool        queued; /* no wait between samples */
} bench_mode_info;
extern const bench_mode_info bench_modes[MODE_COUNT];

typedef struct {
    char                          name[256];
    const bench_op               *op;
    const method                 *method;
    int64_t                       rank;
    const char                   *shape; /* preset of model/config.h, or "square-4096" */
    site_set                      sites; /* one, or several that read one input */
    bench_mode                    mode;
    const struct adapted_variant *variant;  /* kernels/variant.h; NULL: what the model does */
    int64_t                       adapters; /* that rows choose among; 0: one */
    bench_popularity              popularity;
    const char                   *published; /* whose published shapes these are; NULL: nobody's */
} bench_spec;

/* Every case on a backend, in the order of the lists; caller frees. */
bench_spec *bench_specs(const backend *be, int64_t *n);

/* Why the case's variant cannot do it on this device, in words; NULL if it can. Such a case is to
 * be skipped: bench_measure refuses it. */
const char *bench_refusal(const bench_spec *spec, const backend *be);
/* The configuration of a case (`bench_case` in core/record_fields.def), which costs nothing. *asked
 * is the caller's. */
int bench_asked(const bench_spec *spec, const backend *be, json **asked);
/* Sets up, checks the answer against f64 at sampled outputs, times 10 to 4000 pairs in about
 * min_time_s, and checks again. *result, the samples and their summary, is `timing` of
 * core/record_fields.def and the caller's. */
int bench_measure(const bench_spec *spec, const backend *be, double min_time_s, uint64_t seed, json **result);

/* Do the two differ in their variants alone? Such cases answer which variant is the fastest. */
bool bench_same_but_variant(const bench_spec *a, const bench_spec *b);
/* For a signal handler: bench_measure gives up at its next pair, with ERR_FAILED. */
void bench_interrupt(int signal_number);
bool bench_interrupted(void);
#endif
