/* Training and generation by each variant of an adapted linear (kernels/variant.h), on a GPU or
 * else on the emulator, beside the default: the default by its name gives the same bits, the
 * others compute the same up to rounding, and what a variant cannot do it refuses beforehand,
 * naming the site and the reason. */
#include "kernels/test_variants.h"
#include "model/generate.h"
#include "model/test_model.h"
#include "train/trainer.h"

enum { STEPS = 3, ITEMS = 2, NEW = 6 };
static const int32_t       tokens[ITEMS][7]  = { { 1, 5, 7, 2, 9, 4, 0 }, { 1, 4, 4, 11, 3, 6, 8 } };
static const int32_t       targets[ITEMS][7] = { { 5, 7, 2, 9, 4, 0, -1 }, { -1, -1, 11, 3, 6, 8, 2 } };
static const train_example items[ITEMS]      = {
         { .ids = (int32_t *)(uintptr_t)tokens[0], .targets = (int32_t *)(uintptr_t)targets[0], .n = 7, .n_scored = 6 },
         { .ids = (int32_t *)(uintptr_t)tokens[1], .targets = (int32_t *)(uintptr_t)targets[1], .n = 7, .n_scored = 5 },
};

/* Widths that 8 divides, and no biases. */
static const model_config even = { .layers    = 2,
                                   .hidden    = 24,
                                   .inter     = 32,
                                   .heads     = 4,
                                   .kv_heads  = 2,
                                   .head_dim  = 8,
                                   .vocab     = 13,
                                   .positions = 40,
                                   .norm_eps  = 1e-5,
                                   .rope      = { { .theta = 1000 } } };

typedef struct {
    site_set    sites;
    const char *method;
} setting;
enum {
    QKV = 1u << SITE_QKV,
    Q_V = 1u << SITE_Q | 1u << SITE_V,
    ALL = ((1u << SITE_COUNT) - 2) & ~(1u << SITE_GATE_UP)
};

typedef struct {
    double  loss[STEPS], *theta;
    int64_t n;
    int32_t ids[ITEMS][NEW];
} course;

static void check_refused(int rc, const char *words)
{
    if (!words && rc) fail_msg("%s", error_text());
    if (!words) return;
    assert_int_equal(rc, ERR_INPUT);
    if (!strstr(error_text(), words)) fail_msg("\"%s\" does not say \"%s\"", error_text(), words);
    error_clear();
}

static void write_texts(model *m, const adapter *a, course *c)
{
    decoder      *d = decoder_new(m);
    generate_item texts[ITEMS];
    for (int i = 0; i < ITEMS; i++)
        texts[i] = (generate_item) { .prompt = tokens[i], .n_prompt = 4 + i, .max_new = NEW, .ids = c->ids[i] };
    assert_ok(generate_items(d, adapter_pairs(a), texts, ITEMS, (generate_options) { .batch = ITEMS }));
    decoder_free(d);
}

/* Trains, then generates with what was trained, as far as no words say that it is refused. */
static course run(const char *device, const char *variant, setting s, const char *no_training, const char *no_text)
{
    course                c    = { 0 };
    char                 *dir  = test_tmpdir();
    adapter_spec          spec = { .sites = s.sites, .rank = 5, .seed = 3 };
    model                *m;
    adapter              *a;
    trainer              *t;
    const trainer_options options = { .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .clip = 1 };
    test_model_write(&even, 11, dir);
    assert_ok(model_open(&m, dir, backend_find(device), false));
    test_rmdir(dir);
    assert_ok(method_find(&spec.method, s.method));
    assert_ok(adapter_new(&a, m->be, &m->cfg, spec));
    check_refused(model_use_variant(m, variant, adapter_pairs(a), true, ITEMS * 7), no_training);
    assert_ok(trainer_new(&t, m, a, &options, STEPS));
    const train_example *at[ITEMS] = { &items[0], &items[1] };
    for (int i = 0; i < STEPS && !no_training; i++) {
        step_result result;
        assert_ok(trainer_step(t, at, ITEMS, ITEMS, 0.02, &result));
        c.loss[i] = result.loss;
    }
    c.n     = a->theta_count;
    c.theta = mem_alloc((size_t)c.n, sizeof *c.theta);
    m->be->params->download(m->be->params, c.theta, a->theta, c.n);
    check_refused(model_use_variant(m, variant, adapter_pairs(a), false, ITEMS * 7), no_text);
    if (!no_text) write_texts(m, a, &c);
    trainer_free(t);
    adapter_free(a);
    model_close(m);
    return c;
}

