#include "bench/sample.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/progress.h"

enum { PAIRS_MIN = 10, PAIRS_MAX = 4000, WARM_MIN = 3, WARM_MAX = 1000, TRIES = 12, HOST_PAIRS = 30, HOST_ROWS = 64 };

typedef struct {
    bench_state *s;
    int64_t      set;
} call;

static void base_once(void *ctx) { bench_run_base(((call *)ctx)->s, ((call *)ctx)->set); }
static void case_once(void *ctx) { bench_run_case(((call *)ctx)->s, ((call *)ctx)->set); }

typedef int (*timer)(const backend *be, void (*what)(void *ctx), void *ctx, bench_time *t);

static volatile sig_atomic_t stop;
void                         bench_interrupt(int signal_number)
{
    (void)signal_number;
    stop = 1;
}
bool bench_interrupted(void) { return stop; }

/* Which of the two comes first alternates, so a drift of the machine's speed hits both alike. */
static int time_pair(bench_samples *m, timer timed, bench_pair *p)
{
    if (stop) return run_error("bench: %s: interrupted", m->s->spec->name);
    bench_state *s          = m->s;
    int64_t      turn       = m->calls % s->n_sets;
    bool         base_first = (m->calls / s->n_sets) % 2;
    call         base = { s, turn }, with = { s, (turn + s->lag) % s->n_sets };
    int          rc = base_first ? timed(s->be, base_once, &base, &p->base) : OK;
    if (!rc) rc = timed(s->be, case_once, &with, &p->with);
    if (!rc && !base_first) rc = timed(s->be, base_once, &base, &p->base);
    m->calls++;
    return rc;
}

int bench_sample(bench_samples *m)
{
    bench_pair p = { 0 };
    for (int64_t in_a_row = 0; in_a_row < TRIES; in_a_row++) {
        int rc = time_pair(m, bench_timed, &p);
        if (rc) return rc;
        if (!bench_throttled(p.base.clock_hz, m->settled_hz) && !bench_throttled(p.with.clock_hz, m->settled_hz)) {
            m->kept[m->n++] = p;
            return OK;
        }
        m->rejected++;
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
        rc                    = time_pair(m, bench_timed, &p);
        pair_s                = clock_s() - before;
        clocks[m->warm_pairs] = p.with.clock_hz;
        times[m->warm_pairs]  = p.with.seconds + p.base.seconds;
        m->warm_pairs++;
        m->settled_hz = bench_recent(clocks, m->warm_pairs);
        m->settled    = bench_settled(isfinite(m->settled_hz) ? clocks : times, m->warm_pairs);
        m->warm_s     = clock_s() - start;
    }
    double fit = pair_s > 0 ? fmin(PAIRS_MAX, fmax(PAIRS_MIN, min_time_s / pair_s)) : PAIRS_MAX;
    m->calls   = 0;
    m->wanted  = (int64_t)fit / repetitions * repetitions;
    m->kept    = mem_alloc((size_t)m->wanted, sizeof *m->kept);
    return rc;
}

int bench_sample_by_host(bench_samples *m)
{
    const bench_op *op = m->s->spec->op;
    if (!m->s->be->time_begin || op->backward || m->s->dims.n > HOST_ROWS) return OK;
    int rc     = OK;
    m->by_host = mem_alloc(HOST_PAIRS, sizeof *m->by_host);
    for (m->calls = 0; m->n_by_host < HOST_PAIRS && !rc; m->n_by_host++)
        rc = time_pair(m, bench_timed_by_host, &m->by_host[m->n_by_host]);
    return rc;
}

void bench_samples_free(bench_samples *m)
{
    free(m->kept);
    free(m->by_host);
}
