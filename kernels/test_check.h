/* For tests of ops: the same call on `ref` and on a backend under test, and what must hold of it.
 *
 *     static void call(const backend *be, void **a, const void *n)
 *     {
 *         be->add(be, a[0], a[1], *(const int64_t *)n);
 *     }
 *     check_array arrays[] = { { "dst", .n = 7, .out = true, .tol = 1e-7 }, { "src", .n = 7 } };
 *     check_op("add", arrays, 2, call, &(int64_t){ 7 });
 *
 * check_op fails the test unless the outputs agree within tol, inputs, guard bands and the gaps
 * between strided rows come back unchanged, and the backend gives the same bits again, with one
 * thread and with two. Both backends start from the same random values, which f32 can hold, and
 * bf16 too where the backend under test works in it.
 *
 * In bf16 an output of the working type may be off by twice the error of naive code, which rounds
 * the right answer once. Where naive code also rounds a factor of the output, the bound is twice
 * the largest error of one rounding. Outputs that are parameters keep their bound of f32.
 *
 * The backend under test is `cpu`, or what check_on_cuda puts in its place: the CUDA kernels, on
 * a GPU or on the emulator. */
#ifndef TIEBREAK_KERNELS_TEST_CHECK_H
#define TIEBREAK_KERNELS_TEST_CHECK_H
#include "core/memory.h"
#include "core/rng.h"
#include "core/test.h"
#include "kernels/backend.h"
#include "kernels/gemm.h"

enum { CHECK_GUARD = 64, CHECK_ARRAYS = 16 };
typedef enum { REAL, PARAM, F64, I32 } check_kind;

typedef struct {
    const char *name;
    int64_t     n; /* elements; -1: the op gets NULL */
    check_kind  kind;
    /* rows of ld elements of which the op may touch the first width; 0: it may touch all */
    int64_t width, ld;
    bool    out;
    double  tol; /* of an output: ||cpu - ref|| / ||ref|| (I32: exact) */
    /* an output of few values that naive code rounds so often on the way, as a pair's h: bounded
     * for their worst. */
    int           through_bf16;
    double        spread; /* start values are uniform in [-spread, spread]; 0 means 1 */
    const double *values; /* or these */
} check_array;

/* To the nearest bf16, ties to even, and back; not from NaN. */
static inline float check_bf16(double value)
{
    float    f = (float)value;
    uint32_t u;
    memcpy(&u, &f, 4);
    u = (u + 0x7fff + (u >> 16 & 1)) & 0xffff0000;
    memcpy(&f, &u, 4);
    return f;
}

static inline size_t check_elem(check_kind kind, const backend *be)
{
    return kind == REAL ? be->elem : kind == PARAM ? be->params->elem : kind == F64 ? 8 : 4;
}

static inline void check_store(void *p, check_kind kind, const backend *be, int64_t i, double value)
{
    size_t   bytes = check_elem(kind, be);
    float    f     = bytes == 2 ? check_bf16(value) : (float)value;
    uint32_t u;
    memcpy(&u, &f, 4);
    if (kind == I32)
        ((int32_t *)p)[i] = (int32_t)value;
    else if (bytes == 2)
        ((uint16_t *)p)[i] = (uint16_t)(u >> 16);
    else if (bytes == 4)
        ((float *)p)[i] = f;
    else
        ((double *)p)[i] = value;
}

static inline double check_load(const void *p, check_kind kind, const backend *be, int64_t i)
{
    if (kind == I32) return ((const int32_t *)p)[i];
    if (check_elem(kind, be) == 8) return ((const double *)p)[i];
    if (check_elem(kind, be) == 4) return ((const float *)p)[i];
    uint32_t u = (uint32_t)((const uint16_t *)p)[i] << 16;
    float    f;
    memcpy(&f, &u, 4);
    return f;
}

static inline size_t check_bytes(const check_array *a, const backend *be)
{
    return a->n < 0 ? 0 : ((size_t)a->n + 2 * CHECK_GUARD) * check_elem(a->kind, be);
}

/* An array of the test's own, as an op takes it: reals and params have types that only ops know. */
static inline void *as(const void *p) { return (void *)(uintptr_t)p; }

/* Set by check_on_cuda alone. */
static const backend *check_subject;
static inline bool    check_in_bf16(const check_array *a)
{
    return a->kind == REAL && check_subject && check_subject->elem == 2;
}

/* What no op may look at: before, behind and between the rows of an input. NaN there spoils
 * whatever it is added to, also by a factor of 0. */
static inline bool check_outside(const check_array *a, int64_t at)
{
    return at < 0 || at >= a->n || (!a->out && a->ld && at % a->ld >= a->width);
}

