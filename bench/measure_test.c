/* A case is timed only where its answer is right, in f32 and in bf16: the bound of bf16 is wide,
 * but a pair that does nothing is far outside. */
#include <math.h>

#include "bench/check.h"
#include "bench/clock.h"
#include "bench/floor.h"
#include "bench/gbench.h"
#include "core/test.h"
#include "kernels/backend_private.h"

/* The pair left out. */
static void base_alone(adapted_walk *w, const adapted_linear *l)
{
    if (w->runs) w->be->linear_fwd(w->be, l->y, l->x, l->W, l->bias, adapted_dims(l), l->accumulate);
}

static int measure(const backend *be, const char *name, json **asked, json **result)
{
    int64_t     n, i = 0;
    bench_spec *specs = bench_specs(be, &n);
    while (i < n && strncmp(specs[i].name, name, strlen(name)) != 0) i++;
    assert_true(i < n);
    assert_ok(bench_asked(&specs[i], be, asked));
    int rc = bench_measure(&specs[i], be, 0, 1, result);
    free(specs);
    return rc;
}

static void check_backend(const backend *be)
{
    static const char *const methods[] = { "lora", "vera", "tied-lora" };
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        char  name[64];
        json *asked, *result;
        snprintf(name, sizeof name, "decode/%s/r=8/shape=mini/site=qkv/tokens=8/", methods[i]);
        assert_ok(measure(be, name, &asked, &result));
        assert_string_equal(json_find(asked, "dtype")->valuestring, be->dtype);
        assert_string_equal(json_find(asked, "device")->valuestring, be->params->name);
        assert_true(cJSON_IsTrue(json_find(result, "same_bits")));
        assert_true((json_find(result, "case_waited_ns") != NULL) == (be->time_begin != NULL));
        json_free(asked);
        json_free(result);
        const adapted_variant left_out[] = { { .name = "base-alone", .forward = base_alone }, { 0 } };
        backend               broken     = *be;
        broken.adapted                   = left_out;
        error_clear();
        assert_int_equal(measure(&broken, name, &asked, &result), ERR_FAILED);
        json_free(asked);
        assert_non_null(strstr(error_text(), "the kernel is wrong"));
    }
}

static void on_the_cpu(void **state)
{
    (void)state;
    check_backend(backend_find("cpu"));
}

static void in_bf16(void **state)
{
    (void)state;
    const backend *be = backend_find("cuda-bf16");
    if (!be) be = backend_find("cuda-emulated-bf16");
    if (!be) skip_because("%s", error_text());
    check_backend(be);
}

/* --- gradients: what a transposed map leaves out, or has 1 % too large, is found */

static int            dropped;    /* 0: none; else a factor's number + 1 */
static double         scaled = 1; /* what s is multiplied with */
static expand_bwd_op *transpose;
static void           wrong_expand_bwd(const backend *be, const expand_job *jobs, int64_t count)
{
    expand_job all[BENCH_PAIRS];
    memcpy(all, jobs, (size_t)count * sizeof *jobs);
    expand_job job = all[count - 1]; /* of several pairs the last alone is wrong */
    param    **d[] = {
           [FACTOR_A] = &job.dA, [FACTOR_U] = &job.du, [FACTOR_R] = &job.dR, [FACTOR_B] = &job.dB, [FACTOR_V] = &job.dv
    };
    if (dropped) *d[dropped - 1] = NULL;
    job.s *= scaled;
    all[count - 1] = job;
    transpose(be, all, count);
}

