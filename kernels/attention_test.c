#include "kernels/test_check.h"

/* Rows of q and of k, v are those the spans name plus some nobody names: those must come back
 * unchanged (o, dq) or zero-added (dk, dv). */
typedef struct {
    const char    *what;
    attention_dims d;
    attention_span spans[8];
    int64_t        n_spans, q_rows, kv_rows;
    double         scale;
    int64_t        window;
    double         soft_cap;
} attention_case;

static const attention_case cases[] = {
    { "one token", { 1, 1, 4, 0, 0, 0, 0 }, { { 0, 1, 0, 1, 0, 0 } }, 1, 1, 1, 0.5 },
    { "one short sequence", { 2, 2, 6, 0, 0, 0, 0 }, { { 0, 5, 0, 5, 0, 0 } }, 1, 5, 5, 0.4 },
    { "two sequences, strided, rows of k before q",
      { 3, 3, 8, 30, 27, 25, 31 },
      { { 0, 17, 2, 17, 0, 0 }, { 17, 33, 19, 33, 0, 0 } },
      2,
      50,
      52,
      0.35 },
    { "grouped queries, longer than a block",
      { 6, 2, 48, 0, 0, 0, 0 },
      { { 0, 131, 0, 131, 0, 0 } },
      1,
      131,
      131,
      0.14 },
    { "grouped queries, head of 64, odd lengths",
      { 4, 1, 64, 0, 0, 0, 0 },
      { { 0, 63, 0, 63, 0, 0 }, { 63, 65, 63, 65, 0, 0 }, { 128, 1, 128, 1, 0, 0 } },
      3,
      129,
      129,
      0.125 },
    { "a shared prefix and four endings",
      { 4, 2, 16, 0, 0, 0, 0 },
      { { 0, 29, 0, 29, 0, 0 },
        { 29, 7, 29, 7, 0, 29 },
        { 36, 1, 36, 1, 0, 29 },
        { 37, 12, 37, 12, 0, 29 },
        { 49, 9, 49, 9, 0, 29 } },
      5,
      58,
      58,
      0.25 },
    { "a long shared prefix",
      { 2, 1, 10, 0, 0, 0, 0 },
      { { 0, 200, 0, 200, 0, 0 }, { 200, 3, 200, 3, 0, 200 }, { 203, 70, 203, 70, 0, 200 } },
      3,
      273,
      273,
      0.3 },
    { "decode: one query each over cached rows",
      { 4, 2, 16, 0, 0, 0, 0 },
      { { 0, 1, 0, 33, 0, 0 }, { 1, 1, 40, 100, 0, 0 }, { 2, 1, 140, 1, 0, 0 }, { 3, 1, 150, 129, 0, 0 } },
      4,
      4,
      280,
      0.25 },
    { "a chunk over cached rows and a prefix",
      { 2, 2, 24, 0, 0, 0, 0 },
      { { 0, 9, 30, 40, 3, 20 }, { 9, 2, 80, 70, 3, 20 } },
      2,
      11,
      150,
      0.2 },
    { "a head longer than any block of columns",
      { 2, 1, 133, 0, 0, 0, 0 },
      { { 0, 35, 0, 35, 0, 0 }, { 35, 2, 35, 2, 0, 35 } },
      2,
      37,
      37,
      0.1 },
    { "large scores", { 2, 2, 16, 0, 0, 0, 0 }, { { 0, 40, 0, 40, 0, 0 } }, 1, 40, 40, 20 },
    { "a window of 7", { 4, 2, 16, 0, 0, 0, 0 }, { { 0, 61, 0, 61, 0, 0 } }, 1, 61, 61, 0.25, 7 },
    { "a window of 1", { 2, 2, 6, 0, 0, 0, 0 }, { { 0, 5, 0, 5, 0, 0 } }, 1, 5, 5, 0.4, 1 },
    { "a window that reaches into a prefix and a cached past, and a cap",
      { 2, 1, 24, 0, 0, 0, 0 },
      { { 0, 9, 30, 40, 3, 20 }, { 9, 2, 80, 70, 3, 20 }, { 11, 30, 150, 30, 3, 20 } },
      3,
      41,
      200,
      0.5,
      33,
      1.5 },
    { "a cap, more queries than a block",
      { 3, 1, 40, 0, 0, 0, 0 },
      { { 0, 131, 0, 131, 0, 0 } },
      1,
      131,
      131,
      1,
      0,
      2 },
    { "a cap far below the scores", { 2, 2, 16, 0, 0, 0, 0 }, { { 0, 40, 0, 40, 0, 0 } }, 1, 40, 40, 20, 0, 0.5 },
    { "no span", { 2, 2, 4, 0, 0, 0, 0 }, { { 0, 0, 0, 0, 0, 0 } }, 0, 3, 3, 1 },
    { "an empty span", { 2, 2, 4, 0, 0, 0, 0 }, { { 0, 0, 0, 0, 0, 0 }, { 0, 3, 0, 3, 0, 0 } }, 2, 3, 3, 1 },
};
enum { CASES = sizeof cases / sizeof *cases };

