/* Few rows of many adapters in one batch (kernels/variant.h): `decode` and `gather` against f64,
 * tied and untied, mixed ranks, rows of the base alone. */
#include "kernels/variant.h"

#include <math.h>

#include "kernels/check.h"

/* what all share: nothing, A and B (u and v are each one's own), A alone */
typedef enum { UNTIED, TIED, TIED_A } tie;

typedef struct {
    int64_t n, in, out, r, lda, adapters;
    tie     tie;
    bool    mixed; /* ranks */
    /* row i takes adapter i turn % (adapters + 1) - 1; 0: which is NULL, all take the first */
    int turn;
} tenants;

static const tenants cases[] = {
    { 1, 33, 65, 1, 33, 1, UNTIED, false, 0 },      { 5, 40, 48, 8, 40, 3, UNTIED, false, 1 },
    { 7, 2056, 33, 16, 2056, 7, UNTIED, false, 3 }, { 8, 131, 70, 17, 136, 5, TIED, true, 2 },
    { 16, 72, 130, 4, 72, 2, TIED_A, false, 1 },    { 19, 64, 97, 48, 64, 40, UNTIED, true, 7 },
    { 33, 56, 41, 64, 56, 3, TIED, false, 1 },      { 40, 31, 66, 7, 31, 1, UNTIED, false, 1 },
    { 64, 48, 80, 16, 48, 64, UNTIED, false, 1 },   { 64, 80, 136, 16, 80, 64, TIED, false, 5 },
    { 63, 50, 35, 5, 51, 9, UNTIED, true, 4 },      { 3, 45, 130, 256, 48, 2, UNTIED, true, 1 },
    { 64, 40, 72, 128, 40, 2, TIED_A, true, 1 },    { 2, 1101, 40, 24, 1104, 2, TIED, false, 1 },
    { 64, 840, 40, 8, 840, 3, TIED, false, 1 },     { 12, 136, 4100, 8, 136, 4, UNTIED, false, 1 },
    { 30, 8, 8200, 8, 8, 3, TIED, false, 1 },       { 33, 200, 8195, 8, 200, 2, UNTIED, false, 1 },
    { 0, 7, 5, 4, 7, 2, UNTIED, false, 1 },
};
enum { CASES = sizeof cases / sizeof *cases };
enum { Y, X, W, A, B, U, V, WHICH, RANKS, ARRAYS };

static const double S = 0.7;
static const char  *variant; /* under test */

/* Strides between adapters: tied ones have none. */
static site_call call_of(const tenants *k, void **a)
{
    site_call c = { .n   = k->n,
                    .in  = k->in,
                    .out = k->out,
                    .r   = k->r,
                    .lda = k->lda,
                    .W   = a[W],
                    .A   = a[A],
                    .B   = a[B],
                    .u   = a[U],
                    .v   = a[V] };
    c.x = a[X], c.y = a[Y], c.s = S, c.which = k->turn ? a[WHICH] : NULL, c.ranks = k->mixed ? a[RANKS] : NULL,
    c.adapters = k->adapters;
    c.stride_A = k->tie == UNTIED ? k->r * k->lda : 0;
    c.stride_B = k->tie != TIED ? k->out * k->r : 0;
    c.stride_u = k->r, c.stride_v = k->out;
    return c;
}

/* Row i, written out from the definition. */
static void row_by_hand(const site_call *c, int64_t i)
{
    const double *x = (const double *)c->x + i * c->in, *u = c->u, *v = c->v;
    double       *y  = (double *)c->y + i * c->out;
    const int64_t of = c->which ? c->which[i] : 0, which = of < 0 ? 0 : of,
                  r    = of < 0     ? 0
                         : c->ranks ? c->ranks[of]
                                    : c->r;
    const double *down = (const double *)c->A + which * c->stride_A, *up = (const double *)c->B + which * c->stride_B;
    double        h[256];
    for (int64_t j = 0; j < r; j++) {
        h[j] = 0;
        for (int64_t k = 0; k < c->in; k++) h[j] += down[j * c->lda + k] * x[k];
        if (u) h[j] *= u[which * c->stride_u + j];
    }
    for (int64_t o = 0; o < c->out; o++) {
        double delta = 0;
        y[o]         = 0;
        for (int64_t k = 0; k < c->in; k++) y[o] += ((const double *)c->W)[o * c->in + k] * x[k];
        for (int64_t j = 0; j < r; j++) delta += up[o * c->r + j] * h[j];
        y[o] += c->s * delta * (v && r ? v[which * c->stride_v + o] : 1);
    }
}