static void wrong_gradients_are_found(void **state)
{
    (void)state;
    const backend *cpu = backend_find("cpu");
    backend        be  = *cpu;
    transpose          = cpu->expand_bwd;
    be.expand_bwd      = wrong_expand_bwd;
    be.params          = &be;
    int64_t     n, seen = 0;
    bench_spec *specs = bench_specs(&be, &n);
    for (int64_t i = 0; i < n; i++) {
        bench_state s;
        const bool  several = specs[i].sites & (specs[i].sites - 1);
        if (strncmp(specs[i].name, "bwd/", 4) != 0 || strcmp(specs[i].shape, "mini") != 0 ||
            (specs[i].rank != 4 && !several))
            continue;
        assert_ok(bench_state_init(&s, &specs[i], &be, 1));
        for (int f = -1; f < FACTOR_COUNT; f++) {
            const factor_spec *row = f < 0 ? NULL : &specs[i].method->factor[f];
            /* its gradient does not pass the map */
            bool own   = f == FACTOR_A && row->scope == SCOPE_LAYER;
            dropped    = f + 1;
            bool finds = row && row->trained && !own;
            if (bench_check(&s) != (finds ? ERR_FAILED : OK)) fail_msg("%s, %d: %s", specs[i].name, f, error_text());
            seen += finds;
            error_clear();
        }
        dropped = 0;
        scaled  = 1.01;
        assert_int_equal(bench_check(&s), ERR_FAILED);
        assert_non_null(strstr(error_text(), "the kernel is wrong"));
        error_clear();
        scaled = 1;
        bench_state_free(&s);
    }
    assert_true(seen > 10);
    free(specs);
}

/* A pair left out of several is found, whichever; so is one in another's columns. */
static int  wrong_pair; /* -1: none; count: the first two change places */
static void one_pair_wrong(adapted_walk *w, const adapted_linear *l)
{
    adapted_pair pairs[BENCH_PAIRS];
    const int    count = (int)l->count;
    memcpy(pairs, l->pairs, (size_t)count * sizeof *pairs);
    if (wrong_pair >= 0 && wrong_pair < count) pairs[wrong_pair].p.r = 0;
    if (wrong_pair == count) pairs[0].at = l->pairs[1].at, pairs[1].at = l->pairs[0].at;
    adapted_linear other = *l;
    other.pairs          = pairs;
    adapted_base_first->forward(w, &other);
}

static void several_pairs_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int         pairs;
    } cases[]                     = { { "decode/lora/r=8/shape=mini/site=q,v/", 2 },
                                      { "decode/vera/r=8/shape=mini/site=q,k,v/", 3 },
                                      { "decode/tied-lora/r=8/shape=mini/site=q,k,v/", 3 } };
    const adapted_variant wrong[] = { { .name = "one-pair-wrong", .forward = one_pair_wrong }, { 0 } };
    backend               be      = *backend_find("cpu");
    be.adapted                    = wrong;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (wrong_pair = -1; wrong_pair <= cases[i].pairs; wrong_pair++) {
            json *asked, *result;
            error_clear();
            int rc = measure(&be, cases[i].name, &asked, &result);
            if (rc != (wrong_pair < 0 ? OK : ERR_FAILED))
                fail_msg("%s, %d: %s", cases[i].name, wrong_pair, error_text());
            if (rc) assert_non_null(strstr(error_text(), "the kernel is wrong"));
            assert_int_equal(json_find(asked, "d_out")->valueint, 384); /* one GEMM for q, k and v */
            json_free(asked);
            if (!rc) json_free(result);
        }
}

#define assert_near(got, want, tol) assert_within(fabs((got) - (want)), tol)

/* --- modes */

static void sets_of_a_mode(void **state)
{
    (void)state;
    const backend *be = backend_find("cuda");
    if (!be) be = backend_find("cuda-emulated");
    if (!be) skip_because("%s", error_text());
    int64_t     n;
    bench_spec *specs            = bench_specs(be, &n);
    int         seen[MODE_COUNT] = { 0 };
    for (int64_t i = 0; i < n; i++) {
        if (strcmp(specs[i].shape, "mini") != 0) continue;
        bench_state s;
        assert_ok(bench_plan(&s, &specs[i], be));
        seen[specs[i].mode]++;
        assert_true((strstr(specs[i].name, "/mode=") != NULL) == (specs[i].mode != MODE_LAYERS));
        if (specs[i].mode == MODE_HOT) assert_int_equal(s.n_sets, 1);
        if (!bench_modes[specs[i].mode].cold) continue;
        /* between two visits of a set: weights, and x and y at most twice */
        const double passed = (double)(s.n_sets - 1) * (double)be->elem *
                              (double)(s.dims.in * s.dims.out + 2 * s.dims.n * (s.dims.in + s.dims.out));
        assert_int_equal(s.n_sets % 2, 1);
        assert_true(passed >= 2.0 * (double)be->cache_bytes(be));
    }
    for (int k = 0; k < MODE_COUNT; k++) assert_true(seen[k] > 0);
    free(specs);
    specs = bench_specs(backend_find("cpu"), &n); /* which does not say how large its cache is */
    for (int64_t i = 0; i < n; i++) assert_true(!bench_modes[specs[i].mode].cold);
    free(specs);
}

