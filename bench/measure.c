/* One case: warm-up, the two things timed in turn, the checks around them, and the summary that
 * goes into the record. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/case.h"
#include "bench/check.h"
#include "bench/clock.h"
#include "bench/floor.h"
#include "bench/gbench.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/progress.h"
#include "core/record.h"
#include "core/stats.h"

enum { PAIRS_MIN = 10, PAIRS_MAX = 4000, WARM_MIN = 3, WARM_MAX = 1000, TRIES = 12, WAITED_PAIRS = 30 };

typedef struct {
    bench_time base, with;
} pair_time;

typedef struct {
    bench_state *s;
    pair_time   *kept;   /* [cap] */
    pair_time   *waited; /* [n_waited], by the host's clock */
    int64_t      n_waited;
    bool         repeats;
    int64_t      n, cap, call;
    double       settled_hz, warm_s; /* settled_hz NaN: unknown */
    bool         settled;
    int64_t      rejected, warm_calls;
} sampler;

typedef struct {
    bench_state *s;
    int64_t      set;
} call;

static void base_once(void *ctx) { bench_run_base(((call *)ctx)->s, ((call *)ctx)->set); }
static void case_once(void *ctx) { bench_run_case(((call *)ctx)->s, ((call *)ctx)->set); }

typedef int (*timer)(const backend *be, void (*what)(void *ctx), void *ctx, bench_time *t);

/* One pair of samples; which comes first alternates, so a drift of the machine's speed hits both
 * alike. */
static int pair_of_samples(sampler *m, timer timed, pair_time *t)
{
    bench_state *s     = m->s;
    int64_t      turn  = m->call % s->n_sets;
    bool         first = (m->call / s->n_sets) % 2; /* the base is */
    call         base = { s, turn }, with = { s, (turn + s->lag) % s->n_sets };
    int          rc = first ? timed(s->be, base_once, &base, &t->base) : OK;
    if (!rc) rc = timed(s->be, case_once, &with, &t->with);
    if (!rc && !first) rc = timed(s->be, base_once, &base, &t->base);
    m->call++;
    return rc;
}

/* A pair of which one sample is of a slowed-down device is thrown away, counted, and taken
 * again. */
static int sample(void *ctx, double *seconds)
{
    sampler  *m = ctx;
    pair_time t = { 0 };
    for (int64_t in_a_row = 0; in_a_row < TRIES; in_a_row++) {
        int rc = pair_of_samples(m, bench_timed, &t);
        if (rc) return rc;
        if (!bench_throttled(t.base.clock_hz, m->settled_hz) && !bench_throttled(t.with.clock_hz, m->settled_hz)) {
            if (m->n < m->cap) m->kept[m->n++] = t;
            *seconds = t.with.seconds;
            return OK;
        }
        m->rejected++;
        bench_pause(in_a_row + 1);
    }
    return run_error(
        "bench: %s: the device's clock fell to %.0f MHz, from %.0f after warm-up, and did not come back in %d tries: cool it, or let nothing "
        "else run on it, and measure again",
        m->s->spec->name, t.with.clock_hz / 1e6, m->settled_hz / 1e6, TRIES);
}

/* Until the clock, or where that is unknown the time of a pair, has settled, for at most this
 * long. Also learns how many pairs fit the time asked for. */
static int warm_up(sampler *m, double most_s, double *pair_s)
{
    double *clocks = mem_alloc(WARM_MAX, sizeof *clocks), *times = mem_alloc(WARM_MAX, sizeof *times),
           start = clock_s();
    int64_t n    = 0;
    int     rc   = OK;
    while (!rc && n < WARM_MAX && (n < WARM_MIN || (!m->settled && m->warm_s < most_s))) {
        pair_time t      = { 0 };
        double    before = clock_s();
        rc               = pair_of_samples(m, bench_timed, &t);
        *pair_s          = clock_s() - before;
        clocks[n]        = t.with.clock_hz;
        times[n]         = t.with.seconds + t.base.seconds;
        n++;
        m->settled = bench_settled(isfinite(bench_recent(clocks, n)) ? clocks : times, n);
        m->warm_s  = clock_s() - start;
    }
    m->settled_hz = bench_recent(clocks, n);
    m->warm_calls = n;
    free(clocks);
    free(times);
    return rc;
}

