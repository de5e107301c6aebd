/* Graphs of a backend that has them, on a GPU or on the emulator: replay on other inputs, what
 * may not be captured, and memory that moved. Also that what the host puts is what the device
 * sees, when the host is far ahead. */
#include "kernels/test_check.h"

enum { N = 5, IN = 37, OUT = 21, R = 3, VOCAB = 11 };

/* y = gathered W^T + pair: launches, products and, in f32, scratch memory. */
typedef struct {
    int32_t *ids;
    real    *embed, *x, *W, *A, *B, *h, *y;
} arrays;

static void ops(const backend *be, const arrays *a)
{
    const pair_arrays p = { .A = a->A, .B = a->B, .r = R, .lda = IN, .ldb = R };
    be->gather_rows(be, a->x, a->embed, a->ids, N, IN);
    be->linear_fwd(be, a->y, a->x, a->W, NULL, (linear_dims) { .n = N, .in = IN, .out = OUT }, false);
    be->pair_fwd(be, a->y, a->h, a->x, &p, (pair_dims) { .n = N, .in = IN, .out = OUT });
}

static real *random_array(const backend *be, int64_t count, uint64_t seed)
{
    rng     r    = rng_seed(seed);
    double *host = check_random(&r, count);
    real   *p    = be->alloc(be, count);
    be->upload(be, p, host, count);
    free(host);
    return p;
}

static arrays arrays_new(const backend *be)
{
    return (arrays) { be->alloc_bytes(be, N * 4),    random_array(be, VOCAB * IN, 1), be->alloc(be, N * IN),
                      random_array(be, OUT * IN, 2), random_array(be, R * IN, 3),     random_array(be, OUT * R, 4),
                      be->alloc(be, N * R),          be->alloc(be, N * OUT) };
}

static void arrays_free(const backend *be, arrays *a)
{
    void *all[] = { a->ids, a->embed, a->x, a->W, a->A, a->B, a->h, a->y };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) be->release(be, all[i]);
}

static void put_ids(const backend *be, const arrays *a, int first)
{
    int32_t ids[N];
    for (int i = 0; i < N; i++) ids[i] = (first + i * 3) % VOCAB;
    be->put(be, a->ids, ids, sizeof ids);
}

/* y on the host must be what the ops give at once. */
static void assert_as_ops(const backend *be, const arrays *a)
{
    char got[N * OUT * 4], want[N * OUT * 4];
    be->get(be, got, a->y, N * OUT * (int64_t)be->elem);
    be->zero(be, a->y, N * OUT);
    ops(be, a);
    be->get(be, want, a->y, N * OUT * (int64_t)be->elem);
    assert_ok(be->sync(be));
    assert_memory_equal(got, want, N * OUT * be->elem);
}

static backend_graph *captured(const backend *be, const arrays *a)
{
    be->graph_begin(be);
    ops(be, a);
    backend_graph *g = be->graph_end(be);
    assert_ok(be->sync(be));
    assert_non_null(g);
    return g;
}

static void check_replay(void)
{
    const backend *be = check_subject;
    arrays         a  = arrays_new(be);
    put_ids(be, &a, 0);
    ops(be, &a);
    be->zero(be, a.y, N * OUT);
    backend_graph *g = captured(be, &a);
    double         y[N * OUT];
    be->download(be, y, a.y, N * OUT); /* captured, not done */
    for (int i = 0; i < N * OUT; i++) assert_true(y[i] == 0);
    for (int round = 0; round < 3; round++) {
        put_ids(be, &a, round + 1); /* other rows, then another adapter in the same arrays */
        if (round == 2) be->zero(be, a.B, OUT * R);
        assert_true(be->graph_run(be, g));
        assert_as_ops(be, &a);
    }
    put_ids(be, &a, 7);
    assert_true(be->graph_run(be, g));
    put_ids(be, &a, 3); /* while that run may still wait */
    assert_true(be->graph_run(be, g));
    assert_as_ops(be, &a);
    be->time_begin(be);
    assert_true(be->graph_run(be, g));
    assert_true(be->time_end(be) > 0);
    const int64_t launches = be->time_launches(be);
    be->time_begin(be);
    ops(be, &a);
    be->time_end(be);
    assert_int_equal(launches, be->time_launches(be)); /* what runs on the device is the same */
    /* a call of cuBLAS may launch several */
    assert_true(be->graph_kernels(be, g) >= launches);
    if (strstr(be->name, "emulated")) assert_int_equal(be->graph_kernels(be, g), launches);
    be->graph_free(be, g);
    be->graph_free(be, NULL);
    arrays_free(be, &a);
}