/* AdamW's first steps are as large for a small gradient as for a large one, so that rounding shows
 * in the factors; losses are compared closely. */
static void compare(const char *what, const course *got, const course *want, bool bf16)
{
    const double loss = rel_err(got->loss, want->loss, STEPS), theta = rel_err(got->theta, want->theta, got->n);
    if (!(loss <= (bf16 ? 1e-2 : 1e-5) && theta <= (bf16 ? 0.2 : 1e-3)))
        fail_msg("%s: losses differ by %.3e, factors by %.3e", what, loss, theta);
}

static void check_settings(const char *device)
{
    static const setting settings[] = { { QKV, "lora" }, { QKV, "vera" }, { Q_V, "tied-lora" }, { ALL, "lora" } };
    const backend       *be         = backend_find(device);
    int                  seen       = 0;
    for (int s = 0; s < 4; s++) {
        course usual = run(device, NULL, settings[s], NULL, NULL);
        for (const adapted_variant *v = be->adapted; v->name; v++) {
            const test_variant *expected = test_variant_of(v);
            if (seen++ % TEST_PART != 0) continue;
            const char *words = s < 2 ? expected->qkv : s == 2 ? expected->q_v : expected->all;
            const char *text  = s < 2 ? expected->generate : words;
            if (v->takes == TAKES_FACTORS && be->elem == 2) words = text = "it needs the method's own factors in f32";
            if (v->takes == TAKES_FACTORS && be->elem == 2 && s >= 2) words = text = "it takes one pair";
            if (v->forward_only) text = v->same_arrays ? "it needs the same arrays" : NULL;
            course c = run(device, v->name, settings[s], words, text);
            if (!words) compare(v->name, &c, &usual, be->elem == 2);
            if (v == be->adapted) {
                assert_memory_equal(c.loss, usual.loss, sizeof c.loss);
                assert_memory_equal(c.theta, usual.theta, (size_t)c.n * sizeof *c.theta);
                assert_memory_equal(c.ids, usual.ids, sizeof c.ids);
            }
            if (!words && be->elem == 4) assert_memory_equal(c.ids, usual.ids, sizeof c.ids);
            free(c.theta);
        }
        free(usual.theta);
    }
}

static void variants_train_and_generate(void **state)
{
    (void)state;
    const bool gpu = backend_find("cuda") != NULL;
    if (!gpu && !backend_find("cuda-emulated")) skip_because("%s", error_text());
    check_settings(gpu ? "cuda" : "cuda-emulated");
    check_settings(gpu ? "cuda-bf16" : "cuda-emulated-bf16");
}

/* A variant that has no backward writes the texts of the default where it is asked to from the
 * start, and a run of more rows than it can do is an error then too. */
static void rows_are_checked(void **state)
{
    (void)state;
    const char *device = backend_find("cuda-bf16") ? "cuda-bf16" : "cuda-emulated-bf16";
    if (!backend_find(device)) skip_because("%s", error_text());
    char        *dir = test_tmpdir();
    model       *m;
    pair_arrays *p;
    int32_t      prompt[33] = { 1 }, out[3][NEW];
    test_model_write(&even, 11, dir);
    assert_ok(model_open(&m, dir, backend_find(device), false));
    test_rmdir(dir);
    p = random_pairs(m, QKV, 5);
    assert_ok(model_use_variant(m, "decode", p, false, 64));
    check_refused(model_use_variant(m, "decode", p, false, 66), "at the site qkv of layer 0 it does at most 64 rows");
    check_refused(model_use_variant(m, "decode", NULL, false, 1), "there is no adapter");
    assert_ok(model_use_variant(m, "decode", p, false, 1));
    decoder      *d        = decoder_new(m);
    generate_item texts[3] = { { .prompt = prompt, .n_prompt = 33, .max_new = 2, .ids = out[0] },
                               { .prompt = prompt, .n_prompt = 33, .max_new = 2, .ids = out[1] } };
    assert_ok(generate_items(d, p, texts, 1, (generate_options) { .batch = 1 }));
    check_refused(generate_items(d, p, texts, 2, (generate_options) { .batch = 2 }), "it does at most 64 rows");
    decoder_free(d);
    free_pairs(m, p);
    model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(variants_train_and_generate),
                                        cmocka_unit_test(rows_are_checked) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
