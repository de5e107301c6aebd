#include "bench/sample.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/progress.h"

enum { PAIRS_MIN = 10, PAIRS_MAX = 4000, WARM_MIN = 3, WARM_MAX = 1000, TRIES = 12, HOST_PAIRS = 30, HOST_ROWS = 64 };

/* Calls in a row, each on the next set. */
typedef struct {
    bench_state *s;
    int64_t      first, count;
    void (*run)(bench_state *s, int64_t set);
} calls;

static void run_calls(void *ctx)
{
    const calls *c = ctx;
    for (int64_t i = 0; i < c->count; i++) c->run(c->s, (c->first + i) % c->s->n_sets);
}

typedef int (*timer)(const backend *be, void (*what)(void *ctx), void *ctx, bench_time *t);

static volatile sig_atomic_t stop;
void                         bench_interrupt(int signal_number)
{
    (void)signal_number;
    stop = 1;
}
bool bench_interrupted(void) { return stop; }

static int64_t calls_of(const bench_samples *m) { return m->s->spec->op->calls ? m->s->spec->op->calls : 1; }

/* The two halves of the next pair, in their order, and where their times go. Which of the two comes
 * first alternates, so that a drift of the machine's speed hits both alike. They go on the same
 * sets, but where these have to be cold: there each call takes the next one. */
static void next_pair(bench_samples *m, int64_t count, bench_pair *p, calls half[2], bench_time *to[2])
{
    bench_state *s          = m->s;
    const bool   base_first = (m->pairs++ / s->n_sets) % 2, cold = bench_modes[s->spec->mode].cold;
    for (int i = 0; i < 2; i++) {
        const bool base = (i == 0) == base_first;
        half[i]         = (calls) { s, m->next, count, base ? bench_run_base : bench_run_case };
        to[i]           = base ? &p->base : &p->with;
        if (cold || i == 1) m->next = (m->next + count) % s->n_sets;
    }
}

/* A call's share of a sample. */
static int shared(const bench_samples *m, int64_t count, bench_time *t)
{
    t->seconds = (t->seconds - m->empty_s) / (double)count;
    if (t->seconds > 0 || !(m->empty_s > 0)) return OK;
    return run_error("bench: %s: a sample took no longer than the %.3g s of an empty interval, so its calls cannot be "
                     "timed by this clock",
                     m->s->spec->name, m->empty_s);
}

static int time_pair(bench_samples *m, timer timed, int64_t count, bench_pair *p)
{
    calls       half[2];
    bench_time *to[2];
    int         rc = OK;
    if (stop) return run_error("bench: %s: interrupted", m->s->spec->name);
    next_pair(m, count, p, half, to);
    for (int i = 0; i < 2 && !rc; i++) {
        rc = timed(m->s->be, run_calls, &half[i], to[i]);
        if (!rc) rc = shared(m, count, to[i]);
    }
    return rc;
}

/* Pairs back to back: the device goes from one to the next, and the host waits for the last. Their
 * clock is that of the whole stretch. */
static int time_queue(bench_samples *m)
{
    const backend *be = m->s->be;
    bench_time    *to[BENCH_QUEUE][2];
    if (stop) return run_error("bench: %s: interrupted", m->s->spec->name);
    be->time_begin(be);
    be->time_mark(be);
    for (int k = 0; k < BENCH_QUEUE; k++) {
        calls half[2];
        next_pair(m, calls_of(m), &m->queue[k], half, to[k]);
        for (int i = 0; i < 2; i++) {
            run_calls(&half[i]);
            be->time_mark(be);
        }
    }
    be->time_end(be);
    const double clock_hz = be->time_clock_hz ? be->time_clock_hz(be) : NAN;
    int          rc       = be->sync(be);
    for (int i = 0; i < 2 * BENCH_QUEUE && !rc; i++) {
        bench_time *t = to[i / 2][i % 2];
        *t            = (bench_time) { .seconds = be->time_between(be, i), .clock_hz = clock_hz };
        rc            = shared(m, calls_of(m), t);
    }
    m->waiting = BENCH_QUEUE;
    return rc;
}

static int take_pair(bench_samples *m, bench_pair *p)
{
    if (!bench_modes[m->s->spec->mode].queued) return time_pair(m, bench_timed, calls_of(m), p);
    int rc = m->waiting ? OK : time_queue(m);
    if (!rc) *p = m->queue[BENCH_QUEUE - m->waiting--];
    return rc;
}

int bench_sample(bench_samples *m)
{
    bench_pair p = { 0 };
    for (int64_t in_a_row = 0; in_a_row < TRIES; in_a_row++) {
        int rc = take_pair(m, &p);
        if (rc) return rc;
        if (!bench_throttled(p.base.clock_hz, m->settled_hz) && !bench_throttled(p.with.clock_hz, m->settled_hz)) {
            m->kept[m->n++] = p;
            return OK;
        }
        m->rejected++;
        m->waiting = 0; /* they are of the same stretch */
        bench_pause(in_a_row + 1);
    }
    return run_error(
        "bench: %s: the device's clock fell to %.0f MHz, from %.0f after warm-up, and did not come back in %d tries: cool it, or let nothing "
        "else run on it, and measure again",
        m->s->spec->name, p.with.clock_hz / 1e6, m->settled_hz / 1e6, TRIES);
}

int bench_warm_up(bench_samples *m, double min_time_s, int64_t repetitions)
{
    double clocks[WARM_MAX], times[WARM_MAX], pair_s = 0, start = clock_s();
    int    rc = OK;
    while (!rc && m->warm_pairs < WARM_MAX &&
           (m->warm_pairs < WARM_MIN || (!m->settled && m->warm_s < 2 * min_time_s))) {
        bench_pair p          = { 0 };
        double     before     = clock_s();
        m->waiting            = 0;
        rc                    = take_pair(m, &p);
        pair_s                = (clock_s() - before) / (double)(m->waiting + 1);
        clocks[m->warm_pairs] = p.with.clock_hz;
        times[m->warm_pairs]  = p.with.seconds + p.base.seconds;
        m->warm_pairs++;
        m->settled_hz = bench_recent(clocks, m->warm_pairs);
        m->settled    = bench_settled(isfinite(m->settled_hz) ? clocks : times, m->warm_pairs);
        m->warm_s     = clock_s() - start;
    }
    double fit = pair_s > 0 ? fmin(PAIRS_MAX, fmax(PAIRS_MIN, min_time_s / pair_s)) : PAIRS_MAX;
    m->pairs = m->next = m->waiting = 0;
    m->wanted                       = (int64_t)fit / repetitions * repetitions;
    m->kept                         = mem_alloc((size_t)m->wanted, sizeof *m->kept);
    if (!rc) m->empty_s = bench_empty(m->s->be, bench_modes[m->s->spec->mode].queued);
    return rc ? rc : m->s->be->sync(m->s->be);
}

int bench_sample_by_host(bench_samples *m)
{
    const bench_op *op = m->s->spec->op;
    if (!m->s->be->time_begin || op->backward || m->s->dims.n > HOST_ROWS) return OK;
    int rc               = OK;
    m->by_host           = mem_alloc(HOST_PAIRS, sizeof *m->by_host);
    const double empty_s = m->empty_s;
    m->empty_s           = 0; /* what a caller waits */
    for (m->pairs = 0; m->n_by_host < HOST_PAIRS && !rc; m->n_by_host++)
        rc = time_pair(m, bench_timed_by_host, 1, &m->by_host[m->n_by_host]);
    m->empty_s = empty_s;
    return rc;
}

void bench_samples_free(bench_samples *m)
{
    free(m->kept);
    free(m->by_host);
}
