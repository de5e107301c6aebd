/* A random base in bf16: its moments are right, its values do not depend on how it is cut into
 * files, and it loads. */
#include "model/random_base.h"

#include "core/file.h"
#include "core/memory.h"
#include "core/test.h"
#include "model/decoder.h"
#include "model/safetensors.h"

static void moments(const char *dir, const char *file, const char *name, double mean, double sd)
{
    char              *path = path_join(dir, file);
    safetensors       *f;
    const tensor_view *t;
    double             sum = 0, squares = 0;
    assert_ok(safetensors_open(&f, path));
    assert_non_null(t = safetensors_find(f, name));
    assert_int_equal(t->dtype, DT_BF16);
    double *x = mem_alloc((size_t)t->count, sizeof *x);
    assert_ok(tensor_read_f64(x, t, 0, t->count));
    for (int64_t i = 0; i < t->count; i++) sum += x[i], squares += x[i] * x[i];
    double n = (double)t->count, m = sum / n, got = sqrt(squares / n - m * m);
    assert_within(fabs(m - mean), 5 * sd / sqrt(n) + 1e-12);          /* within five standard errors */
    assert_within(fabs(got - sd), 5 * sd / sqrt(2 * n) + 0.002 * sd); /* and bf16's rounding */
    free(x);
    free(path);
    safetensors_close(f);
}

static void moments_are_those_of_the_contract(void **state)
{
    (void)state;
    char        *dir = test_tmpdir();
    model_config c;
    assert_ok(config_load(&c, "mini"));
    assert_ok(random_base_write_bf16(dir, &c, 7, 1 << 30));
    const char *file = "model-00001-of-00001.safetensors";
    moments(dir, file, "model.layers.0.self_attn.q_proj.weight", 0, 0.02);
    moments(dir, file, "model.layers.1.mlp.down_proj.weight", 0, 0.02 / sqrt(2.0 * (double)c.layers));
    moments(dir, file, "model.norm.weight", 1, 0);
    test_rmdir(dir);
}

/* The hash covers names, shapes and values, and leaves the files out. */
static void shards_hold_the_same_model(void **state)
{
    (void)state;
    char *dir = test_tmpdir(), *one = path_join(dir, "one"), *many = path_join(dir, "many"),
         *other = path_join(dir, "other");
    model_config c;
    model       *a, *b;
    assert_ok(config_load(&c, "mini"));
    assert_ok(random_base_write_bf16(one, &c, 7, 1 << 30));
    assert_ok(random_base_write_bf16(many, &c, 7, 1 << 18));
    assert_ok(random_base_write_bf16(other, &c, 8, 1 << 30));
    const backend *be = backend_find("cpu");
    assert_ok(model_open(&a, one, be, false));
    assert_ok(model_open(&b, many, be, false));
    const real *x = a->layers[1].qkv, *y = b->layers[1].qkv;
    assert_memory_equal(x, y, (size_t)(3 * c.hidden * c.hidden) * be->elem);
    model_close(b);
    assert_ok(model_open(&b, other, be, false));
    assert_memory_not_equal(x, b->layers[1].qkv, 64);
    model_close(a);
    model_close(b);
    free(one);
    free(many);
    free(other);
    test_rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(moments_are_those_of_the_contract),
                                        cmocka_unit_test(shards_hold_the_same_model) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
