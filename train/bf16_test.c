/* Training in bf16 over the CUDA kernels, on a GPU or else on the emulator: factors, gradients
 * and moments stay f32. The losses stay within 1 % of the f64 definition's and the factors
 * move alike. A second run gives the same bits. */
#include "model/test_model.h"
#include "train/trainer.h"

enum { STEPS = 6, ITEMS = 2 };
static const int32_t       tokens[ITEMS][7]  = { { 1, 5, 7, 2, 9, 4, 0 }, { 1, 4, 4, 11, 3, 6, 8 } };
static const int32_t       targets[ITEMS][7] = { { 5, 7, 2, 9, 4, 0, -1 }, { -1, -1, 11, 3, 6, 8, 2 } };
static const train_example items[ITEMS]      = {
         { .ids = (int32_t *)(uintptr_t)tokens[0], .targets = (int32_t *)(uintptr_t)targets[0], .n = 7, .n_scored = 6 },
         { .ids = (int32_t *)(uintptr_t)tokens[1], .targets = (int32_t *)(uintptr_t)targets[1], .n = 7, .n_scored = 5 },
};

typedef struct {
    double  loss[STEPS], *start, *end;
    int64_t n;
} course;

static double *values(const adapter *a)
{
    double *x = mem_alloc((size_t)a->theta_count, sizeof *x);
    a->be->params->download(a->be->params, x, a->theta, a->theta_count);
    return x;
}

static course train(const char *device, const char *method_name)
{
    course       c    = { 0 };
    model       *m    = open_odd(device, false, false);
    adapter_spec spec = { .sites = 1u << SITE_Q | 1u << SITE_V | 1u << SITE_DOWN, .rank = 5, .seed = 3 };
    adapter     *a;
    trainer     *t;
    assert_ok(method_find(&spec.method, method_name));
    assert_ok(adapter_new(&a, m->be, &m->cfg, spec));
    trainer_options o = { .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .clip = 1 };
    o.adalora         = (adalora_options) {
                .target_rank = 3, .tinit = 1, .tfinal = 1, .delta_t = 1, .orth = 0.1, .beta1 = 0.85, .beta2 = 0.85
    };
    assert_ok(trainer_new(&t, m, a, &o, STEPS));
    const train_example *at[ITEMS] = { &items[0], &items[1] };
    c.n                            = a->theta_count;
    c.start                        = values(a);
    for (int i = 0; i < STEPS; i++) {
        step_result result;
        assert_ok(trainer_step(t, at, ITEMS, ITEMS, 0.02, &result));
        c.loss[i] = result.loss;
    }
    c.end = values(a);
    trainer_free(t);
    adapter_free(a);
    model_close(m);
    return c;
}

static void course_free(course *c) { free(c->start), free(c->end); }

/* Cosine of the angle between what two trainings changed. */
static double agreement(const course *a, const course *b)
{
    double ab = 0, aa = 0, bb = 0;
    for (int64_t i = 0; i < a->n; i++) {
        double x = a->end[i] - a->start[i], y = b->end[i] - b->start[i];
        ab += x * y, aa += x * x, bb += y * y;
    }
    return ab / sqrt(aa * bb);
}

static void methods_train(void **state)
{
    (void)state;
    static const char *const methods[] = { "lora", "tied-lora", "vera", "sharelora-a", "moslora", "adalora" };
    const char              *device    = backend_find("cuda-bf16") ? "cuda-bf16" : "cuda-emulated-bf16";
    if (!backend_find(device)) skip_because("%s", error_text());
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        course want = train("ref", methods[i]), got = train(device, methods[i]), again = train(device, methods[i]);
        assert_int_equal(got.n, want.n);
        /* factors are not rounded to bf16 */
        assert_memory_equal(got.start, want.start, (size_t)want.n * sizeof *want.start);
        double off = rel_err(got.loss, want.loss, STEPS), cosine = agreement(&got, &want);
        print_message("%-12s losses off by %.1e, cosine of the changes %.4f\n", methods[i], off, cosine);
        assert_within(off, 0.01);
        assert_within(1 - cosine, 0.1);
        assert_memory_equal(got.end, again.end, (size_t)got.n * sizeof *got.end);
        assert_memory_equal(got.loss, again.loss, sizeof got.loss);
        course_free(&want), course_free(&got), course_free(&again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(methods_train) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