enum { DECODE_MOST = 150 };

/* q, k and v are arrays `first` and the two behind it. */
static attention_args args_of(const attention_case *c, void **first)
{
    return (attention_args) { .q        = first[0],
                              .k        = first[1],
                              .v        = first[2],
                              .spans    = c->spans,
                              .n_spans  = c->n_spans,
                              .d        = c->d,
                              .scale    = c->scale,
                              .window   = c->window,
                              .soft_cap = c->soft_cap };
}

/* The arrays of each call, in this order. */
enum { F_O, F_LSE, F_Q, F_K, F_V, F_ALL };
enum { B_DQ, B_DK, B_DV, B_DO, B_Q, B_K, B_V, B_O, B_LSE, B_ALL };
enum { D_O, D_Q, D_K, D_V, D_SPANS, D_ALL };

static void call_fwd(const backend *be, void **a, const void *c)
{
    const attention_args args = args_of(c, a + F_Q);
    be->attention_fwd(be, a[F_O], a[F_LSE], &args);
}

/* The forward of the same backend first, for o and lse. */
static void call_bwd(const backend *be, void **a, const void *c)
{
    const attention_args args = args_of(c, a + B_Q);
    be->attention_fwd(be, a[B_O], a[B_LSE], &args);
    be->attention_bwd(be, a[B_DQ], a[B_DK], a[B_DV], a[B_DO], a[B_O], a[B_LSE], &args);
}

/* One query a span, and the spans an array like the others. */
static void call_decode(const backend *be, void **a, const void *c)
{
    attention_args args = args_of(c, a + D_Q);
    args.spans          = a[D_SPANS];
    be->attention_decode(be, a[D_O], DECODE_MOST, &args);
}

/* Spans of one key up to DECODE_MOST, with and without a prefix, in no order; rows of k and v
 * that no span names. */
static void check_decode(void)
{
    static const attention_span spans[] = { { 0, 1, 0, 33, 0, 0 },    { 1, 1, 40, 100, 0, 0 },
                                            { 2, 1, 140, 1, 0, 0 },   { 3, 1, 150, 129, 0, 0 },
                                            { 4, 1, 280, 17, 3, 35 }, { 5, 1, 300, 150, 0, 0 },
                                            { 6, 1, 160, 64, 0, 86 } };
    static const attention_dims dims[]  = {
         { 4, 2, 16, 0, 0, 0, 0 }, { 6, 1, 40, 248, 80, 88, 256 }, { 2, 2, 133, 0, 0, 0, 0 }, { 8, 2, 64, 0, 0, 0, 0 }
    };
    enum { N = sizeof spans / sizeof *spans, ROWS = 460 };
    double values[N * 6];
    for (int i = 0; i < N * 6; i++) values[i] = ((const int32_t *)spans)[i];
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        attention_case c        = { "decode, spans on the device", .d = dims[i], .n_spans = N, .scale = 0.25 };
        attention_dims d        = c.d;
        double         tol      = check_sum_tol(d.head_dim + DECODE_MOST) * (1 + c.scale * sqrt((double)d.head_dim));
        check_array    arrays[] = { check_rows("o", N, d.ldo, d.heads * d.head_dim, true, tol),
                                    check_rows("q", N, d.ldq, d.heads * d.head_dim, false, 0),
                                    check_rows("k", ROWS, d.ldk, d.kv_heads * d.head_dim, false, 0),
                                    check_rows("v", ROWS, d.ldv, d.kv_heads * d.head_dim, false, 0),
                                    { "spans", .n = N * 6, .kind = I32, .values = values } };
        check_op(c.what, arrays, D_ALL, call_decode, &c);
    }
}

/* Random rows of k or v, and NaN in those that no span names: a cache holds anything there. The
 * caller frees. */
static double *named_rows(const attention_case *c, int64_t ld, uint64_t seed)
{
    rng     g = rng_seed(seed);
    double *p = check_random(&g, c->kv_rows * ld);
    for (int64_t row = 0; row < c->kv_rows; row++) {
        bool named = c->n_spans == 0;
        for (const attention_span *s = c->spans; s < c->spans + c->n_spans; s++)
            named = named || (row >= s->kv0 && row < s->kv0 + s->kv_len) ||
                    (row >= s->pre0 && row < s->pre0 + s->pre_len);
        for (int64_t i = 0; i < ld && !named; i++) p[row * ld + i] = NAN;
    }
    return p;
}

