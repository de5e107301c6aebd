/* The only door to Google Benchmark.
 *
 * Its part is to run a case's loop in repetitions, to keep time and counters of each, and to
 * report. Its JSON holds a case's repetitions with their mean, median and deviation, and its own
 * tools/compare.py reads two such files and tests whether they differ.
 *
 * Ours is which cases there are and which are chosen, warm-up, what an iteration is, and the
 * statistics of the record. An iteration is a pair: the base and the case in alternating order. The
 * record's overhead is the median of the pairs' ratios. The library cannot pair: its repetitions
 * time one function after the other, so a drift of the machine's speed would fall on one of the
 * two, and they keep means, where a record keeps every sample.
 *
 *     static int run(void *ctx, double *seconds);           one iteration; times itself
 *     static void count(void *ctx, bench_counter *counter); after each repetition, untimed
 *     bench_case c = { .name = "fwd/lora/r=8", .run = run, .count = count, .iterations = 20 };
 *     int rc = bench_run(&c); */
#ifndef TIEBREAK_BENCH_GBENCH_H
#define TIEBREAK_BENCH_GBENCH_H
#ifdef __cplusplus
extern "C" {
#endif
#include <stdint.h>

#include "core/str.h"

/* BENCH_REPETITIONS: as many as compare.py's U test wants (nine), and one more. */
enum { BENCH_COUNTERS = 2, BENCH_REPETITIONS = 10 };

typedef struct {
    const char *name;
    double      value;
} bench_counter;

typedef struct {
    const char *name;
    /* Returns 0, or a status whose reason error_text() says. *seconds is what is reported. */
    int (*run)(void *ctx, double *seconds);
    void (*count)(void *ctx, bench_counter counter[BENCH_COUNTERS]);
    void   *ctx;
    int64_t iterations; /* of each repetition, >= 1 */
} bench_case;

/* Runs all repetitions. Returns what run returned; ERR_FAILED when the library ran nothing. */
int bench_run(const bench_case *c);

/* Cases that run after the first call are also collected as Google Benchmark's JSON, one report
 * over all of them. The second call ends the report and gives its text, which the caller frees; it
 * is empty where no case ran. */
void bench_report_begin(void);
void bench_report_end(str *json);

#ifdef __cplusplus
}
#endif
#endif
