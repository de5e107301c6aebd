#include "kernels/test_check.h"

static void call_fwd(const backend *be, void **a, const void *d)
{
    be->layernorm_fwd(be, a[0], a[1], a[2], a[3], a[4], *(const layernorm_dims *)d, 1e-5);
}
static void call_bwd(const backend *be, void **a, const void *d)
{
    be->layernorm_bwd(be, a[0], a[1], a[2], a[3], a[4], a[5], a[6], *(const layernorm_dims *)d);
}

static void check_cases(void)
{
    static const layernorm_dims cases[] = { { 1, 1 }, { 3, 5 }, { 17, 288 }, { 203, 67 }, { 5, 771 }, { 0, 4 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const layernorm_dims d   = cases[i];
        const double         tol = check_sum_tol(d.d);
        char                 what[64];
        snprintf(what, sizeof what, "layernorm %d x %d", (int)d.n, (int)d.d);
        /* a mean may be small beside what it is the mean of */
        check_array fwd[] = { { "y", .n = d.n * d.d, .out = true, .tol = 2 * tol },
                              { "stats", .kind = PARAM, .n = 2 * d.n, .out = true, .tol = 2 * tol },
                              { "x", .n = d.n * d.d },
                              { "g", .n = d.d },
                              { "b", .n = d.d } };
        check_op(what, fwd, 5, call_fwd, &d);
        fwd[1].n = fwd[4].n = -1;
        if (d.d > 1) check_op(what, fwd, 5, call_fwd, &d); /* without a bias a row of one is 0 */
        check_array bwd[] = { { "dx", .n = d.n * d.d, .out = true, .tol = 2 * tol },
                              { "dg", .kind = PARAM, .n = d.d, .out = true, .tol = check_sum_tol(d.n) },
                              { "db", .kind = PARAM, .n = d.d, .out = true, .tol = check_sum_tol(d.n) },
                              { "dy", .n = d.n * d.d },
                              { "x", .n = d.n * d.d },
                              { "stats", .kind = PARAM, .n = 2 * d.n },
                              { "g", .n = d.d } };
        check_op(what, bwd, 7, call_bwd, &d);
        bwd[1].n = bwd[2].n = -1;
        check_op(what, bwd, 7, call_bwd, &d);
    }
}

/* By hand: 1 and 3 have mean 2 and variance 1. */
static void hand_computed(void **state)
{
    (void)state;
    const backend *ref  = backend_find("ref");
    const double   x[2] = { 1, 3 }, g[2] = { 2, 5 }, b[2] = { 0.5, -1 };
    double         y[2], stats[2];
    ref->layernorm_fwd(ref, as(y), as(stats), as(x), as(g), as(b), (layernorm_dims) { 1, 2 }, 0);
    assert_true(y[0] == -1.5 && y[1] == 4 && stats[0] == 2 && stats[1] == 1);
}

typedef struct {
    double *x, *g, *b, *weight, *y, stats[6];
} norm_loss;
static const layernorm_dims shape = { 3, 5 };

static double loss(void *ctx)
{
    const backend *ref = backend_find("ref");
    norm_loss     *l   = ctx;
    ref->layernorm_fwd(ref, as(l->y), as(l->stats), as(l->x), as(l->g), as(l->b), shape, 1e-3);
    return check_dot(l->y, l->weight, 15);
}

static void gradients_match_differences(void **state)
{
    (void)state;
    const backend *ref = backend_find("ref");
    rng            r   = rng_seed(5);
    norm_loss      l   = { .x = check_random(&r, 15), .g = check_random(&r, 5), .b = check_random(&r, 5) };
    l.weight = check_random(&r, 15), l.y = check_random(&r, 15);
    loss(&l);
    double dx[15] = { 0 }, dg[5] = { 0 }, db[5] = { 0 };
    ref->layernorm_bwd(ref, as(dx), as(dg), as(db), as(l.weight), as(l.x), as(l.stats), as(l.g), shape);
    assert_within(check_gradient(loss, &l, l.x, dx, 15), CHECK_GRADIENT_TOL);
    assert_within(check_gradient(loss, &l, l.g, dg, 5), CHECK_GRADIENT_TOL);
    assert_within(check_gradient(loss, &l, l.b, db, 5), CHECK_GRADIENT_TOL);
    free(l.x), free(l.g), free(l.b), free(l.weight), free(l.y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_CPU_AGREES(check_cases),
        cmocka_unit_test(hand_computed),
        cmocka_unit_test(gradients_match_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