static void check_cases(void)
{
    check_decode();
    for (int i = 0; i < CASES; i++) {
        const attention_case *c = &cases[i];
        if ((c->window || c->soft_cap > 0) && check_subject && !check_subject->windows) continue;
        attention_dims d  = c->d;
        int64_t        wq = d.heads * d.head_dim, wk = d.kv_heads * d.head_dim;
        /* A score is a sum of head_dim products and an exponential turns its absolute error into
         * a relative one; scores here are at most scale * head_dim. Then up to kv_rows terms are
         * summed. */
        double      tol  = check_sum_tol(d.head_dim + c->kv_rows) * (1 + c->scale * sqrt((double)d.head_dim));
        check_array q    = check_rows("q", c->q_rows, d.ldq, wq, false, 0),
                    k    = check_rows("k", c->kv_rows, d.ldk, wk, false, 0),
                    v    = check_rows("v", c->kv_rows, d.ldv, wk, false, 0);
        double *k_values = named_rows(c, d.ldk ? d.ldk : wk, 2), *v_values = named_rows(c, d.ldv ? d.ldv : wk, 3);
        k.values = k_values, v.values = v_values;
        check_array fwd[F_ALL] = { check_rows("o", c->q_rows, d.ldo, wq, true, tol),
                                   { "lse", .kind = PARAM, .n = c->q_rows * d.heads, .out = true, .tol = tol },
                                   q,
                                   k,
                                   v };
        check_op(c->what, fwd, F_ALL, call_fwd, c);
        fwd[F_LSE].n = -1;
        check_op(c->what, fwd, F_ALL, call_fwd, c);
        check_array bwd[B_ALL] = { check_rows("dq", c->q_rows, d.ldq, wq, true, 4 * tol),
                                   check_rows("dk", c->kv_rows, d.ldk, wk, true, 4 * tol),
                                   check_rows("dv", c->kv_rows, d.ldv, wk, true, 4 * tol),
                                   check_rows("do", c->q_rows, d.ldo, wq, false, 0),
                                   q,
                                   k,
                                   v,
                                   check_rows("o", c->q_rows, d.ldo, wq, true, tol),
                                   { "lse", .kind = PARAM, .n = c->q_rows * d.heads, .out = true, .tol = tol } };
        /* p and then o, whose product with do is subtracted from what may be close to it */
        bwd[0].through_bf16 = bwd[1].through_bf16 = 2;
        check_op(c->what, bwd, B_ALL, call_bwd, c);
        free(k_values), free(v_values);
    }
}

/* A query has the same bits as part of its whole sequence, one at a time over cached rows, and
 * with its past as a shared prefix. */
static void queries_have_the_same_bits_in_any_span(void **state)
{
    (void)state;
    enum { LEN = 83, HEADS = 4, KV = 2, DIM = 40, PREFIX = 37 };
    const attention_dims d  = { HEADS, KV, DIM, 0, 0, 0, 0 };
    const backend       *be = backend_find("cpu");
    rng                  r  = rng_seed(11);
    float *q = be->alloc(be, LEN * HEADS * DIM), *k = be->alloc(be, LEN * KV * DIM), *v = be->alloc(be, LEN * KV * DIM);
    float *o = be->alloc(be, LEN * HEADS * DIM), *again = be->alloc(be, LEN * HEADS * DIM);
    for (int i = 0; i < LEN * HEADS * DIM; i++) q[i] = (float)rng_normal(&r);
    for (int i = 0; i < LEN * KV * DIM; i++) k[i] = (float)rng_normal(&r), v[i] = (float)rng_normal(&r);
    const attention_span all = { 0, LEN, 0, LEN, 0, 0 };
    attention_args       a   = { as(q), as(k), as(v), &all, 1, d, 0.2 };
    be->attention_fwd(be, as(o), NULL, &a);
    attention_span one[LEN];
    for (int i = 0; i < LEN; i++) one[i] = (attention_span) { i, 1, 0, i + 1, 0, 0 };
    a.spans = one, a.n_spans = LEN;
    be->attention_fwd(be, as(again), NULL, &a);
    assert_memory_equal(o, again, LEN * HEADS * DIM * sizeof(float));
    const attention_span split[] = { { 0, PREFIX, 0, PREFIX, 0, 0 },
                                     { PREFIX, LEN - PREFIX, PREFIX, LEN - PREFIX, 0, PREFIX } };
    a.spans = split, a.n_spans = 2;
    be->attention_fwd(be, as(again), NULL, &a);
    assert_memory_equal(o, again, LEN * HEADS * DIM * sizeof(float));
    be->release(be, q), be->release(be, k), be->release(be, v), be->release(be, o), be->release(be, again);
}

typedef struct {
    const attention_case *c;
    double               *q, *k, *v, *o, *lse, *weight;
    int64_t               n;
} attention_loss;