/* An emulated call is slow: of VeRA the modes with rotating sets are left out, and each of the two
 * methods has one of the two lists of sites. */
static bool left_out(const bench_spec *b)
{
    const bool vera = !strcmp(b->method->name, "vera"), several = b->sites & (b->sites - 1);
    return (vera && bench_modes[b->mode].cold) || (several && vera == site_set_has(b->sites, SITE_K));
}

/* What --filter published= names: each as its project publishes it. */
static void published_shapes_are_a_group(void **state)
{
    (void)state;
    const backend *be = backend_find("cuda-emulated-bf16");
    if (!be) skip_because("%s", error_text());
    int64_t     n;
    int         seen[3] = { 0 };
    bench_spec *specs   = bench_specs(be, &n);
    for (int64_t i = 0; i < n; i++) {
        const char *whose = specs[i].published;
        bench_state s;
        assert_true((strstr(specs[i].name, "/published=") != NULL) == (whose != NULL));
        if (!whose) continue;
        assert_ok(bench_plan(&s, &specs[i], be));
        if (!strcmp(whose, "lorafusion"))
            seen[0]++, assert_true(s.dims.in == s.dims.out && specs[i].rank == 16);
        else if (!strcmp(whose, "flashinfer"))
            seen[1]++, assert_true(specs[i].adapters == 8 && (s.dims.in == 3072 || s.dims.in == 2688));
        else
            seen[2]++, assert_true(s.count == 2 ? s.dims.out == 2 * 14336 : s.dims.in == 14336);
    }
    for (int k = 0; k < 3; k++) assert_true(seen[k] > 0);
    free(specs);
}

/* Several pairs on one input go through the same checks: three of them by one method are enough. */
static bool enough_without(const bench_spec *spec)
{
    return strstr(spec->name, "/site=q,v/") || (strstr(spec->name, "/site=q,k,v/") && spec->mode != MODE_HOT) ||
           (strstr(spec->name, "/site=q,k,v/") && strcmp(spec->method->name, "lora") != 0);
}

/* Every variant passes the check of its answer, with an adapter that takes all of u, v (VeRA)
 * and one that trains A and B. */
static void check_variants(const backend *be, const backend *but_those_of)
{
    enum { PART = 3 * TEST_PART }; /* a variant has a dozen cases */
    int64_t     n, all = 0, seen = 0;
    bench_spec *specs = bench_specs(be, &n);
    for (int64_t i = 0; i < n; i++) {
        const char *m = specs[i].method->name;
        if (!specs[i].variant || strcmp(specs[i].shape, "mini") != 0 ||
            (strcmp(m, "vera") != 0 && strcmp(m, "lora") != 0) || left_out(&specs[i]) || enough_without(&specs[i]))
            continue;
        if (bench_refusal(&specs[i], be) ||
            (but_those_of && (specs[i].mode != MODE_HOT || adapted_find(but_those_of, specs[i].variant->name))))
            continue;
        if (all++ % PART != 0) continue;
        json *asked, *result;
        assert_non_null(strstr(specs[i].name, "/variant="));
        assert_ok(bench_asked(&specs[i], be, &asked));
        assert_ok(bench_measure(&specs[i], be, 0, 1, &result));
        assert_string_equal(json_find(asked, "variant")->valuestring, specs[i].variant->name);
        json_free(asked);
        json_free(result);
        seen++;
    }
    assert_true(seen > 0);
    free(specs);
}

static void variants_are_checked(void **state)
{
    (void)state;
    const backend *f32 = backend_find("cuda-emulated"), *bf16 = backend_find("cuda-emulated-bf16");
    if (!f32 || !bf16) skip_because("%s", error_text());
    check_variants(f32, NULL);
    check_variants(bf16, f32); /* what bf16 alone has */
}

