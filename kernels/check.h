/* For tests of ops: the same call on `ref` and on a backend under test, and what must hold of it.
 *
 *     static void call(const backend *be, real **a, const void *dims) { be->add(a[0], a[1], *(const int64_t *)dims); }
 *     check_array arrays[] = { { "dst", .n = 7, .out = true, .tol = 1e-7 }, { "src", .n = 7 } };
 *     check_op("add", arrays, 2, call, &(int64_t){ 7 });
 *
 * check_op fails the test unless the outputs agree within tol, inputs, guard bands and the gaps between strided rows come back unchanged, and
 * the backend gives the same bits again, with one thread and with two. Both start from the same values, random and representable in f32.
 *
 * The backend under test is `cpu`, or what check_on_cuda puts in its place: the CUDA kernels, on a GPU or on the emulator. */
#ifndef TIEBREAK_KERNELS_CHECK_H
#define TIEBREAK_KERNELS_CHECK_H
#include "core/memory.h"
#include "core/rng.h"
#include "core/test.h"
#include "kernels/backend.h"

enum { CHECK_GUARD = 64, CHECK_ARRAYS = 12 };
typedef enum { REAL, F64, I32 } check_kind;

typedef struct {
    const char   *name;
    int64_t       n; /* elements; -1: the op gets NULL */
    check_kind    kind;
    int64_t       width, ld; /* rows of ld elements of which the op may touch the first width; 0: it may touch all */
    bool          out;
    double        tol;    /* of an output: ||cpu - ref|| / ||ref|| (I32: exact) */
    double        spread; /* start values are uniform in [-spread, spread]; 0 means 1 */
    const double *values; /* or these */
} check_array;

static inline size_t check_elem(check_kind kind, size_t real_bytes) { return kind == REAL ? real_bytes : kind == F64 ? 8 : 4; }

static inline void check_store(void *p, check_kind kind, size_t real_bytes, int64_t i, double value)
{
    if (kind == I32)
        ((int32_t *)p)[i] = (int32_t)value;
    else if (check_elem(kind, real_bytes) == 8)
        ((double *)p)[i] = value;
    else
        ((float *)p)[i] = (float)value;
}

static inline double check_load(const void *p, check_kind kind, size_t real_bytes, int64_t i)
{
    if (kind == I32) return ((const int32_t *)p)[i];
    return check_elem(kind, real_bytes) == 8 ? ((const double *)p)[i] : ((const float *)p)[i];
}

static inline size_t check_bytes(const check_array *a, const backend *be)
{
    return a->n < 0 ? 0 : ((size_t)a->n + 2 * CHECK_GUARD) * check_elem(a->kind, be->elem);
}

/* The array with its guard bands, as backend be wants it but on the host; the same values for the same seed. */
static inline void *check_new(const check_array *a, const backend *be, uint64_t seed)
{
    if (a->n < 0) return NULL;
    void *p = mem_alloc(check_bytes(a, be), 1);
    rng   r = rng_stream(seed, a->name);
    for (int64_t i = 0; i < a->n + 2 * CHECK_GUARD; i++) {
        bool   guard = i < CHECK_GUARD || i >= a->n + CHECK_GUARD;
        double value = (float)((rng_uniform(&r) * 2 - 1) * (a->spread > 0 ? a->spread : 1));
        if (!guard && a->values) value = a->values[i - CHECK_GUARD];
        check_store(p, a->kind, be->elem, i, guard ? 12345 : value);
    }
    return p;
}

/* One call on fresh arrays; they are left in out, on the host. */
static inline void check_run(void **out, const check_array *arrays, int count, const backend *be,
                             void (*call)(const backend *be, real **a, const void *dims), const void *dims)
{
    real *on[CHECK_ARRAYS] = { 0 }, *at[CHECK_ARRAYS] = { 0 };
    for (int i = 0; i < count; i++) {
        out[i] = check_new(&arrays[i], be, 1);
        if (!out[i]) continue;
        on[i] = be->alloc_bytes((int64_t)check_bytes(&arrays[i], be));
        at[i] = (char *)on[i] + CHECK_GUARD * check_elem(arrays[i].kind, be->elem);
        be->put(on[i], out[i], (int64_t)check_bytes(&arrays[i], be));
    }
    call(be, at, dims);
    assert_ok(be->sync());
    for (int i = 0; i < count; i++) {
        if (out[i]) be->get(out[i], on[i], (int64_t)check_bytes(&arrays[i], be));
        be->release(on[i]);
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
        if (!may && check_load(got, a->kind, be->elem, i) != check_load(before, a->kind, be->elem, i))
            fail_msg("%s, %s: %s[%lld] of %lld was changed", what, be->name, a->name, (long long)at, (long long)a->n);
    }
    free(before);
}