static void check_memory_that_moved(void)
{
    const backend *be = check_subject;
    arrays         a  = arrays_new(be);
    put_ids(be, &a, 0);
    ops(be, &a);
    be->params->sum_squares(be->params, params_of(a.y), 1); /* so that there is scratch memory */
    backend_graph *g = captured(be, &a);
    be->release(be, be->alloc(be, 3));
    assert_false(be->graph_run(be, g));
    be->graph_free(be, g);
    g = captured(be, &a);
    assert_true(be->graph_run(be, g));
    assert_as_ops(be, &a);
    if (be->params == be) { /* scratch grows */
        enum { WIDE = 100000 };
        real *x = be->alloc(be, WIDE), *dx = be->alloc(be, WIDE), *dg = be->alloc(be, WIDE);
        assert_true(be->graph_run(be, g));
        be->rmsnorm_bwd(be, dx, as(dg), x, x, as(x), x, (norm_dims) { .n = 1, .d = WIDE });
        assert_false(be->graph_run(be, g));
        be->release(be, x), be->release(be, dx), be->release(be, dg);
    }
    be->graph_free(be, g);
    arrays_free(be, &a);
}

static void assert_refused(const backend *be, const char *why)
{
    error_clear();
    assert_null(be->graph_end(be));
    assert_int_equal(be->sync(be), ERR_FAILED);
    if (!strstr(error_text(), why)) fail_msg("\"%s\" is not in \"%s\"", why, error_text());
    assert_ok(be->sync(be));
}

/* What a capture cannot hold is refused with its name, and the stream works on afterwards. */
static void check_refusals(void)
{
    const backend       *be    = check_subject;
    arrays               a     = arrays_new(be);
    const attention_span span  = { 0, 1, 0, 1, 0, 0 };
    real                *extra = be->alloc(be, 1);
    char                 byte  = 0;
    put_ids(be, &a, 0);
    be->graph_begin(be);
    be->put(be, a.ids, &byte, 1);
    assert_refused(be, "a copy from the host is not possible between graph_begin and graph_end");
    be->graph_begin(be);
    be->get(be, &byte, a.ids, 1);
    assert_refused(be, "a copy to the host is not possible");
    be->graph_begin(be);
    assert_true(isnan(be->params->sum_squares(be->params, params_of(a.y), 1)));
    assert_refused(be, "a sum that the host wants is not possible");
    be->graph_begin(be);
    be->release(be, be->alloc(be, 1));
    assert_refused(be, "an allocation is not possible");
    be->graph_begin(be);
    be->attention_fwd(be, a.y, NULL,
                      &(attention_args) { a.x, a.x, a.x, &span, 1,
                                          (attention_dims) { .heads = 1, .kv_heads = 1, .head_dim = 4 }, 1 });
    assert_refused(be, "a list of spans or jobs");
    be->graph_begin(be);
    be->release(be, extra);
    assert_refused(be, "giving memory back");
    be->graph_begin(be);
    be->graph_begin(be);
    assert_refused(be, "another graph");
    be->graph_begin(be);
    be->sync(be);
    error_clear();
    assert_null(be->graph_end(be));
    assert_int_equal(be->sync(be), ERR_FAILED);
    assert_null(be->graph_end(be)); /* of nothing */
    ops(be, &a);
    assert_as_ops(be, &a);
    arrays_free(be, &a);
}

/* Many more small puts than there are slots, none waited for, of sizes on both sides of a
 * slot's. */
static void check_puts(void)
{
    enum { PUTS = 600, LARGE = 40000 };
    const backend *be = check_subject;
    int32_t       *to = be->alloc_bytes(be, (PUTS + LARGE) * 4), *back = mem_alloc(PUTS + LARGE, 4),
            *large = mem_alloc(LARGE, 4);
    for (int32_t i = 0; i < PUTS; i++) be->put(be, to + i, &(int32_t) { i * 7 }, 4);
    for (int32_t i = 0; i < LARGE; i++) large[i] = i;
    be->put(be, to + PUTS, large, LARGE * 4);
    memset(large, 0, LARGE * 4);
    be->get(be, back, to, (PUTS + LARGE) * 4);
    for (int32_t i = 0; i < PUTS; i++) assert_int_equal(back[i], i * 7);
    for (int32_t i = 0; i < LARGE; i++) assert_int_equal(back[PUTS + i], i);
    be->release(be, to);
    free(back), free(large);
}

static void all(void)
{
    check_replay();
    check_memory_that_moved();
    check_refusals();
    check_puts();
}

static void graphs_on_cuda(void **state)
{
    (void)state;
    check_on_cuda(all);
}

/* ref and cpu have none: all four are absent. */
static void none_on_the_host(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        const backend *be = backend_find(i ? "cpu" : "ref");
        assert_true(!be->graph_begin && !be->graph_end && !be->graph_run && !be->graph_free);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(graphs_on_cuda), cmocka_unit_test(none_on_the_host) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
