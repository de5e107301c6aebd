/* The decoder in bf16 over the CUDA kernels, on a GPU or else on the emulator, compared with the
 * f64 definition. A step of bf16 is 2^-8 of a number, and three layers round about thirty times in
 * a row: losses agree within 1 %, gradients within 5 %, and every run has the same bits. */
#include "core/file.h"
#include "core/rng.h"
#include "model/generate.h"
#include "model/safetensors.h"
#include "model/test_batch.h"
#include "model/test_model.h"

static const char *bf16_name(void) { return backend_find("cuda-bf16") ? "cuda-bf16" : "cuda-emulated-bf16"; }
static void        need_bf16(void)
{
    if (!backend_find(bf16_name())) skip_because("%s", error_text());
}

/* Two texts, one of which has two continuations of a shared prefix; some rows are wanted. */
static const int32_t ids[]     = { 1, 5, 7, 2, 9, 1, 4, 4, 11, 3, 6, 12, 8, 0 };
static const int32_t pos[]     = { 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 4, 5, 6 };
static const segment segs[]    = { { 0, 5, -1 }, { 5, 4, -1 }, { 9, 2, 1 }, { 11, 3, 1 } };
static const int32_t rows[]    = { 1, 2, 4, 7, 8, 8, 9, 10, 12, 13 };
static const int32_t targets[] = { 7, 2, 3, 11, 6, 8, -1, 5, 0, 1 };
enum { ROWS = 10, GRADS_MAX = 1 << 16 };
static const batch texts = { .n_tokens   = 14,
                             .n_segments = 4,
                             .n_rows     = ROWS,
                             .ids        = ids,
                             .pos        = pos,
                             .segments   = segs,
                             .rows       = rows,
                             .targets    = targets };

/* Writes the weights of a folder as BF16, cut off instead of rounded, so that rounding from f32
 * would show. */
static void as_bf16(const char *dir)
{
    char        *path = path_join(dir, "model.safetensors");
    safetensors *f;
    assert_ok(safetensors_open(&f, path));
    tensor_view *t = mem_alloc((size_t)f->n, sizeof *t);
    for (int64_t i = 0; i < f->n; i++) {
        uint16_t *bits = mem_alloc((size_t)f->tensors[i].count, sizeof *bits);
        for (int64_t k = 0; k < f->tensors[i].count; k++) memcpy(&bits[k], f->tensors[i].bytes + 4 * k + 2, 2);
        t[i]       = f->tensors[i];
        t[i].name  = mem_strdup(t[i].name);
        t[i].dtype = DT_BF16;
        t[i].bytes = (const unsigned char *)bits;
    }
    int64_t n = f->n;
    safetensors_close(f);
    assert_ok(safetensors_write(path, t, n));
    for (int64_t i = 0; i < n; i++) free((char *)(uintptr_t)t[i].name), free((void *)(uintptr_t)t[i].bytes);
    free(t);
    free(path);
}

static model *open_bf16(const char *name)
{
    char  *dir = test_tmpdir();
    model *m;
    test_model_write(&odd, 11, dir);
    as_bf16(dir);
    assert_ok(model_open(&m, dir, backend_find(name), false));
    test_rmdir(dir);
    return m;
}

/* Computes the losses, and the gradients of all pairs one after the other; returns the number of
 * gradients. */
static int64_t pass(const char *name, double nll[ROWS], double *grads)
{
    model       *m = open_bf16(name);
    decoder     *d = decoder_new(m);
    pair_arrays *p = random_pairs(m, (1u << SITE_COUNT) - 2, 5);
    int64_t      n = 0;
    assert_ok(decoder_forward(d, &texts, p, true));
    assert_ok(decoder_backward(d, 0.5, nll));
    for (int64_t i = 0; i < m->cfg.layers * SITE_COUNT; i++) {
        int64_t in  = p[i].r * site_in(&m->cfg, (site_id)(i % SITE_COUNT)),
                out = p[i].r * site_out(&m->cfg, (site_id)(i % SITE_COUNT));
        if (!p[i].r) continue;
        assert_true(n + in + out < GRADS_MAX);
        m->be->params->download(m->be->params, grads + n, p[i].dA, in);
        m->be->params->download(m->be->params, grads + n + in, p[i].dB, out);
        n += in + out;
    }
    free_pairs(m, p);
    decoder_free(d);
    model_close(m);
    return n;
}