static double loss(void *ctx)
{
    const backend       *ref = backend_find("ref");
    attention_loss      *l   = ctx;
    const attention_args a   = args_of(l->c, (void *[]) { l->q, l->k, l->v });
    ref->attention_fwd(ref, as(l->o), as(l->lse), &a);
    return check_dot(l->o, l->weight, l->n);
}

/* Grouped queries, a shared prefix, cached rows, all at once. */
static void check_gradients(int64_t window, double soft_cap)
{
    const backend       *ref = backend_find("ref");
    const attention_case c   = { "gradient",
                                 { 4, 2, 3, 0, 0, 0, 0 },
                                 { { 0, 4, 0, 4, 0, 0 }, { 4, 2, 4, 5, 0, 4 }, { 6, 3, 9, 3, 0, 4 } },
                                 3,
                                 9,
                                 12,
                                 0.6,
                                 window,
                                 soft_cap };
    enum { NQ = 9 * 12, NK = 12 * 6 };
    rng            r = rng_seed(4);
    attention_loss l = { &c,
                         check_random(&r, NQ),
                         check_random(&r, NK),
                         check_random(&r, NK),
                         check_random(&r, NQ),
                         check_random(&r, 36),
                         check_random(&r, NQ),
                         NQ };
    loss(&l);
    double               dq[NQ], dk[NK] = { 0 }, dv[NK] = { 0 };
    const attention_args a = args_of(&c, (void *[]) { l.q, l.k, l.v });
    ref->attention_bwd(ref, as(dq), as(dk), as(dv), as(l.weight), as(l.o), as(l.lse), &a);
    assert_within(check_gradient(loss, &l, l.q, dq, NQ), CHECK_GRADIENT_TOL);
    assert_within(check_gradient(loss, &l, l.k, dk, NK), CHECK_GRADIENT_TOL);
    assert_within(check_gradient(loss, &l, l.v, dv, NK), CHECK_GRADIENT_TOL);
    free(l.q), free(l.k), free(l.v), free(l.o), free(l.lse), free(l.weight);
}

static void gradients_match_differences(void **state)
{
    (void)state;
    check_gradients(0, 0);
    check_gradients(3, 0);
    check_gradients(0, 0.7);
    check_gradients(2, 0.7);
}

/* A window of w is what attention over the last w keys alone gives. */
static void a_window_is_the_last_keys_alone(void **state)
{
    (void)state;
    enum { LEN = 20, DIM = 6, WINDOW = 5 };
    const backend *ref = backend_find("ref");
    rng            r   = rng_seed(9);
    double        *q = check_random(&r, LEN * DIM), *k = check_random(&r, LEN * DIM), *v = check_random(&r, LEN * DIM),
           o[LEN * DIM], last[DIM];
    const attention_span all = { 0, LEN, 0, LEN, 0, 0 };
    attention_args       a   = { as(q), as(k), as(v), &all, 1, { 1, 1, DIM, 0, 0, 0, 0 }, 0.8, WINDOW };
    ref->attention_fwd(ref, as(o), NULL, &a);
    for (int i = 0; i < LEN; i++) {
        const int            seen = i + 1 < WINDOW ? i + 1 : WINDOW;
        const attention_span one  = { 0, 1, i + 1 - seen, seen, 0, 0 };
        const attention_args b    = { as(q + i * DIM), as(k), as(v), &one, 1, { 1, 1, DIM, 0, 0, 0, 0 }, 0.8 };
        ref->attention_fwd(ref, as(last), NULL, &b);
        assert_memory_equal(last, o + i * DIM, sizeof last);
    }
    free(q), free(k), free(v);
}

/* By hand: two keys, scores 0 and log 3, so the second query weighs them 1/4 and 3/4. */
static void hand_computed(void **state)
{
    (void)state;
    const backend *ref = backend_find("ref");
    /* log(3) / 2, scale 2 */
    const double         q[2] = { 1, 1 }, k[2] = { 0, 0.5493061443340549 }, v[2] = { 8, 4 };
    double               o[2], lse[2];
    const attention_span s = { 0, 2, 0, 2, 0, 0 };
    const attention_args a = { as(q), as(k), as(v), &s, 1, { 1, 1, 1, 0, 0, 0, 0 }, 2 };
    ref->attention_fwd(ref, as(o), as(lse), &a);
    assert_within(fabs(o[0] - 8), 1e-14);
    assert_within(fabs(o[1] - 5), 1e-14);
    assert_within(fabs(lse[0]), 1e-14);
    assert_within(fabs(lse[1] - log(4)), 1e-14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_AGREES(check_cases),
        cmocka_unit_test(queries_have_the_same_bits_in_any_span),
        cmocka_unit_test(gradients_match_differences),
        cmocka_unit_test(a_window_is_the_last_keys_alone),
        cmocka_unit_test(hand_computed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
