#include "bench/clock.h"

#include <math.h>
#include <time.h>

#include "core/progress.h"
#include "core/stats.h"

int bench_timed(const backend *be, void (*what)(void *ctx), void *ctx, bench_time *t)
{
    *t = (bench_time) { .clock_hz = NAN };
    if (be->time_begin) {
        be->time_begin(be);
        what(ctx);
        t->seconds = be->time_end(be);
        if (be->time_clock_hz) t->clock_hz = be->time_clock_hz(be);
        return be->sync(be);
    }
    return bench_timed_by_host(be, what, ctx, t);
}

int bench_timed_by_host(const backend *be, void (*what)(void *ctx), void *ctx, bench_time *t)
{
    *t           = (bench_time) { .clock_hz = NAN };
    double start = clock_s();
    what(ctx);
    int rc     = be->sync(be);
    t->seconds = clock_s() - start;
    return rc;
}

double bench_empty(const backend *be, bool queued)
{
    enum { EMPTY = 31 };
    double seconds[EMPTY];
    if (queued) be->time_begin(be);
    for (int i = 0; queued && i <= EMPTY; i++) be->time_mark(be);
    if (queued) be->time_end(be);
    for (int i = 0; i < EMPTY; i++) {
        double start = clock_s();
        if (be->time_begin && !queued) be->time_begin(be);
        seconds[i] = queued ? be->time_between(be, i) : be->time_begin ? be->time_end(be) : clock_s() - start;
    }
    return stats_median(seconds, EMPTY);
}

bool bench_settled(const double *x, int64_t n)
{
    if (n < 2 * SETTLE_WINDOW) return false;
    double now    = stats_median(x + n - SETTLE_WINDOW, SETTLE_WINDOW),
           before = stats_median(x + n - 2 * SETTLE_WINDOW, SETTLE_WINDOW);
    return fabs(now - before) <= 0.01 * before;
}

double bench_recent(const double *x, int64_t n)
{
    double  last[SETTLE_WINDOW];
    int64_t k = 0;
    for (int64_t i = n - 1; i >= 0 && k < SETTLE_WINDOW; i--)
        if (isfinite(x[i])) last[k++] = x[i];
    return k ? stats_median(last, k) : NAN;
}

bool bench_throttled(double clock_hz, double settled_hz) { return clock_hz < 0.75 * settled_hz; }

void bench_pause(int64_t in_a_row)
{
    int64_t         ms   = in_a_row <= 3 ? 50 : in_a_row > 7 ? 1000 : INT64_C(50) << (in_a_row - 3);
    struct timespec wait = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    nanosleep(&wait, NULL);
}
