#include "kernels/test_check.h"

typedef struct {
    rope_dims d;
    bool      inverse;
} rope_case;

static void call(const backend *be, void **a, const void *c_)
{
    const rope_case *c = c_;
    be->rope(be, a[0], (const int32_t *)a[1], a[2], c->d, c->inverse);
}

static void check_cases(void)
{
    static const rope_case cases[] = { { { 1, 1, 2, 0 }, false },     { { 7, 3, 6, 20 }, true },
                                       { { 33, 6, 48, 0 }, false },   { { 65, 12, 64, 0 }, true },
                                       { { 5, 2, 22, 50 }, false },   { { 0, 2, 4, 0 }, false },
                                       { { 9, 3, 6, 0, 16 }, false }, { { 7, 2, 32, 70, 33 }, true } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rope_dims d     = cases[i].d;
        int64_t   width = (d.heads - 1) * (d.ldh ? d.ldh : d.head_dim) + d.head_dim;
        int64_t   ld    = d.ldx ? d.ldx : d.ldh ? d.heads * d.ldh : width;
        double    pos[65];
        for (int t = 0; t < 65; t++) pos[t] = (t * 7) % 40;
        /* 3 roundings */
        check_array arrays[] = { { "x", .n = d.n ? (d.n - 1) * ld + width : 0, .ld = ld, .width = width, .out = true,
                                   .tol = 3e-7 },
                                 { "pos", .n = d.n, .kind = I32, .values = pos },
                                 { "table", .kind = PARAM, .n = 40 * d.head_dim } };
        char        what[64];
        snprintf(what, sizeof what, "rope case %d", (int)i);
        check_op(what, arrays, 3, call, &cases[i]);
    }
}

/* A quarter turn at position 1: (1, 2) becomes (-2, 1); the inverse turns it back. */
static void hand_computed(void **state)
{
    (void)state;
    const backend *be       = backend_find("ref");
    const double   table[4] = { 1, 0, 0, 1 }; /* head_dim 2: a row is one cosine, one sine */
    const int32_t  pos[2]   = { 0, 1 };
    double         x[4]     = { 1, 2, 1, 2 };
    be->rope(be, as(x), pos, as(table), (rope_dims) { 2, 1, 2, 0 }, false);
    assert_true(x[0] == 1 && x[1] == 2 && x[2] == -2 && x[3] == 1);
    be->rope(be, as(x), pos, as(table), (rope_dims) { 2, 1, 2, 0 }, true);
    assert_true(x[0] == 1 && x[1] == 2 && x[2] == 1 && x[3] == 2);
}

/* The first 2 values of heads of 5 are turned, and the others stay to the bit. */
static void part_of_a_head(void **state)
{
    (void)state;
    const backend *bes[]    = { backend_find("ref"), backend_find("cpu") };
    const double   table[2] = { 0, 1 }, x[10] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
    const int32_t  pos[1] = { 0 };
    for (int b = 0; b < 2; b++) {
        double got[10], want[10] = { -2, 1, 3, 4, 5, -7, 6, 8, 9, 10 };
        real  *at = bes[b]->alloc(bes[b], 10);
        param *t  = bes[b]->params->alloc(bes[b]->params, 2);
        bes[b]->upload(bes[b], at, x, 10);
        bes[b]->params->upload(bes[b]->params, t, table, 2);
        bes[b]->rope(bes[b], at, pos, t, (rope_dims) { .n = 1, .heads = 2, .head_dim = 2, .ldh = 5 }, false);
        bes[b]->download(bes[b], got, at, 10);
        assert_memory_equal(got, want, sizeof want);
        bes[b]->release(bes[b], at), bes[b]->release(bes[b], t);
    }
}

/* The inverse is the transpose: <y, rope x> = <rope' y, x>, which is what the backward needs
 * (table rows need not be unit vectors). */
static void inverse_is_the_transpose(void **state)
{
    (void)state;
    enum { N = 5, HEADS = 3, DIM = 8, ALL = N * HEADS * DIM };
    const backend *be = backend_find("ref");
    rng            r  = rng_seed(6);
    double *x = check_random(&r, ALL), *y = check_random(&r, ALL), *table = check_random(&r, N * DIM), x0[ALL], y0[ALL];
    const int32_t pos[N] = { 4, 0, 2, 2, 1 };
    memcpy(x0, x, sizeof x0);
    memcpy(y0, y, sizeof y0);
    be->rope(be, as(x), pos, as(table), (rope_dims) { N, HEADS, DIM, 0 }, false);
    be->rope(be, as(y), pos, as(table), (rope_dims) { N, HEADS, DIM, 0 }, true);
    assert_within(fabs(check_dot(y0, x, ALL) - check_dot(y, x0, ALL)), 1e-13);
    free(x), free(y), free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_AGREES(check_cases),
        cmocka_unit_test(hand_computed),
        cmocka_unit_test(part_of_a_head),
        cmocka_unit_test(inverse_is_the_transpose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