typedef double (*reading)(const pair_time *t);
static double base_ns(const pair_time *t) { return 1e9 * t->base.seconds; }
static double case_ns(const pair_time *t) { return 1e9 * t->with.seconds; }
static double base_mhz(const pair_time *t) { return 1e-6 * t->base.clock_hz; }
static double case_mhz(const pair_time *t) { return 1e-6 * t->with.clock_hz; }
static double over_base(const pair_time *t) { return t->with.seconds / t->base.seconds - 1; }

static double *read_all(const sampler *m, reading what)
{
    double *x = mem_alloc((size_t)m->n, sizeof *x);
    for (int64_t i = 0; i < m->n; i++) x[i] = what(&m->kept[i]);
    return x;
}

static double median_of(const sampler *m, reading what)
{
    double *x = read_all(m, what), median = stats_median(x, m->n);
    free(x);
    return median;
}

static json *samples(const pair_time *t, int64_t n, reading what)
{
    json *a = json_array();
    for (int64_t i = 0; i < n; i++) json_push(a, json_of_number(round(what(&t[i]))));
    return a;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void set_overhead(json *j, const sampler *m)
{
    /* order statistics n/2 -+ k: 95 % for the median */
    int64_t n = m->n, k = (int64_t)floor(0.98 * sqrt((double)n));
    double *ratio = read_all(m, over_base);
    qsort(ratio, (size_t)n, sizeof *ratio, ascending);
    record_put_number(j, field_timing_overhead, stats_median(ratio, n));
    record_put_number(j, field_timing_overhead_low, ratio[n / 2 - k < 0 ? 0 : n / 2 - k]);
    record_put_number(j, field_timing_overhead_high, ratio[n / 2 + k > n - 1 ? n - 1 : n / 2 + k]);
    free(ratio);
}

static void set_floor(json *j, const sampler *m, const bench_rates *rates)
{
    bench_floor f = bench_floor_of(m->s, rates);
    record_put_number(j, field_timing_flops, f.flops);
    record_put_number(j, field_timing_base_flops, f.base_flops);
    record_put_number(j, field_timing_bytes, f.bytes);
    record_put_number(j, field_timing_base_bytes, f.base_bytes);
    record_put_number(j, field_timing_gemm_flops_per_s, rates->gemm_flops_per_s);
    record_put_number(j, field_timing_copy_bytes_per_s, rates->copy_bytes_per_s);
    record_put_number(j, field_timing_floor_ns, 1e9 * f.fused_s);
    record_put_number(j, field_timing_base_floor_ns, 1e9 * f.base_s);
    record_put_number(j, field_timing_ops_floor_ns, 1e9 * f.ops_s);
    record_put_number(j, field_timing_share_of_floor, 1e9 * f.fused_s / median_of(m, case_ns));
    record_put_number(j, field_timing_base_share_of_floor, 1e9 * f.base_s / median_of(m, base_ns));
}

/* What only a device with a clock of its own tells. */
static void set_clocks(json *j, const sampler *m)
{
    record_put_number(j, field_timing_settled_mhz, m->settled_hz / 1e6);
    record_put_count(j, field_timing_rejected, m->rejected);
    if (m->kept[0].with.launches >= 0) {
        record_put_count(j, field_timing_launches, m->kept[0].with.launches);
        record_put_count(j, field_timing_base_launches, m->kept[0].base.launches);
    }
    record_put(j, field_timing_base_mhz, samples(m->kept, m->n, base_mhz));
    record_put(j, field_timing_case_mhz, samples(m->kept, m->n, case_mhz));
}

/* What the variant moves beside the base, by its own list of steps, where adapters are what is
 * moved. */
static void set_moved(json *j, const bench_state *s)
{
    const adapted_cost cost = adapted_cost_of(s->be, s->variant, ADAPTED_FORWARD, &s->sets[0].call);
    record_put_number(j, field_timing_moved_over_base, cost.bytes / linear_bytes(s->dims, (double)s->be->elem) - 1);
}

static json *result_of(const sampler *m, const bench_rates *rates)
{
    json *j = json_object();
    set_overhead(j, m);
    record_put_number(j, field_timing_base_ns_median, median_of(m, base_ns));
    record_put_count(j, field_timing_n, m->n);
    record_put_text(j, field_timing_clock, m->s->be->time_begin ? "device" : "host");
    record_put_number(j, field_timing_warm_s, m->warm_s);
    record_put_count(j, field_timing_warm_pairs, m->warm_calls);
    record_put_flag(j, field_timing_settled, m->settled);
    set_floor(j, m, rates);
    if (m->s->spec->adapters) set_moved(j, m->s);
    if (m->s->be->time_clock_hz) set_clocks(j, m);
    record_put(j, field_timing_base_ns, samples(m->kept, m->n, base_ns));
    record_put(j, field_timing_case_ns, samples(m->kept, m->n, case_ns));
    record_put_flag(j, field_timing_same_bits, m->repeats);
    if (m->n_waited) {
        record_put(j, field_timing_base_waited_ns, samples(m->waited, m->n_waited, base_ns));
        record_put(j, field_timing_case_waited_ns, samples(m->waited, m->n_waited, case_ns));
    }
    return j;
}

static int take_samples(sampler *m, double min_time_s)
{
    double pair_s = 0;
    int    rc     = warm_up(m, 2 * min_time_s, &pair_s);
    if (rc) return rc;
    double fit   = pair_s > 0 ? min_time_s / pair_s : PAIRS_MAX;
    m->call      = 0;
    m->cap       = fit < PAIRS_MIN ? PAIRS_MIN : fit > PAIRS_MAX ? PAIRS_MAX : (int64_t)fit;
    m->kept      = mem_alloc((size_t)m->cap, sizeof *m->kept);
    bench_case c = { m->s->spec->name, sample, m, m->cap };
    return bench_run(&c, 1);
}

/* Where the samples leave the host's part of a launch out, also with it, where it counts: of few
 * rows. */
static int take_waited(sampler *m)
{
    const bench_op *op = m->s->spec->op;
    if (!m->s->be->time_begin || op->backward || m->s->dims.n > 64) return OK;
    int rc    = OK;
    m->waited = mem_alloc(WAITED_PAIRS, sizeof *m->waited);
    for (m->call = 0; m->n_waited < WAITED_PAIRS && !rc; m->n_waited++)
        rc = pair_of_samples(m, bench_waited, &m->waited[m->n_waited]);
    return rc;
}

int bench_measure(const bench_spec *spec, const backend *be, double min_time_s, uint64_t seed, json **result)
{
    bench_state s = { .be = be, .spec = spec };
    sampler     m = { .s = &s, .settled_hz = NAN };
    bench_rates rates;
    const char *why = bench_refusal(spec, be);
    int         rc  = why ? run_error("bench: %s: the variant %s", spec->name, why) : bench_rates_of(be, &rates);
    if (!rc) rc = bench_state_init(&s, spec, be, seed);
    if (!rc) rc = bench_check(&s);
    if (!rc) rc = bench_repeats(&s, &m.repeats);
    if (!rc) rc = take_samples(&m, min_time_s);
    if (!rc) rc = take_waited(&m);
    if (!rc) rc = bench_check(&s);
    if (!rc) *result = result_of(&m, &rates);
    free(m.kept);
    free(m.waited);
    bench_state_free(&s);
    return rc;
}
