/* The decoder over the CUDA kernels, on a GPU or else on the emulator, compared with the f64
 * definition: losses, gradients of pairs and of weights, generated text. The model has every oddity
 * at once, so that a host pointer given to a device, or the reverse, has somewhere to show. */
#include "core/rng.h"
#include "model/decoder_private.h"
#include "model/generate.h"
#include "model/test_batch.h"
#include "model/test_model.h"

static const char *cuda_name(void) { return backend_find("cuda") ? "cuda" : "cuda-emulated"; }

/* Two texts, one of which has two continuations of a shared prefix; some rows are wanted. */
static const int32_t ids[]     = { 1, 5, 7, 2, 9, 1, 4, 4, 11, 3, 6, 12, 8, 0 };
static const int32_t pos[]     = { 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 4, 5, 6 };
static const segment segs[]    = { { 0, 5, -1 }, { 5, 4, -1 }, { 9, 2, 1 }, { 11, 3, 1 } };
static const int32_t rows[]    = { 1, 2, 4, 7, 8, 8, 9, 10, 12, 13 };
static const int32_t targets[] = { 7, 2, 3, 11, 6, 8, -1, 5, 0, 1 };
enum { ROWS = 10 };
static const batch texts = { .n_tokens   = 14,
                             .n_segments = 4,
                             .n_rows     = ROWS,
                             .ids        = ids,
                             .pos        = pos,
                             .segments   = segs,
                             .rows       = rows,
                             .targets    = targets };

/* Everything that a backward computes, one array after the other. */
typedef struct {
    double  nll[ROWS], *grads;
    int32_t best[ROWS];
    int64_t n;
} outcome;

static void append(outcome *o, const backend *be, const param *g, int64_t n)
{
    if (n == 0) return; /* no pair on this site */
    o->grads = mem_resize(o->grads, (size_t)(o->n + n + 1), sizeof *o->grads);
    be->download(be, o->grads + o->n, g, n);
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

/* Three layers round a number a few hundred times: the bounds are those of the CPU backend's tests
 * (3e-6 for losses, 5e-5 for gradients). Two runs have the same bits. */
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

enum { ITEMS = 5, NEW = 28 };

/* The same backend, which also counts its graphs and their runs. With `refuse` the first run does
 * not happen, as after memory has moved. */
static const backend *counted;
static int            graphs, runs, refuse;
static bool           counted_run(const backend *be, backend_graph *g)
{
    if (refuse > 0 && refuse-- % 2) return false;
    runs++;
    return counted->graph_run(be, g);
}
static backend_graph *counted_end(const backend *be)
{
    graphs++;
    return counted->graph_end(be);
}

typedef struct {
    int32_t ids[ITEMS][NEW];
    double  margin[ITEMS];
    int64_t n[ITEMS];
} written;

/* The third text is short, so that another enters while two go on and places stay free at the
 * end. */
static written write_texts(const backend *be, int64_t batch_size)
{
    static const int64_t most[ITEMS] = { NEW, 20, 3, 0, NEW };
    written              w           = { 0 };
    model               *m           = open_odd(be->name, false, true);
    pair_arrays         *p           = random_pairs(m, 1u << SITE_QKV | 1u << SITE_DOWN, 2);
    generate_item        items[ITEMS];
    m->be      = be;
    decoder *d = decoder_new(m);
    for (int i = 0; i < ITEMS; i++)
        items[i] = (generate_item) { .prompt = ids + i, .n_prompt = 1 + 2 * i, .max_new = most[i], .ids = w.ids[i] };
    assert_ok(generate_items(d, p, items, ITEMS, (generate_options) { .batch = batch_size }));
    for (int i = 0; i < ITEMS; i++) w.n[i] = items[i].n_new, w.margin[i] = items[i].min_margin;
    for (int i = 0; i < ITEMS; i++) assert_int_equal(w.n[i], most[i]);
    free_pairs(m, p);
    decoder_free(d);
    model_close(m);
    return w;
}

/* Skinny products in f32 may be cut otherwise where free places decode beside the texts, so bits
 * may differ. */
static void assert_same_texts(const written *got, const written *want, double tol)
{
    for (int i = 0; i < ITEMS; i++) {
        assert_memory_equal(got->ids[i], want->ids[i], sizeof want->ids[i]);
        if (want->n[i]) assert_within(fabs(got->margin[i] - want->margin[i]), tol);
    }
}

static void generated_text(void **state)
{
    (void)state;
    if (!backend_find(cuda_name())) skip_because("%s", error_text());
    const written want = write_texts(backend_find("ref"), 3);
    for (int i = 0; i < ITEMS; i++) /* there is no near tie, so the texts must be the same */
        if (want.n[i]) assert_true(want.margin[i] > 1e-4);
    counted             = backend_find(cuda_name());
    backend with_graphs = *counted, without_graphs = *counted;
    with_graphs.graph_end        = counted_end;
    with_graphs.graph_run        = counted_run;
    without_graphs.graph_begin   = NULL;
    static const int64_t sizes[] = { 3, 1, 8 };
    for (int i = 0; i < test_part(3); i++) {
        graphs = runs = refuse = 0;
        const written graph    = write_texts(&with_graphs, sizes[i]);
        assert_same_texts(&graph, &want, 1e-4);
        assert_true(graphs >= 2 && runs >= 10); /* there is a new graph where spans outgrow the first */
        if (i > 0) continue;
        const int     made  = graphs;
        const written plain = write_texts(&without_graphs, sizes[i]);
        refuse              = 6;
        const written moved = write_texts(&with_graphs, sizes[i]);
        assert_same_texts(&plain, &want, 1e-4);
        assert_same_texts(&moved, &graph, 0);
        assert_true(graphs > 2 * made);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(losses_and_gradients), cmocka_unit_test(generated_text) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
