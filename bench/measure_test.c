/* A case is timed only where its answer is right, in f32 and in bf16: the bound of bf16 is wide, but a pair that does nothing is far outside. */
#include "bench/case.h"
#include "core/test.h"

static void nothing(real *y, real *h, const real *x, const pair_arrays *p, pair_dims d) { (void)y, (void)h, (void)x, (void)p, (void)d; }

static int measure(const backend *be, const char *name, json **asked, json **result)
{
    int64_t     n, i = 0;
    bench_spec *specs = bench_specs(be, &n);
    while (i < n && strncmp(specs[i].name, name, strlen(name)) != 0) i++;
    assert_true(i < n);
    int rc = bench_measure(&specs[i], be, 0, 1, asked, result);
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
        json_free(asked);
        json_free(result);
        backend broken  = *be;
        broken.pair_fwd = nothing;
        error_clear();
        assert_int_equal(measure(&broken, name, &asked, &result), ERR_FAILED);
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

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(on_the_cpu), cmocka_unit_test(in_bf16) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