/* A variant that refuses is not run. */
static const char *refuse(const adapted_linear *l)
{
    return l->n == 8 && l->pairs[0].p.r == 8 ? "needs more rows" : NULL;
}

/* Many adapters: each of the ways in which rows take them is checked, and told. */
static void many_adapters(void **state)
{
    (void)state;
    const backend *be = backend_find("cuda-bf16");
    if (!be) be = backend_find("cuda-emulated-bf16");
    if (!be) skip_because("%s", error_text());
    static const char *const names[]  = { "decode/tied-lora/", "decode/lora/" };
    double                   moved[2] = { 0 };
    for (int i = 0; i < 2; i++)
        for (int p = POPULARITY_DIFFERENT; p < POPULARITY_COUNT; p++) {
            char  name[192];
            json *asked, *result;
            for (int gather = 0; gather < 2; gather++) {
                snprintf(
                    name, sizeof name,
                    "%sr=8/shape=mini/site=qkv/tokens=8/device=%s/dtype=bf16/mode=hot/variant=%s/adapters=8/popularity=%s",
                    names[i], be->params->name, gather ? "gather" : "decode", bench_popularity_name[p]);
                assert_ok(measure(be, name, &asked, &result));
                const int distinct = json_find(asked, "distinct")->valueint;
                assert_true(p == POPULARITY_DIFFERENT ? distinct == 8
                            : p == POPULARITY_SAME    ? distinct == 1
                                                      : distinct > 1 && distinct < 8);
                if (p == POPULARITY_DIFFERENT && !gather) moved[i] = json_find(result, "moved_over_base")->valuedouble;
                json_free(asked);
                json_free(result);
            }
        }
    assert_true(moved[0] > 0 && moved[1] > 2 * moved[0]);
}

static void a_refused_case_is_not_measured(void **state)
{
    (void)state;
    backend               be   = *backend_find("cpu");
    const adapted_variant no[] = { *be.adapted, { .name = "no", .refuses = refuse }, { 0 } };
    be.adapted                 = no;
    int64_t     n, seen = 0;
    bench_spec *specs = bench_specs(&be, &n);
    for (int64_t i = 0; i < n; i++) {
        json *result;
        if (!specs[i].variant || strcmp(specs[i].shape, "mini") != 0 || specs[i].op->tokens != 8) continue;
        assert_string_equal(bench_refusal(&specs[i], &be), "needs more rows");
        error_clear();
        assert_int_equal(bench_measure(&specs[i], &be, 0, 1, &result), ERR_FAILED);
        assert_non_null(strstr(error_text(), "the variant needs more rows"));
        seen++;
    }
    assert_true(seen > 0);
    free(specs);
}

/* --- clocks: a device whose clock is 1.6 GHz but for four samples in the middle */

static int64_t      samples_taken;
static double       clock_of_1600(const backend *be) { return samples_taken++ / 4 == 10 ? 1.1e9 : 1.6e9; }
static const double slow = 1.1e9 / 1e6, usual = 1600;

static void slow_samples_are_rejected(void **state)
{
    (void)state;
    const backend *emulated = backend_find("cuda-emulated");
    if (!emulated) skip_because("%s", error_text());
    backend be       = *emulated;
    be.time_clock_hz = clock_of_1600;
    json *asked, *result;
    /* the device's rates */
    assert_ok(measure(&be, "decode/lora/r=8/shape=mini/site=qkv/tokens=8/", &asked, &result));
    json_free(asked);
    json_free(result);
    /* three pairs of warm-up, four good ones, then two bad ones */
    samples_taken = 40 - 2 * 3 - 2 * 4;
    assert_ok(measure(&be, "decode/lora/r=8/shape=mini/site=qkv/tokens=8/", &asked, &result));
    assert_int_equal(json_find(result, "rejected")->valueint, 2);
    assert_int_equal(json_find(result, "n")->valueint, 10);
    assert_near(json_find(result, "settled_mhz")->valuedouble, usual, 1e-6);
    const json *mhz = json_find(result, "case_mhz");
    assert_int_equal(cJSON_GetArraySize(mhz), 10);
    for (const json *c = mhz->child; c; c = c->next) assert_true(c->valuedouble > slow);
    json_free(asked);
    json_free(result);
}

