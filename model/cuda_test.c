/* The decoder over the CUDA kernels, on a GPU or else on the emulator, beside the f64 definition: losses, gradients of pairs and of weights,
 * generated text. A model with every oddity at once, so that a host pointer given to a device, or the reverse, has somewhere to show. */
#include "core/rng.h"
#include "model/decoder_inner.h"
#include "model/generate.h"
#include "model/test_batch.h"
#include "model/test_model.h"

static const char *cuda_name(void) { return backend_find("cuda") ? "cuda" : "cuda-emulated"; }

/* Two texts, one with two continuations of a shared prefix; some rows wanted. */
static const int32_t ids[]     = { 1, 5, 7, 2, 9, 1, 4, 4, 11, 3, 6, 12, 8, 0 };
static const int32_t pos[]     = { 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 4, 5, 6 };
static const segment segs[]    = { { 0, 5, -1 }, { 5, 4, -1 }, { 9, 2, 1 }, { 11, 3, 1 } };
static const int32_t rows[]    = { 1, 2, 4, 7, 8, 8, 9, 10, 12, 13 };
static const int32_t targets[] = { 7, 2, 3, 11, 6, 8, -1, 5, 0, 1 };
enum { ROWS = 10 };
static const batch texts = {
    .n_tokens = 14, .n_segments = 4, .n_rows = ROWS, .ids = ids, .pos = pos, .segments = segs, .rows = rows, .targets = targets
};

/* Everything a backward leaves, one array after the other. */
typedef struct {
    double  nll[ROWS], *grads;
    int32_t best[ROWS];
    int64_t n;
} outcome;

static void append(outcome *o, const backend *be, const real *g, int64_t n)
{
    if (n == 0) return; /* no pair on this site */
    o->grads = mem_resize(o->grads, (size_t)(o->n + n + 1), sizeof *o->grads);
    be->download(o->grads + o->n, g, n);
    o->n += n;
}

static outcome pass(const char *name, bool weights)
{
    outcome      o = { 0 };
    model       *m = open_odd(name, weights, false);
    decoder     *d = decoder_new(m);
    pair_arrays *p = weights ? NULL : random_pairs(m, (1u << SITE_COUNT) - 2, 5);
    d->chunk_rows  = 4;
    assert_ok(decoder_forward(d, &texts, p, true));
    assert_ok(decoder_nll(d, NULL, o.best));
    assert_ok(decoder_backward(d, 0.5, o.nll));
    weight_group g;
    for (int64_t i = 0; weights && weight_group_at(m, i, &g); i++) append(&o, m->be, *g.grad_slot, g.count);
    for (int64_t i = 0; p && i < m->cfg.layers * SITE_COUNT; i++) {
        append(&o, m->be, p[i].dA, p[i].r * site_in(&m->cfg, (site_id)(i % SITE_COUNT)));
        append(&o, m->be, p[i].dB, p[i].r * site_out(&m->cfg, (site_id)(i % SITE_COUNT)));
    }
    if (p) free_pairs(m, p);
    decoder_free(d);
    model_close(m);
    return o;
}

/* Three layers deep, a few hundred roundings a number: the bounds of the CPU backend's tests (3e-6 for losses, 5e-5 for gradients). Twice: same bits.
 */
static void losses_and_gradients(void **state)
{
    (void)state;
    if (!backend_find(cuda_name())) skip_because("%s", error_text());
    for (int weights = 0; weights < 2; weights++) {
        outcome want = pass("ref", weights), got = pass(cuda_name(), weights), again = pass(cuda_name(), weights);
        assert_int_equal(got.n, want.n);
        assert_within(rel_err(got.nll, want.nll, ROWS), 3e-6);
        assert_memory_equal(got.best, want.best, sizeof want.best);
        assert_within(rel_err(got.grads, want.grads, want.n), 5e-5);
        assert_memory_equal(got.nll, again.nll, sizeof got.nll);
        assert_memory_equal(got.grads, again.grads, (size_t)got.n * sizeof *got.grads);
        free(want.grads), free(got.grads), free(again.grads);
    }
}

enum { ITEMS = 4, NEW = 6 };

static void write_texts(const char *name, int32_t out[ITEMS][NEW], double margin[ITEMS])
{
    model        *m = open_odd(name, false, true);
    decoder      *d = decoder_new(m);
    pair_arrays  *p = random_pairs(m, 1u << SITE_QKV, 2);
    generate_item items[ITEMS];
    for (int i = 0; i < ITEMS; i++) items[i] = (generate_item) { .prompt = ids + i, .n_prompt = 1 + 3 * i, .max_new = NEW, .ids = out[i] };
    assert_ok(generate_items(d, p, items, ITEMS, (generate_options) { .batch = 3 }));
    for (int i = 0; i < ITEMS; i++) {
        assert_int_equal(items[i].n_new, NEW);
        margin[i] = items[i].min_margin;
    }
    free_pairs(m, p);
    decoder_free(d);
    model_close(m);
}

static void generated_text(void **state)
{
    (void)state;
    if (!backend_find(cuda_name())) skip_because("%s", error_text());
    int32_t want[ITEMS][NEW], got[ITEMS][NEW];
    double  want_margin[ITEMS], got_margin[ITEMS];
    write_texts("ref", want, want_margin);
    write_texts(cuda_name(), got, got_margin);
    for (int i = 0; i < ITEMS; i++) {
        assert_true(want_margin[i] > 1e-4); /* no near tie, so the texts have to be the same */
        assert_within(fabs(got_margin[i] - want_margin[i]), 1e-4);
        assert_memory_equal(got[i], want[i], sizeof want[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(losses_and_gradients), cmocka_unit_test(generated_text) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
