#include "kernels/test_check.h"

typedef struct {
    int64_t n, d;
} swiglu_case;

static void call_fwd(const backend *be, void **a, const void *c_)
{
    const swiglu_case *c = c_;
    be->swiglu_fwd(be, a[0], a[1], c->n, c->d);
}
static void call_bwd(const backend *be, void **a, const void *c_)
{
    const swiglu_case *c = c_;
    be->swiglu_bwd(be, a[0], a[1], a[2], c->n, c->d);
}
static void call_bwd_in_place(const backend *be, void **a, const void *c_)
{
    const swiglu_case *c = c_;
    be->swiglu_bwd(be, a[0], a[1], a[0], c->n, c->d);
}

static void check_cases(void)
{
    static const swiglu_case cases[] = { { 1, 1 }, { 3, 19 }, { 8, 768 }, { 133, 67 }, { 1, 2049 }, { 0, 5 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const swiglu_case *c = &cases[i];
        char               what[64];
        snprintf(what, sizeof what, "swiglu %d x %d", (int)c->n, (int)c->d);
        /* An exponential good to 2 eps and a handful of roundings. Gates up to 12 reach both
         * flat ends. */
        check_array fwd[] = { { "y", .n = c->n * c->d, .out = true, .tol = 1e-6 },
                              { "gu", .n = 2 * c->n * c->d, .spread = 12 } };
        check_op(what, fwd, 2, call_fwd, c);
        check_array bwd[] = { { "dgu", .n = 2 * c->n * c->d, .out = true, .tol = 1e-6 },
                              { "dy", .n = c->n * c->d },
                              { "gu", .n = 2 * c->n * c->d, .spread = 12 } };
        check_op(what, bwd, 3, call_bwd, c);
        bwd[0].spread = 12;
        check_op(what, bwd, 2, call_bwd_in_place, c);
    }
}

/* Far out, silu(z) is z or 0, never NaN; NaN and Inf pass through. */
static void far_ends(void **state)
{
    (void)state;
    static const double gates[] = { 1e4, -1e4, 88, -88, 100, -100, 1e30, -1e30 };
    const backend      *bes[]   = { backend_find("ref"), backend_find("cpu") };
    for (int b = 0; b < 2; b++)
        for (size_t i = 0; i < sizeof gates / sizeof *gates; i++) {
            const double host[2] = { gates[i], 1 };
            double       got, want = gates[i] > 0 ? gates[i] : 0;
            real        *gu = bes[b]->alloc(bes[b], 2), *y = bes[b]->alloc(bes[b], 1);
            bes[b]->upload(bes[b], gu, host, 2);
            bes[b]->swiglu_fwd(bes[b], y, gu, 1, 1);
            bes[b]->download(bes[b], &got, y, 1);
            assert_within(fabs(got - want) / fmax(1, fabs(want)), 1e-6);
            const double bad[2] = { NAN, 1 };
            bes[b]->upload(bes[b], gu, bad, 2);
            bes[b]->swiglu_fwd(bes[b], y, gu, 1, 1);
            bes[b]->download(bes[b], &got, y, 1);
            assert_true(isnan(got));
            bes[b]->release(bes[b], gu), bes[b]->release(bes[b], y);
        }
}

typedef struct {
    double *gu, *weight, *y;
} swiglu_loss;

static double loss(void *ctx)
{
    const backend *ref = backend_find("ref");
    swiglu_loss   *l   = ctx;
    ref->swiglu_fwd(ref, as(l->y), as(l->gu), 3, 4);
    return check_dot(l->y, l->weight, 12);
}

static void gradients_match_differences(void **state)
{
    (void)state;
    const backend *ref = backend_find("ref");
    rng            r   = rng_seed(7);
    swiglu_loss    l   = { check_random(&r, 24), check_random(&r, 12), check_random(&r, 12) };
    double         dgu[24];
    ref->swiglu_bwd(ref, as(dgu), as(l.weight), as(l.gu), 3, 4);
    assert_within(check_gradient(loss, &l, l.gu, dgu, 24), CHECK_GRADIENT_TOL);
    free(l.gu), free(l.weight), free(l.y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_AGREES(check_cases),
        cmocka_unit_test(far_ends),
        cmocka_unit_test(gradients_match_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