/* The array with its guard bands, as backend be wants it but on the host; the same values for
 * the same seed. */
static inline void *check_new(const check_array *a, const backend *be, uint64_t seed)
{
    if (a->n < 0) return NULL;
    void *p = mem_alloc(check_bytes(a, be), 1);
    rng   r = rng_stream(seed, a->name);
    for (int64_t i = 0; i < a->n + 2 * CHECK_GUARD; i++) {
        bool   outside = check_outside(a, i - CHECK_GUARD);
        double value   = (float)((rng_uniform(&r) * 2 - 1) * (a->spread > 0 ? a->spread : 1));
        if (!outside && a->values) value = a->values[i - CHECK_GUARD];
        if (check_in_bf16(a)) value = check_bf16(value);
        /* a bf16 too */
        check_store(p, a->kind, be, i, !outside ? value : a->out || a->kind == I32 ? 12416 : NAN);
    }
    return p;
}

/* One call on fresh arrays; they are left in out, on the host. */
static inline void check_run(void **out, const check_array *arrays, int count, const backend *be,
                             void (*call)(const backend *be, void **a, const void *dims), const void *dims)
{
    void *on[CHECK_ARRAYS] = { 0 }, *at[CHECK_ARRAYS] = { 0 };
    for (int i = 0; i < count; i++) {
        out[i] = check_new(&arrays[i], be, 1);
        if (!out[i]) continue;
        on[i] = be->alloc_bytes(be, (int64_t)check_bytes(&arrays[i], be));
        at[i] = (char *)on[i] + CHECK_GUARD * check_elem(arrays[i].kind, be);
        be->put(be, on[i], out[i], (int64_t)check_bytes(&arrays[i], be));
    }
    call(be, at, dims);
    assert_ok(be->sync(be));
    for (int i = 0; i < count; i++) {
        if (out[i]) be->get(be, out[i], on[i], (int64_t)check_bytes(&arrays[i], be));
        be->release(be, on[i]);
    }
}

/* Everything outside what the op may write is as it was before. */
static inline void check_untouched(const char *what, const check_array *a, const void *got, const backend *be)
{
    if (!got) return;
    void *before = check_new(a, be, 1);
    for (int64_t i = 0; i < a->n + 2 * CHECK_GUARD; i++) {
        int64_t at  = i - CHECK_GUARD;
        bool    may = a->out && at >= 0 && at < a->n && (!a->ld || at % a->ld < a->width);
        double  now = check_load(got, a->kind, be, i), then = check_load(before, a->kind, be, i);
        if (!may && now != then && !(isnan(now) && isnan(then)))
            fail_msg("%s, %s: %s[%lld] of %lld was changed", what, be->name, a->name, (long long)at, (long long)a->n);
    }
    free(before);
}

static inline void check_agree(const char *what, const check_array *a, const void *ref, const void *found,
                               const backend *be)
{
    if (!ref || !a->out || a->n == 0) return;
    double *want = mem_alloc((size_t)a->n, 8), *got = mem_alloc((size_t)a->n, 8), *naive = mem_alloc((size_t)a->n, 8);
    for (int64_t i = 0; i < a->n; i++) {
        want[i]  = check_load(ref, a->kind, backend_find("ref"), i + CHECK_GUARD);
        got[i]   = check_load(found, a->kind, be, i + CHECK_GUARD);
        naive[i] = check_bf16(want[i]);
    }
    double err = rel_err(got, want, a->n), tol = a->tol;
    /* few values may all be rounded as far as rounding goes, or not at all */
    if (check_in_bf16(a) || (a->through_bf16 && be->elem == 2))
        tol = fmax(tol, 2 * (a->through_bf16 || a->n < 64 ? 0x1p-8 * (a->through_bf16 > 1 ? a->through_bf16 : 1)
                                                          : rel_err(naive, want, a->n)));
    if (!(err <= tol))
        fail_msg("%s, %s: %s is off by %.3e of its norm, allowed %.1e", what, be->name, a->name, err, tol);
    free(want);
    free(got);
    free(naive);
}

