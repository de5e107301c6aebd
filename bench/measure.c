/* One case: the checks of its answer around its timing, and the summary that goes into the
 * record. */
#include <math.h>
#include <stdlib.h>

#include "bench/check.h"
#include "bench/floor.h"
#include "bench/gbench.h"
#include "bench/launches.h"
#include "bench/sample.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/record.h"
#include "core/stats.h"

typedef double (*reading)(const bench_pair *t);
static double base_ns(const bench_pair *t) { return 1e9 * t->base.seconds; }
static double case_ns(const bench_pair *t) { return 1e9 * t->with.seconds; }
static double base_mhz(const bench_pair *t) { return 1e-6 * t->base.clock_hz; }
static double case_mhz(const bench_pair *t) { return 1e-6 * t->with.clock_hz; }
static double over_base(const bench_pair *t) { return t->with.seconds / t->base.seconds - 1; }

static double *read_all(const bench_samples *m, reading what)
{
    double *x = mem_alloc((size_t)m->n, sizeof *x);
    for (int64_t i = 0; i < m->n; i++) x[i] = what(&m->kept[i]);
    return x;
}

static double median_of(const bench_samples *m, reading what)
{
    double *x = read_all(m, what), median = stats_median(x, m->n);
    free(x);
    return median;
}

static json *samples(const bench_pair *t, int64_t n, reading what)
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

static void set_overhead(json *j, const bench_samples *m)
{
    const int64_t n = m->n, l = stats_median_low(n);
    double       *ratio = read_all(m, over_base);
    qsort(ratio, (size_t)n, sizeof *ratio, ascending);
    record_put_number(j, field_timing_overhead, stats_median(ratio, n));
    record_put_number(j, field_timing_overhead_low, ratio[l]);
    record_put_number(j, field_timing_overhead_high, ratio[n - 1 - l]);
    free(ratio);
}

static void set_floor(json *j, const bench_samples *m, const bench_rates *rates)
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
static void set_clocks(json *j, const bench_samples *m)
{
    record_put_number(j, field_timing_settled_mhz, m->settled_hz / 1e6);
    record_put_count(j, field_timing_rejected, m->rejected);
    record_put(j, field_timing_base_mhz, samples(m->kept, m->n, base_mhz));
    record_put(j, field_timing_case_mhz, samples(m->kept, m->n, case_mhz));
}

static void set_launches(json *j, const bench_launches *base, const bench_launches *with)
{
    if (with->launches >= 0) {
        record_put_count(j, field_timing_launches, with->launches);
        record_put_count(j, field_timing_base_launches, base->launches);
    }
    if (with->kernels >= 0 && base->kernels >= 0) {
        record_put_count(j, field_timing_kernels, with->kernels);
        record_put_count(j, field_timing_base_kernels, base->kernels);
    }
}

/* What the variant moves beside the base, by its own list of steps, where adapters are what is
 * moved. */
static void set_moved(json *j, const bench_state *s)
{
    const adapted_cost cost = adapted_cost_of(s->be, s->variant, ADAPTED_FORWARD, &s->sets[0].call);
    record_put_number(j, field_timing_moved_over_base, cost.bytes / linear_bytes(s->dims, (double)s->be->elem) - 1);
}

/* What is known of a case beside its samples. */
typedef struct {
    bench_rates    rates;
    bench_launches base, with;
    bool           same_bits;
} known;

static json *result_of(const bench_samples *m, const known *k)
{
    json *j = json_object();
    set_overhead(j, m);
    record_put_number(j, field_timing_base_ns_median, median_of(m, base_ns));
    record_put_count(j, field_timing_n, m->n);
    record_put_count(j, field_timing_calls, m->s->spec->op->calls ? m->s->spec->op->calls : 1);
    record_put_number(j, field_timing_empty_ns, 1e9 * m->empty_s);
    record_put_text(j, field_timing_clock, m->s->be->time_begin ? "device" : "host");
    record_put_number(j, field_timing_warm_s, m->warm_s);
    record_put_count(j, field_timing_warm_pairs, m->warm_pairs);
    record_put_flag(j, field_timing_settled, m->settled);
    set_floor(j, m, &k->rates);
    if (m->s->spec->adapters) set_moved(j, m->s);
    if (m->s->be->time_clock_hz) set_clocks(j, m);
    set_launches(j, &k->base, &k->with);
    record_put(j, field_timing_base_ns, samples(m->kept, m->n, base_ns));
    record_put(j, field_timing_case_ns, samples(m->kept, m->n, case_ns));
    record_put_flag(j, field_timing_same_bits, k->same_bits);
    if (m->n_by_host) {
        record_put(j, field_timing_base_waited_ns, samples(m->by_host, m->n_by_host, base_ns));
        record_put(j, field_timing_case_waited_ns, samples(m->by_host, m->n_by_host, case_ns));
    }
    return j;
}

/* One iteration of Google Benchmark: a pair. What the library reports is the case's time. */
static int take_pair(void *ctx, double *seconds)
{
    bench_samples *m  = ctx;
    int            rc = bench_sample(m);
    if (!rc) *seconds = m->kept[m->n - 1].with.seconds;
    return rc;
}

/* What the library reports of a repetition beside the case's time. */
static void count_repetition(void *ctx, bench_counter counter[BENCH_COUNTERS])
{
    bench_samples last = *(const bench_samples *)ctx;
    int64_t       n    = last.wanted / BENCH_REPETITIONS;
    last.kept += last.n - n, last.n = n;
    counter[0] = (bench_counter) { "base_ns", median_of(&last, base_ns) };
    counter[1] = (bench_counter) { "overhead", median_of(&last, over_base) };
}

static int take_samples(bench_samples *m, double min_time_s)
{
    int rc = bench_warm_up(m, min_time_s, BENCH_REPETITIONS);
    if (!rc)
        rc = bench_run(&(bench_case) { .name       = m->s->spec->name,
                                       .run        = take_pair,
                                       .count      = count_repetition,
                                       .ctx        = m,
                                       .iterations = m->wanted / BENCH_REPETITIONS });
    return rc ? rc : bench_sample_by_host(m);
}

int bench_measure(const bench_spec *spec, const backend *be, double min_time_s, uint64_t seed, json **result)
{
    bench_state   s   = { .be = be, .spec = spec };
    bench_samples m   = { .s = &s };
    known         k   = { 0 };
    const char   *why = bench_refusal(spec, be);
    int           rc  = why ? run_error("bench: %s: the variant %s", spec->name, why) : bench_rates_of(be, &k.rates);
    if (!rc) rc = bench_state_init(&s, spec, be, seed);
    if (!rc) rc = bench_check(&s);
    if (!rc) rc = bench_repeats(&s, &k.same_bits);
    if (!rc) rc = bench_count_launches(&s, &k.base, &k.with);
    if (!rc) rc = take_samples(&m, min_time_s);
    if (!rc) rc = bench_check(&s); /* a kernel may have spoilt its own arrays meanwhile */
    if (!rc) *result = result_of(&m, &k);
    bench_samples_free(&m);
    bench_state_free(&s);
    return rc;
}
