#include "kernels/test_check.h"

static void call_fwd(const backend *be, void **a, const void *d)
{
    be->activate_fwd(be, a[0], a[1], *(const activate_dims *)d);
}
static void call_bwd(const backend *be, void **a, const void *d)
{
    be->activate_bwd(be, a[0], a[1], a[2], *(const activate_dims *)d);
}
static void call_bwd_in_place(const backend *be, void **a, const void *d)
{
    be->activate_bwd(be, a[0], a[1], a[0], *(const activate_dims *)d);
}

static void check_cases(void)
{
    static const struct {
        int64_t n, d;
    } sizes[] = { { 1, 1 }, { 3, 19 }, { 8, 768 }, { 133, 67 }, { 1, 2049 }, { 0, 5 } };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int f = 0; f < ACT_COUNT; f++)
            for (int gated = 0; gated < 2; gated++) {
                const activate_dims d    = { sizes[i].n, sizes[i].d, (activation)f, gated };
                const int64_t       wide = d.n * d.d * (1 + gated);
                char                what[64];
                snprintf(what, sizeof what, "activation %d%s, %d x %d", f, gated ? ", gated" : "", (int)d.n, (int)d.d);
                /* as SwiGLU's; Phi is good to 4e-7 at 4 */
                check_array fwd[] = { { "y", .n = d.n * d.d, .out = true, .tol = 1e-6 },
                                      { "x", .n = wide, .spread = 4 } };
                check_op(what, fwd, 2, call_fwd, &d);
                check_array bwd[] = { { "dx", .n = wide, .out = true, .tol = 1e-6 },
                                      { "dy", .n = d.n * d.d },
                                      { "x", .n = wide, .spread = 4 } };
                check_op(what, bwd, 3, call_bwd, &d);
                bwd[0].spread = 4;
                check_op(what, bwd, 2, call_bwd_in_place, &d);
            }
}

/* Far out each is z or 0, and so is its slope, 1 or 0; NaN passes through. */
static void far_ends(void **state)
{
    (void)state;
    static const double z[]   = { 1e4, -1e4, 100, -100, 1e25, -1e25 };
    const backend      *bes[] = { backend_find("ref"), backend_find("cpu") };
    for (int b = 0; b < 2; b++)
        for (int f = 0; f < ACT_COUNT; f++)
            for (int i = 0; i < 6; i++) {
                const backend      *be   = bes[b];
                const activate_dims d    = { 1, 1, (activation)f, false };
                double              want = z[i] > 0 ? z[i] : 0, got, one = 1, nan = NAN;
                real               *x = be->alloc(be, 1), *y = be->alloc(be, 1), *dy = be->alloc(be, 1);
                be->upload(be, x, &z[i], 1);
                be->upload(be, dy, &one, 1);
                be->activate_fwd(be, y, x, d);
                be->download(be, &got, y, 1);
                assert_within(fabs(got - want) / fmax(1, fabs(want)), 1e-6);
                be->activate_bwd(be, y, dy, x, d);
                be->download(be, &got, y, 1);
                assert_within(fabs(got - (z[i] > 0)), 1e-6);
                be->upload(be, x, &nan, 1);
                be->activate_fwd(be, y, x, d);
                be->download(be, &got, y, 1);
                assert_true(isnan(got));
                be->release(be, x), be->release(be, y), be->release(be, dy);
            }
}

/* PyTorch 2.15 in f64: torch.nn.functional.gelu(z, approximate=...) and silu at -2, -0.5, 1, 3. */
static void stored_values(void **state)
{
    (void)state;
    const backend *ref                = backend_find("ref");
    const double   z[4]               = { -2, -0.5, 1, 3 };
    const double   want[ACT_COUNT][4] = {
          [ACT_SILU]      = { -0.2384058440442351, -0.1887703343990727, 0.7310585786300049, 2.8577223804672998 },
          [ACT_GELU]      = { -0.04550026389635842, -0.15426876936299344, 0.841344746068543, 2.99595030590511 },
          [ACT_GELU_TANH] = { -0.04540230591222494, -0.15428599017485606, 0.8411919906082768, 2.996362607918227 }
    };
    for (int f = 0; f < ACT_COUNT; f++) {
        double y[4];
        ref->activate_fwd(ref, as(y), as(z), (activate_dims) { 1, 4, (activation)f, false });
        for (int i = 0; i < 4; i++) assert_within(fabs(y[i] - want[f][i]), 1e-12);
    }
}

typedef struct {
    activate_dims d;
    double       *x, *weight, *y;
} activation_loss;

static double loss(void *ctx)
{
    const backend   *ref = backend_find("ref");
    activation_loss *l   = ctx;
    ref->activate_fwd(ref, as(l->y), as(l->x), l->d);
    return check_dot(l->y, l->weight, 12);
}

static void gradients_match_differences(void **state)
{
    (void)state;
    const backend *ref = backend_find("ref");
    for (int f = 0; f < ACT_COUNT; f++)
        for (int gated = 0; gated < 2; gated++) {
            rng             r = rng_seed(7);
            activation_loss l = {
                { 3, 4, (activation)f, gated }, check_random(&r, 24), check_random(&r, 12), check_random(&r, 12)
            };
            double dx[24];
            ref->activate_bwd(ref, as(dx), as(l.weight), as(l.x), l.d);
            assert_within(check_gradient(loss, &l, l.x, dx, gated ? 24 : 12), CHECK_GRADIENT_TOL);
            free(l.x), free(l.weight), free(l.y);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_CPU_AGREES(check_cases),
        cmocka_unit_test(far_ends),
        cmocka_unit_test(stored_values),
        cmocka_unit_test(gradients_match_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
