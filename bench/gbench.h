/* The only door to Google Benchmark: gbench.cc is the only C++ file in the tree.
 *
 *     int run(void *ctx, double *seconds);       // one iteration: times itself, sets *seconds; non-zero: failed (error_text says why)
 *     bench_case c = { .name = "fwd/lora/r=8", .run = run, .ctx = &state, .iterations = 200 };
 *     int rc = bench_run(&c, 1, on_result, NULL);
 */
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

/* After each case: its name, mean seconds of an iteration as the library counted them, iterations done, and the error or NULL. */
typedef void (*bench_result_fn)(void *user, const char *name, double mean_s, int64_t iterations, const char *error);

/* Runs the cases in order. OK only if at least one case ran and none failed (the library alone exits 0 in both bad cases); else ERR_FAILED with a
 * text. */
int bench_run(const bench_case *cases, int64_t count, bench_result_fn on_result, void *user);

#ifdef __cplusplus
}
#endif
#endif