/* --- a device whose clock tells 1 ms of an empty interval, and 0.1 ms of each large product */

static int64_t        products, products_before, marked[BACKEND_MARKS];
static int            marks;
static linear_fwd_op *product;
static void counted_product(const backend *be, real *y, const real *x, const real *W, const real *bias, linear_dims d,
                            bool accumulate)
{
    products++;
    product(be, y, x, W, bias, d, accumulate);
}
static double  told(int64_t n) { return 1e-3 + 1e-4 * (double)n; }
static void    fake_begin(const backend *be) { (void)be, products_before = products, marks = 0; }
static double  fake_end(const backend *be) { return (void)be, told(products - products_before); }
static void    fake_mark(const backend *be) { (void)be, marked[marks++] = products; }
static double  fake_between(const backend *be, int i) { return (void)be, told(marked[i + 1] - marked[i]); }
static int64_t fake_cache(const backend *be) { return (void)be, 1 << 20; }

static void an_empty_interval_is_taken_off(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int         calls;
    } cases[]     = { { "decode/lora/r=8/shape=mini/site=qkv/tokens=8/", 8 },
                      { "fwd/lora/r=8/shape=mini/site=qkv/", 1 },
                      { "decode/lora/r=8/shape=mini/site=qkv/tokens=8/device=fake/dtype=f32/mode=cold", 8 },
                      { "decode/lora/r=8/shape=mini/site=qkv/tokens=8/device=fake/dtype=f32/mode=back-to-back", 8 } };
    backend be    = *backend_find("cpu");
    product       = be.linear_fwd;
    be.name       = "fake";
    be.params     = &be;
    be.linear_fwd = counted_product, be.cache_bytes = fake_cache;
    be.time_begin = fake_begin, be.time_end = fake_end, be.time_mark = fake_mark, be.time_between = fake_between;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json *asked, *result;
        assert_ok(measure(&be, cases[i].name, &asked, &result));
        assert_int_equal(json_find(result, "calls")->valueint, cases[i].calls);
        assert_near(json_find(result, "empty_ns")->valuedouble, 1e6, 1e-3);
        const json *base = json_find(result, "base_ns"), *with = json_find(result, "case_ns");
        assert_true(json_size(base) >= 10 && json_size(base) == json_size(with));
        for (const json *b = json_items(base), *c = json_items(with); b; b = b->next, c = c->next) {
            assert_near(json_number(b), 1e5, 1);
            assert_near(json_number(c), 1e5, 1);
        }
        json_free(asked);
        json_free(result);
    }
    const double here = bench_empty(backend_find("cpu"), false);
    assert_true(here >= 0 && here < 1);
}

static void when_a_clock_has_settled(void **state)
{
    (void)state;
    static const double rising[] = { 1000, 1100, 1200, 1300, 1400, 1500, 1600, 1700, 1800, 1900 };
    /* one odd value in each half is no matter */
    static const double steady[]  = { 1000, 1900, 1905, 1900, 1900, 1895, 1900, 1910, 200, 1900 };
    const double        unknown[] = { 1900, NAN, 1800, NAN };
    assert_false(bench_settled(rising, 10));
    assert_true(bench_settled(steady, 10));
    assert_false(bench_settled(steady, 9));
    assert_near(bench_recent(steady, 10), 1900, 0);
    assert_near(bench_recent(unknown, 4), 1850, 0);
    assert_true(isnan(bench_recent(unknown, 0)));
    assert_true(bench_throttled(1199, 1600));
    assert_false(bench_throttled(1200, 1600));
    assert_false(bench_throttled(NAN, 1600));
    assert_false(bench_throttled(1200, NAN));
}

/* --- floors: by hand, at 1e12 FLOP/s and 1e10 bytes/s, f32, decode of 8 rows of mini's qkv (384
 * x 128) with LoRA at rank 8. */