static inline void check_agree(const char *what, const check_array *a, const void *ref, const void *found, const backend *be)
{
    if (!ref || !a->out || a->n == 0) return;
    double *want = mem_alloc((size_t)a->n, 8), *got = mem_alloc((size_t)a->n, 8);
    for (int64_t i = 0; i < a->n; i++) {
        want[i] = check_load(ref, a->kind, 8, i + CHECK_GUARD);
        got[i]  = check_load(found, a->kind, 4, i + CHECK_GUARD);
    }
    double err = rel_err(got, want, a->n);
    if (!(err <= a->tol)) fail_msg("%s, %s: %s is off by %.3e of its norm, allowed %.1e", what, be->name, a->name, err, a->tol);
    free(want);
    free(got);
}

/* Set by check_on_cuda alone. */
static const backend *check_subject;

static inline void check_op(const char *what, const check_array *arrays, int count, void (*call)(const backend *be, real **a, const void *dims),
                            const void *dims)
{
    const backend *ref = backend_find("ref"), *be = check_subject ? check_subject : backend_find("cpu");
    int            threads = be->threads;
    void          *want[CHECK_ARRAYS], *got[CHECK_ARRAYS], *again[CHECK_ARRAYS];
    check_run(want, arrays, count, ref, call, dims);
    be->set_threads(1);
    check_run(got, arrays, count, be, call, dims);
    for (int i = 0; i < count; i++) {
        check_untouched(what, &arrays[i], want[i], ref);
        check_untouched(what, &arrays[i], got[i], be);
        check_agree(what, &arrays[i], want[i], got[i], be);
    }
    for (int run = 0; run < (be->host ? 3 : 2); run++) {
        be->set_threads(run == 0 ? 1 : run + 1);
        check_run(again, arrays, count, be, call, dims);
        for (int i = 0; i < count; i++) {
            if (again[i] && memcmp(again[i], got[i], check_bytes(&arrays[i], be)) != 0)
                fail_msg("%s, %s: %s has other bits in run %d, with %d threads", what, be->name, arrays[i].name, run + 2, be->threads);
            free(again[i]);
        }
    }
    be->set_threads(threads);
    for (int i = 0; i < count; i++) {
        free(want[i]);
        free(got[i]);
    }
}

/* A test's cases again on the GPU; where none can be used, the emulator, which is built with the tests, stands in for it. */
static inline void check_on_cuda(void (*cases)(void))
{
    check_subject = backend_find("cuda");
    if (!check_subject) check_subject = backend_find("cuda-emulated");
    if (!check_subject) skip_because("no CUDA backend loads; %s", error_text());
    cases();
    check_subject = NULL;
}

/* n rows of `width` in strides of ld (0: contiguous); what follows the last row is not part of the array. */
static inline check_array check_rows(const char *name, int64_t n, int64_t ld, int64_t width, bool out, double tol)
{
    ld = ld ? ld : width;
    return (check_array) { name, .n = n ? (n - 1) * ld + width : 0, .ld = ld, .width = width, .out = out, .tol = tol };
}

/* A sum of `terms` f32 products of random signs errs by about 0.2 sqrt(terms) eps of its size when it runs in one chain, and a few roundings come
 * on top: five times that, as a norm over the whole output. */
static inline double check_sum_tol(int64_t terms) { return 1.2e-7 * (3 + sqrt((double)(terms > 0 ? terms : 0))); }

/* ||analytic - numeric|| / ||numeric|| for the gradient of f with respect to the n values at p, by central differences of step 1e-5: for values
 * and derivatives of size 1 they are good to about 1e-10 (the third derivative's h^2/6) and 1e-11 of f (rounding). */
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
