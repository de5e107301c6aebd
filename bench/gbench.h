/* The only door to Google Benchmark. The library runs a case for a fixed number of iterations and
 * counts what ran and what failed. Warm-up, pairing and statistics are ours (bench/measure.c): base
 * and case alternate in one loop, which the library's repetitions cannot do.
 *
 *     int run(void *ctx, double *seconds);  // one iteration: times itself and sets *seconds;
 *                                           // non-zero: it failed, and error_text says why
 *     bench_case c = { .name = "fwd/lora/r=8", .run = run, .ctx = &state, .iterations = 200 };
 *     int rc = bench_run(&c, 1); */
#ifndef TIEBREAK_BENCH_GBENCH_H
#define TIEBREAK_BENCH_GBENCH_H
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    const char *name;
    int (*run)(void *ctx, double *seconds);
    void   *ctx;
    int64_t iterations; /* >= 1 */
} bench_case;

/* Runs the cases in order. OK only if at least one case ran and none failed (the library alone
 * exits 0 in both bad cases); else ERR_FAILED with a text. */
int bench_run(const bench_case *cases, int64_t count);

#ifdef __cplusplus
}
#endif
#endif