static void floor_by_hand(void **state)
{
    (void)state;
    const backend *be = backend_find("cpu");
    int64_t        n, i = 0;
    bench_spec    *specs = bench_specs(be, &n);
    while (strncmp(specs[i].name, "decode/lora/r=8/shape=mini/site=qkv/tokens=8/", 45) != 0) i++;
    bench_state s;
    assert_ok(bench_state_init(&s, &specs[i], be, 1));
    bench_floor f = bench_floor_of(&s, &(bench_rates) { .copy_bytes_per_s = 1e10, .gemm_flops_per_s = 1e12 });
    assert_near(f.base_flops, 2.0 * 8 * 384 * 128, 0);
    assert_near(f.flops, 2.0 * 8 * 384 * 128 + 2.0 * 8 * 8 * (384 + 128), 0);
    assert_near(f.base_bytes, 4.0 * (384 * 128 + 8 * 384 + 8 * 128), 0);
    assert_near(f.bytes, f.base_bytes + 4.0 * 8 * (384 + 128), 0);
    assert_near(f.fused_s, f.bytes / 1e10, 1e-15); /* traffic is the longer */
    assert_near(f.ops_s, (f.base_bytes + 4.0 * (8 * 128 + 2 * 8 * 384 + 8 * (8 + 128 + 384))) / 1e10, 1e-15);
    f = bench_floor_of(&s, &(bench_rates) { .copy_bytes_per_s = 1e12, .gemm_flops_per_s = 1e10 });
    assert_near(f.fused_s, f.flops / 1e10, 1e-15);
    bench_state_free(&s);
    free(specs);
}

/* --- Google Benchmark's report: a row a repetition, of the very samples that the record has. */

static void the_library_reports_the_same_samples(void **state)
{
    (void)state;
    static const char *const names[] = { "decode/lora/r=8/shape=mini/site=qkv/tokens=8/",
                                         "decode/vera/r=8/shape=mini/site=qkv/tokens=8/" };
    json                    *asked[2], *result[2], *report;
    str                      text = { 0 };
    bench_report_begin();
    for (int i = 0; i < 2; i++) assert_ok(measure(backend_find("cpu"), names[i], &asked[i], &result[i]));
    bench_report_end(&text);
    assert_ok(json_parse(&report, str_c(&text), text.n, "report"));
    for (int i = 0; i < 2; i++) {
        const char *name  = json_text(json_find(asked[i], "case"));
        double      sum   = 0;
        int         found = 0;
        for (const json *r = json_items(json_find(report, "benchmarks")); r; r = r->next) {
            if (strcmp(json_text(json_find(r, "name")), name) != 0) continue;
            assert_string_equal(json_text(json_find(r, "run_type")), "iteration");
            assert_string_equal(json_text(json_find(r, "time_unit")), "ns");
            assert_near(json_number(json_find(r, "repetition_index")), found++, 0);
            assert_true(json_number(json_find(r, "base_ns")) > 0);
            assert_true(json_number(json_find(r, "overhead")) > -1);
            sum += json_number(json_find(r, "real_time")) * json_number(json_find(r, "iterations"));
        }
        assert_int_equal(found, BENCH_REPETITIONS);
        const json *samples = json_find(result[i], "case_ns");
        for (const json *v = json_items(samples); v; v = v->next) sum -= json_number(v);
        assert_near(sum, 0, 0.5 * json_size(samples) + 1e-6); /* a sample is a whole number of ns */
        json_free(asked[i]);
        json_free(result[i]);
    }
    json_free(report);
    str_free(&text);
    bench_report_begin();
    bench_report_end(&text);
    assert_int_equal(text.n, 0);
    str_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(on_the_cpu),
                                        cmocka_unit_test(in_bf16),
                                        cmocka_unit_test(wrong_gradients_are_found),
                                        cmocka_unit_test(sets_of_a_mode),
                                        cmocka_unit_test(variants_are_checked),
                                        cmocka_unit_test(many_adapters),
                                        cmocka_unit_test(a_refused_case_is_not_measured),
                                        cmocka_unit_test(slow_samples_are_rejected),
                                        cmocka_unit_test(several_pairs_are_checked),
                                        cmocka_unit_test(an_empty_interval_is_taken_off),
                                        cmocka_unit_test(published_shapes_are_a_group),
                                        cmocka_unit_test(when_a_clock_has_settled),
                                        cmocka_unit_test(floor_by_hand),
                                        cmocka_unit_test(the_library_reports_the_same_samples) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
