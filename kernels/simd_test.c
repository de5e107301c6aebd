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

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(exp_is_within_its_bound), cmocka_unit_test(exp_ends) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
