#include "kernels/test_check.h"

static void call_fwd(const backend *be, void **a, const void *d)
{
    be->rmsnorm_fwd(be, a[0], a[1], a[2], a[3], *(const norm_dims *)d, 1e-5);
}
static void call_bwd(const backend *be, void **a, const void *d)
{
    be->rmsnorm_bwd(be, a[0], a[1], a[2], a[3], a[4], a[5], *(const norm_dims *)d);
}

static void check_cases(void)
{
    static const norm_dims cases[] = { { 1, 1, 0, 0 },     { 3, 5, 7, 9 }, { 17, 288, 0, 0 },  { 203, 67, 70, 0 },
                                       { 5, 771, 0, 800 }, { 0, 4, 0, 0 }, { 19, 48, 0, 0, 1 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        norm_dims d   = cases[i];
        double    tol = check_sum_tol(d.d);
        char      what[64];
        snprintf(what, sizeof what, "rmsnorm %d x %d", (int)d.n, (int)d.d);
        check_array y = check_rows("y", d.n, d.ldy, d.d, true, tol), x = check_rows("x", d.n, d.ldx, d.d, false, 0);
        check_array fwd[] = { y, { "rstd", .kind = PARAM, .n = d.n, .out = true, .tol = tol }, x, { "g", .n = d.d } };
        check_op(what, fwd, 4, call_fwd, &d);
        fwd[1].n = -1;
        check_op(what, fwd, 4, call_fwd, &d);
        check_array dy = check_rows("dy", d.n, d.ldy, d.d, false, 0), dx = check_rows("dx", d.n, d.ldx, d.d, true, tol);
        check_array bwd[] = { dx,
                              { "dg", .kind = PARAM, .n = d.d, .out = true, .tol = check_sum_tol(d.n) },
                              dy,
                              x,
                              { "rstd", .kind = PARAM, .n = d.n },
                              { "g", .n = d.d } };
        check_op(what, bwd, 6, call_bwd, &d);
        bwd[1].n = -1;
        check_op(what, bwd, 6, call_bwd, &d);
    }
}

typedef struct {
    double *x, *g, *weight, *y, rstd[3];
} norm_loss;
static const norm_dims shape = { 3, 5, 0, 0, 0.75 };

static double loss(void *ctx)
{
    const backend *ref = backend_find("ref");
    norm_loss     *l   = ctx;
    ref->rmsnorm_fwd(ref, as(l->y), as(l->rstd), as(l->x), as(l->g), shape, 1e-3);
    return check_dot(l->y, l->weight, 15);
}

static void gradients_match_differences(void **state)
{
    (void)state;
    const backend *ref = backend_find("ref");
    rng            r   = rng_seed(5);
    norm_loss      l   = { .x = check_random(&r, 15), .g = check_random(&r, 5) };
    l.weight = check_random(&r, 15), l.y = check_random(&r, 15);
    loss(&l);
    double dx[15] = { 0 }, dg[5] = { 0 };
    ref->rmsnorm_bwd(ref, as(dx), as(dg), as(l.weight), as(l.x), as(l.rstd), as(l.g), shape);
    assert_within(check_gradient(loss, &l, l.x, dx, 15), CHECK_GRADIENT_TOL);
    assert_within(check_gradient(loss, &l, l.g, dg, 5), CHECK_GRADIENT_TOL);
    free(l.x), free(l.g), free(l.weight), free(l.y);
}

/* x = (3, 4), eps = 0: mean square 12.5. */
static void hand_computed(void **state)
{
    (void)state;
    const backend *ref  = backend_find("ref");
    const double   x[2] = { 3, 4 }, g[2] = { 1, 2 };
    double         y[2], rstd            = NAN;
    ref->rmsnorm_fwd(ref, as(y), as(&rstd), as(x), as(g), (norm_dims) { 1, 2, 0, 0 }, 0);
    assert_within(fabs(rstd - 0.28284271247461900976), 1e-15);
    assert_within(fabs(y[0] - 0.84852813742385702928), 1e-15);
    assert_within(fabs(y[1] - 2.26274169979695207808), 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_AGREES(check_cases),
        cmocka_unit_test(gradients_match_differences),
        cmocka_unit_test(hand_computed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
