/* The samples of one case: base and case timed in turn, after warm-up. */
#ifndef TIEBREAK_BENCH_SAMPLE_H
#define TIEBREAK_BENCH_SAMPLE_H
#include "bench/clock.h"
#include "bench/state.h"

/* Base and case, timed one right after the other. */
typedef struct {
    bench_time base, with; /* of one call */
} bench_pair;

enum { BENCH_QUEUE = 10 };

/* Zeroed but for `s`; free with bench_samples_free. */
typedef struct {
    bench_state *s;
    bench_pair  *kept; /* [wanted], n of them taken */
    int64_t      wanted, n;
    bench_pair  *by_host; /* [n_by_host]: the host's clock, launches included */
    int64_t      n_by_host;
    bench_pair   queue[BENCH_QUEUE]; /* back to back: taken at once, waiting of them not yet used */
    int64_t      waiting;
    int64_t      pairs, next; /* pairs begun; the set of the next call */
    int64_t      warm_pairs, rejected;
    double       warm_s, settled_hz; /* settled_hz NaN: unknown */
    double       empty_s;            /* taken off every sample, whose rest its calls share */
    bool         settled;            /* false: warm-up ran out of time first */
} bench_samples;

/* Runs pairs until the clock, or the time of a pair where the clock is unknown, has settled, for
 * at most twice min_time_s. Then sets how many pairs are wanted: as many as fit min_time_s, 10 to
 * 4000, a multiple of `repetitions`. Then the empty interval. */
int bench_warm_up(bench_samples *m, double min_time_s, int64_t repetitions);
/* Takes one of the wanted pairs. A pair with a sample of a slowed-down device is counted as
 * rejected and taken again; ERR_FAILED when the clock does not come back. */
int bench_sample(bench_samples *m);
/* Small forward batches are also timed by the host's clock, launch cost included. */
int  bench_sample_by_host(bench_samples *m);
void bench_samples_free(bench_samples *m);
#endif