static inline void check_op(const char *what, const check_array *arrays, int count,
                            void (*call)(const backend *be, void **a, const void *dims), const void *dims)
{
    const backend *ref = backend_find("ref"), *be = check_subject ? check_subject : backend_find("cpu");
    int            threads = be->threads(be);
    void          *want[CHECK_ARRAYS], *got[CHECK_ARRAYS], *again[CHECK_ARRAYS];
    check_run(want, arrays, count, ref, call, dims);
    be->set_threads(be, 1);
    check_run(got, arrays, count, be, call, dims);
    for (int i = 0; i < count; i++) {
        check_untouched(what, &arrays[i], want[i], ref);
        check_untouched(what, &arrays[i], got[i], be);
        check_agree(what, &arrays[i], want[i], got[i], be);
    }
    for (int run = 0; run < (be->host ? 3 : 2); run++) {
        be->set_threads(be, run == 0 ? 1 : run + 1);
        check_run(again, arrays, count, be, call, dims);
        for (int i = 0; i < count; i++) {
            if (again[i] && memcmp(again[i], got[i], check_bytes(&arrays[i], be)) != 0)
                fail_msg("%s, %s: %s has other bits in run %d, with %d threads", what, be->name, arrays[i].name,
                         run + 2, be->threads(be));
            free(again[i]);
        }
    }
    be->set_threads(be, threads);
    for (int i = 0; i < count; i++) {
        free(want[i]);
        free(got[i]);
    }
}

/* A test's cases on the CPU, with the register tile of every instruction set it has. */
static inline void check_on_cpu(void (*cases)(void))
{
    for (int level = 0; level <= 2; level++)
        if (gemm_use(level)) cases();
}

/* A test's cases again on the GPU, in f32 and in bf16; where none can be used, the emulator,
 * which is built with the tests, stands in for it. */
static inline void check_on_cuda(void (*cases)(void))
{
    static const char *const names[2][2] = { { "cuda", "cuda-bf16" }, { "cuda-emulated", "cuda-emulated-bf16" } };
    int                      where       = backend_find("cuda") ? 0 : 1;
    for (int type = 0; type < 2; type++) {
        check_subject = backend_find(names[where][type]);
        if (!check_subject) skip_because("no CUDA backend loads; %s", error_text());
        cases();
    }
    check_subject = NULL;
}

/* The two tests that every op has, in the list of its tests: its cases on the CPU, and on a GPU
 * (CHECK_CPU_AGREES: where there is no slot for it yet). */
typedef struct {
    void (*cases)(void);
} check_suite;
static inline void check_cpu_agrees(void **state) { check_on_cpu(((const check_suite *)*state)->cases); }
static inline void check_cuda_agrees(void **state) { check_on_cuda(((const check_suite *)*state)->cases); }
/* clang-format off */
#define CHECK_CPU_AGREES(cases)                                                                \
    { "cpu_agrees_with_ref", check_cpu_agrees, NULL, NULL, &(check_suite) { cases } }
#define CHECK_AGREES(cases)                                                                    \
    CHECK_CPU_AGREES(cases),                                                                   \
    { "cuda_agrees_with_ref", check_cuda_agrees, NULL, NULL, &(check_suite) { cases } }
/* clang-format on */

/* n rows of `width` in strides of ld (0: contiguous); what follows the last row is not part of
 * the array. */
static inline check_array check_rows(const char *name, int64_t n, int64_t ld, int64_t width, bool out, double tol)
{
    ld = ld ? ld : width;
    return (check_array) { name, .n = n ? (n - 1) * ld + width : 0, .ld = ld, .width = width, .out = out, .tol = tol };
}

/* A sum of `terms` f32 products of random signs errs by about 0.2 sqrt(terms) eps of its size
 * when it runs in one chain, and a few roundings come on top: five times that, as a norm over
 * the whole output. */
static inline double check_sum_tol(int64_t terms) { return 1.2e-7 * (3 + sqrt((double)(terms > 0 ? terms : 0))); }

/* ||analytic - numeric|| / ||numeric|| for the gradient of f with respect to the n values at p,
 * by central differences of step 1e-5: for values and derivatives of size 1 they are good to
 * about 1e-10 (the third derivative's h^2/6) and 1e-11 of f (rounding). */
static inline double check_gradient(double (*f)(void *ctx), void *ctx, double *p, const double *analytic, int64_t n)
{
    double *numeric = mem_alloc((size_t)n, 8), h = 1e-5;
    for (int64_t i = 0; i < n; i++) {
        double at  = p[i];
        p[i]       = at + h;
        double up  = f(ctx);
        p[i]       = at - h;
        numeric[i] = (up - f(ctx)) / (2 * h);
        p[i]       = at;
    }
    double err = rel_err(analytic, numeric, n);
    free(numeric);
    return err;
}
#define CHECK_GRADIENT_TOL 1e-8

/* n values uniform in [-1, 1]; the caller frees. */
static inline double *check_random(rng *r, int64_t n)
{
    double *p = mem_alloc((size_t)n, 8);
    for (int64_t i = 0; i < n; i++) p[i] = rng_uniform(r) * 2 - 1;
    return p;
}
static inline double check_dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}
#endif