static void call(const backend *be, void **a, const void *k)
{
    const site_variant *v = site_variant_find(be, variant);
    site_call           c = call_of(k, as(a));
    if (v && v->takes == TAKES_PAIR) c.s = 1;
    if (!v) c.s = strcmp(variant, "gather") ? S : 1;
    for (int64_t i = 0; !v && i < c.n; i++) row_by_hand(&c, i);
    if (!v) return;
    assert_null(site_refusal(v, &c));
    const int64_t bytes = v->work_bytes(v, &c);
    site_call     more  = c;
    more.n              = 65;
    assert_string_equal(site_refusal(v, &more), "does at most 64 rows");
    char *nan = mem_alloc((size_t)bytes, 1);
    memset(nan, 0xff, (size_t)bytes);
    c.work = be->alloc_bytes(be, bytes);
    be->put(be, c.work, nan, bytes);
    be->time_begin(be);
    v->run(v, SITE_FORWARD, &c);
    be->time_end(be);
    assert_int_equal(be->time_launches(be), c.n == 0 ? 0 : (int64_t)v->cost(v, SITE_FORWARD, &c).launches);
    assert_ok(be->sync(be));
    be->release(be, c.work);
    free(nan);
}

/* B [adapters, out, r] with NaN behind each one's rank: that room is there, and nobody says what
 * is in it. The caller frees. */
static double *B_beyond_ranks(const tenants *k, int64_t adapters, const double *ranks)
{
    rng     g = rng_seed(11);
    double *p = check_random(&g, adapters * k->out * k->r);
    for (int64_t i = 0; i < adapters * k->out * k->r; i++)
        if (adapters > 1 && k->mixed && (double)(i % k->r) >= ranks[i / k->r / k->out]) p[i] = NAN;
    return p;
}

/* A rank is what a half of the adapters have, the others anything below. */
static void check_case(const tenants *k, const char *what)
{
    double        which[64], ranks[64];
    const bool    pair = strcmp(variant, "gather") == 0, scales = k->tie == TIED && !pair;
    const int64_t own_A = k->tie == UNTIED ? k->adapters : 1, own_B = k->tie != TIED ? k->adapters : 1;
    for (int64_t i = 0; i < k->n; i++) which[i] = (double)(i * k->turn % (k->adapters + 1) - 1);
    for (int64_t i = 0; i < k->adapters; i++) ranks[i] = (double)(i % 2 ? k->r : i * 5 % k->r);
    double     *B_values       = B_beyond_ranks(k, own_B, ranks);
    check_array arrays[ARRAYS] = {
        [Y]     = { "y", .n = k->n * k->out, .out = true, .tol = check_sum_tol(k->in + k->r) },
        [X]     = { "x", .n = k->n * k->in },
        [W]     = { "W", .n = k->out * k->in },
        [A]     = check_rows("A", own_A * k->r, k->lda, k->in, false, 0),
        [B]     = { "B", .n = own_B * k->out * k->r, .values = B_values },
        [U]     = { "u", .n = scales ? k->adapters * k->r : -1 },
        [V]     = { "v", .n = scales ? k->adapters * k->out : -1 },
        [WHICH] = { "which", .kind = I32, .n = k->n, .values = which },
        [RANKS] = { "ranks", .kind = I32, .n = k->adapters, .values = ranks },
    };
    check_op(what, arrays, ARRAYS, call, k);
    free(B_values);
}

