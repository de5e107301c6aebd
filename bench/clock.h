/* Timing something on a backend, and whether the device ran at its usual clock meanwhile. */
#ifndef TIEBREAK_BENCH_CLOCK_H
#define TIEBREAK_BENCH_CLOCK_H
#include "kernels/backend.h"

typedef struct {
    double seconds, clock_hz; /* clock_hz NaN: unknown */
} bench_time;

/* Calls what(ctx) and waits for it: by the device's clock where it has one, else by the host's.
 * Returns what sync returned. */
int bench_timed(const backend *be, void (*what)(void *ctx), void *ctx, bench_time *t);

/* The same by the host's clock, launches included: the time that a caller waits for one call. */
int bench_timed_by_host(const backend *be, void (*what)(void *ctx), void *ctx, bench_time *t);

/* The seconds that the same clock tells of nothing: the median of 31 empty intervals. Every sample
 * has one in it. queued: between two marks (kernels/backend.h). */
double bench_empty(const backend *be, bool queued);

enum { SETTLE_WINDOW = 5 };
/* True when the medians of the last five values and of the five before differ by at most 1 %.
 * NaN never settles. */
bool bench_settled(const double *x, int64_t n);
/* Median of the last five values that are numbers; NaN when there is none. */
double bench_recent(const double *x, int64_t n);
/* A sample of a slowed-down device: its clock is known and below 75 % of the settled one
 * (NVIDIA's nvbench draws the same line). */
bool bench_throttled(double clock_hz, double settled_hz);
/* Waits for a device to recover before the next try: 50 ms for the first three in a row, then
 * twice as long each time, up to a second. */
void bench_pause(int64_t in_a_row);
#endif