static void losses_and_gradients(void **state)
{
    (void)state;
    need_bf16();
    double *want = mem_alloc(GRADS_MAX, 8), *got = mem_alloc(GRADS_MAX, 8), *again = mem_alloc(GRADS_MAX, 8),
           nll[3][ROWS];
    int64_t n = pass("ref", nll[0], want);
    assert_int_equal(pass(bf16_name(), nll[1], got), n);
    assert_int_equal(pass(bf16_name(), nll[2], again), n);
    print_message("losses off by %.2e, gradients by %.2e\n", rel_err(nll[1], nll[0], ROWS), rel_err(got, want, n));
    assert_within(rel_err(nll[1], nll[0], ROWS), 0.01);
    assert_within(rel_err(got, want, n), 0.05);
    assert_memory_equal(nll[1], nll[2], sizeof nll[1]);
    assert_memory_equal(got, again, (size_t)n * sizeof *got);
    free(want), free(got), free(again);
}

/* Greedy texts from a cache are the same every time, whatever else is in the batch. */
static void generated_text(void **state)
{
    (void)state;
    need_bf16();
    int32_t      out[2][3][6];
    model       *m = open_bf16(bf16_name());
    decoder     *d = decoder_new(m);
    pair_arrays *p = random_pairs(m, 1u << SITE_QKV, 2);
    for (int run = 0; run < 2; run++) {
        generate_item items[3];
        for (int i = 0; i < 3; i++)
            items[i] = (generate_item) { .prompt = ids + i, .n_prompt = 1 + 3 * i, .max_new = 6, .ids = out[run][i] };
        assert_ok(generate_items(d, p, items, 3, (generate_options) { .batch = 2 }));
        for (int i = 0; i < 3; i++) assert_int_equal(items[i].n_new, 6);
    }
    assert_memory_equal(out[0], out[1], sizeof out[0]);
    free_pairs(m, p);
    decoder_free(d);
    model_close(m);
}

static void weights_load_to_the_bit(void **state)
{
    (void)state;
    need_bf16();
    const char *names[2] = { "ref", bf16_name() };
    double     *w[2];
    int64_t     n = odd.layers * odd.inter * odd.hidden;
    for (int b = 0; b < 2; b++) {
        model *m = open_bf16(names[b]);
        w[b]     = mem_alloc((size_t)n, 8);
        for (int64_t l = 0; l < odd.layers; l++)
            m->be->download(m->be, w[b] + l * odd.inter * odd.hidden, m->layers[l].down, odd.inter * odd.hidden);
        model_close(m);
    }
    assert_memory_equal(w[0], w[1], (size_t)n * 8);
    free(w[0]), free(w[1]);
}

/* Training every weight in bf16 would move each in steps of 2^-8 of itself: it is refused with the
 * way out. */
static void all_weights_do_not_train(void **state)
{
    (void)state;
    need_bf16();
    char  *dir = test_tmpdir();
    model *m;
    test_model_write(&odd, 11, dir);
    assert_int_equal(model_open(&m, dir, backend_find(bf16_name()), true), ERR_INPUT);
    assert_non_null(strstr(error_text(), "--dtype f32"));
    error_clear();
    test_rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(losses_and_gradients), cmocka_unit_test(generated_text),
                                        cmocka_unit_test(weights_load_to_the_bit),
                                        cmocka_unit_test(all_weights_do_not_train) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