static void check_variant(void)
{
    char what[64];
    if (!site_variant_find(check_subject, variant)) return; /* in bf16 alone */
    for (int i = 0; i < CASES; i += (TEST_PART + 1) / 2) {
        /* for how W is cut: gather leaves that to cuBLAS */
        const bool large = cases[i].out > 1000;
        /* knows pairs alone */
        if (strcmp(variant, "gather") == 0 && (cases[i].tie != UNTIED || large)) continue;
        snprintf(what, sizeof what, "%s, case %d", variant, i);
        check_case(&cases[i], what);
    }
    for (int64_t n = 1; n <= 64; n += 9 * TEST_PART) {
        const tenants k = { n, 24, 40, 8, 24, 6, n % 2 ? UNTIED : TIED, n % 3 == 0, 5 };
        snprintf(what, sizeof what, "%s, %d rows", variant, (int)n);
        if (k.tie == UNTIED || strcmp(variant, "gather") != 0) check_case(&k, what);
    }
}

static void adapters_agree_with_f64(void **state)
{
    (void)state;
    const char *const names[] = { "decode", "gather" };
    for (int i = 0; i < 2; i++) {
        variant = names[i];
        check_on_cuda(check_variant);
    }
}

/* What is moved beside the base at T = 64, in = 4096, out = 12288, r = 16, by hand: bytes and
 * launches. */
static double over_base(const char *name, tie t, int64_t n, int64_t r, int64_t distinct)
{
    static char         there[8];
    const site_variant *v = site_variant_find(check_subject, name);
    site_call    c    = { .n = n, .in = 4096, .out = 12288, .r = r, .lda = 4096, .adapters = n, .distinct = distinct };
    const double base = linear_bytes((linear_dims) { .n = n, .in = c.in, .out = c.out }, 2);
    if (t == UNTIED) c.stride_A = r * c.in, c.stride_B = r * c.out;
    if (t == TIED) c.u = c.v = there, c.stride_u = r, c.stride_v = c.out;
    assert_within(fabs(v->cost(v, SITE_FORWARD, &c).launches - (strcmp(name, "decode") ? 3 : 2)), 0);
    return v->cost(v, SITE_FORWARD, &c).bytes / base - 1;
}

static void check_costs(void)
{
    if (check_subject->elem != 2) return;
    /* x again; h in 4 parts, twice */
    const double base = 2 * (4096. * 12288 + 64 * 4096 + 64 * 12288), extra = 2 * 64 * 4096 + 2 * 4 * 4. * 64 * 16;
    assert_within(fabs(over_base("decode", UNTIED, 64, 16, 64) - (2 * 64 * 16 * (4096. + 12288) + extra) / base), 1e-9);
    assert_within(
        fabs(over_base("decode", TIED, 64, 16, 64) - (2 * (16 * (4096. + 12288) + 64 * (16. + 12288)) + extra) / base),
        1e-9);
    /* the published comparison, with x and h counted: 1 % */
    assert_within(fabs(over_base("decode", UNTIED, 64, 16, 64) - 0.33), 0.01);
    assert_within(fabs(over_base("decode", TIED, 64, 16, 64) - 0.03), 0.01);
    assert_within(over_base("decode", TIED, 64, 16, 64), 0.04);
    /* one adapter of many */
    assert_within(over_base("decode", UNTIED, 64, 16, 1), 0.02);
    assert_within(fabs(over_base("gather", UNTIED, 64, 16, 64) - 0.36), 0.02); /* y twice more */
    assert_within(over_base("decode", UNTIED, 1, 16, 1), 0.006);
}

static void costs_count_the_adapters_in_the_batch(void **state)
{
    (void)state;
    check_on_cuda(check_costs);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(adapters_agree_with_f64),
                                        cmocka_unit_test(costs_count_the_adapters_in_the_batch) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
