#include "core/test.h"
#include "kernels/simd.h"

SIMD static void exp_all(float *y, const float *x, int n)
{
    for (int i = 0; i < n; i++) y[i] = exp_f32(x[i]);
}

/* Two million points over the whole range, against f64; and the ends. */
static void exp_is_within_its_bound(void **state)
{
    (void)state;
    enum { N = 4096 };
    static float x[N], y[N];
    double       worst = 0;
    for (int block = 0; block < 512; block++) {
        for (int i = 0; i < N; i++) x[i] = -87.3f + 175.6f * (float)(block * N + i) / (512.0f * N);
        exp_all(y, x, N);
        for (int i = 0; i < N; i++) {
            double want = exp((double)x[i]), err = fabs(y[i] - want) / want;
            if (!(err <= worst)) worst = err;
        }
    }
    print_message("worst relative error %.3e\n", worst);
    assert_within(worst, 1.5e-7);
}

static void exp_ends(void **state)
{
    (void)state;
    float x[8] = { 0, -200, -INFINITY, 200, INFINITY, NAN, -0.0f, 1e-30f }, y[8];
    exp_all(y, x, 8);
    assert_true(y[0] == 1 && y[1] == 0 && y[2] == 0 && isinf(y[3]) && isinf(y[4]) && isnan(y[5]) && y[6] == 1 &&
                y[7] == 1);
}

/* Points over the range, near 0 and at the ends, against f64. */
static void tanh_and_normal_are_within_their_bounds(void **state)
{
    (void)state;
    double worst_tanh = 0, worst_normal = 0, worst_tail = 0;
    for (int i = -400000; i <= 400000; i++) {
        const float  x   = (float)i * 3e-5f;
        const double tan = tanh((double)x), phi = 0.5 * erfc(-(double)x * 0.70710678118654752440);
        if (i) worst_tanh = fmax(worst_tanh, fabs(tanh_f32(x) - tan) / fabs(tan));
        worst_normal = fmax(worst_normal, fabs(normal_f32(x) - phi));
        if (fabsf(x) <= 6) worst_tail = fmax(worst_tail, fabs(normal_f32(x) - phi) / phi);
    }
    print_message("tanh: worst relative error %.3e; normal: absolute %.3e, relative %.3e\n", worst_tanh, worst_normal,
                  worst_tail);
    assert_within(worst_tanh, 3e-7);
    assert_within(worst_normal, 2.5e-7);
    assert_within(worst_tail, 4e-6);
    assert_true(tanh_f32(0) == 0 && tanh_f32(INFINITY) == 1 && tanh_f32(-INFINITY) == -1 && isnan(tanh_f32(NAN)));
    assert_true(normal_f32(INFINITY) == 1 && normal_f32(-INFINITY) == 0 && isnan(normal_f32(NAN)));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(exp_is_within_its_bound), cmocka_unit_test(exp_ends),
                                        cmocka_unit_test(tanh_and_normal_are_within_their_bounds) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
