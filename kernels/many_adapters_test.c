/* Few rows of many adapters in one batch: the variants decode, decode-wgmma, decode-graph and
 * gather against f64, tied and untied, mixed ranks, rows of the base alone. */
#include <math.h>

#include "kernels/test_adapted.h"

/* what all share: nothing, A and B (u and v are each one's own), A alone */
typedef enum { UNTIED, TIED, TIED_A } tie;

typedef struct {
    int64_t n, in, out, r, lda, adapters;
    tie     tie;
    bool    mixed; /* ranks */
    /* row i takes adapter i turn % (adapters + 1) - 1; 0: which is NULL, all take the first */
    int turn;
} batch_case;

static const batch_case cases[] = {
    { 1, 33, 65, 1, 33, 1, UNTIED, false, 0 },      { 5, 40, 48, 8, 40, 3, UNTIED, false, 1 },
    { 7, 2056, 33, 16, 2056, 7, UNTIED, false, 3 }, { 8, 131, 70, 17, 136, 5, TIED, true, 2 },
    { 16, 72, 130, 4, 72, 2, TIED_A, false, 1 },    { 19, 64, 97, 48, 64, 40, UNTIED, true, 7 },
    { 33, 56, 41, 64, 56, 3, TIED, false, 1 },      { 40, 31, 66, 7, 31, 1, UNTIED, false, 1 },
    { 64, 48, 80, 16, 48, 64, UNTIED, false, 1 },   { 64, 80, 136, 16, 80, 64, TIED, false, 5 },
    { 63, 50, 35, 5, 51, 9, UNTIED, true, 4 },      { 3, 45, 130, 256, 48, 2, UNTIED, true, 1 },
    { 64, 40, 72, 128, 40, 2, TIED_A, true, 1 },    { 2, 1101, 40, 24, 1104, 2, TIED, false, 1 },
    { 64, 840, 40, 8, 840, 3, TIED, false, 1 },     { 12, 136, 4100, 8, 136, 4, UNTIED, false, 1 },
    { 30, 8, 8200, 8, 8, 3, TIED, false, 1 },       { 33, 200, 8195, 8, 200, 2, UNTIED, false, 1 },
    { 20, 24, 4104, 8, 24, 3, TIED, false, 1 },     { 17, 1032, 264, 40, 1032, 5, TIED, true, 2 },
    { 0, 7, 5, 4, 7, 2, UNTIED, false, 1 },
};
enum { CASES = sizeof cases / sizeof *cases };
enum { Y, X, W, A, B, U, V, WHICH, RANKS, ARRAYS };

static const double S = 0.7;
static const char  *variant; /* under test */

static bool by_wgmma(void) { return strcmp(variant, "decode-wgmma") == 0; }

/* Strides between adapters: tied ones have none. */
static adapted_batch batch_of(const batch_case *k, void **a)
{
    return (adapted_batch) { .which    = k->turn ? (const int32_t *)a[WHICH] : NULL,
                             .ranks    = k->mixed ? (const int32_t *)a[RANKS] : NULL,
                             .adapters = k->adapters,
                             .stride_A = k->tie == UNTIED ? k->r * k->lda : 0,
                             .stride_B = k->tie != TIED ? k->out * k->r : 0,
                             .stride_u = k->r,
                             .stride_v = k->out };
}

/* Row i, written out from the definition. */
static void row_by_hand(const batch_case *c, void **a, double s, int64_t i)
{
    const adapted_batch b = batch_of(c, a);
    const double       *x = (const double *)a[X] + i * c->in, *u = a[U], *v = a[V];
    double             *y = (double *)a[Y] + i * c->out;
    const int64_t of = b.which ? b.which[i] : 0, which = of < 0 ? 0 : of, r = of < 0 ? 0 : b.ranks ? b.ranks[of] : c->r;
    const double *down = (const double *)a[A] + which * b.stride_A, *up = (const double *)a[B] + which * b.stride_B;
    double        h[256];
    for (int64_t j = 0; j < r; j++) {
        h[j] = 0;
        for (int64_t k = 0; k < c->in; k++) h[j] += down[j * c->lda + k] * x[k];
        if (u) h[j] *= u[which * b.stride_u + j];
    }
    for (int64_t o = 0; o < c->out; o++) {
        double delta = 0;
        y[o]         = 0;
        for (int64_t k = 0; k < c->in; k++) y[o] += ((const double *)a[W])[o * c->in + k] * x[k];
        for (int64_t j = 0; j < r; j++) delta += up[o * c->r + j] * h[j];
        y[o] += s * delta * (v && r ? v[which * b.stride_v + o] : 1);
    }
}

static void call(const backend *be, void **a, const void *k_)
{
    const batch_case      *k = k_;
    const adapted_variant *v = adapted_find(be, variant);
    for (int64_t i = 0; !v && i < k->n; i++) row_by_hand(k, a, strcmp(variant, "gather") ? S : 1, i);
    if (!v) return;
    const adapted_batch   batch = batch_of(k, a);
    const adapted_factors f     = { .narrow = true, .A = a[A], .B = a[B], .u = a[U], .v = a[V], .lda = k->lda, .s = S };
    adapted_pair   pair = { .p = { .A = a[A], .B = a[B], .r = k->r, .lda = k->lda, .ldb = k->r }, .out = k->out };
    adapted_linear l    = { .n     = k->n,
                            .in    = k->in,
                            .out   = k->out,
                            .x     = a[X],
                            .W     = a[W],
                            .y     = a[Y],
                            .pairs = &pair,
                            .count = 1,
                            .batch = &batch };
    if (v->takes == TAKES_NARROW) pair.factors = &f;
    l.same_arrays = true;
    assert_null(adapted_refusal(be, v, &l));
    adapted_linear more = l;
    more.n              = 65;
    assert_string_equal(adapted_refusal(be, v, &more), "does at most 64 rows");
    l.scratch = test_nan(be, adapted_room_of(be, v, &l).scratch);
    l.copies  = test_nan(be, adapted_room_of(be, v, &l).copies);
    adapted_run(be, v, ADAPTED_PREPARE, &l);
    be->time_begin(be);
    adapted_run(be, v, ADAPTED_FORWARD, &l);
    be->time_end(be);
    assert_int_equal(be->time_launches(be),
                     l.n == 0 ? 0 : (int64_t)adapted_cost_of(be, v, ADAPTED_FORWARD, &l).launches);
    assert_ok(be->sync(be));
    adapted_run(be, v, ADAPTED_RELEASE, &l);
    be->release(be, l.scratch), be->release(be, l.copies);
}

/* B [adapters, out, r] with NaN behind each one's rank: that room is there, and nobody says what
 * is in it. The caller frees. */
static double *B_beyond_ranks(const batch_case *k, int64_t adapters, const double *ranks)
{
    rng     g = rng_seed(11);
    double *p = check_random(&g, adapters * k->out * k->r);
    for (int64_t i = 0; i < adapters * k->out * k->r; i++)
        if (adapters > 1 && k->mixed && (double)(i % k->r) >= ranks[i / k->r / k->out]) p[i] = NAN;
    return p;
}

/* A rank is what a half of the adapters have, the others anything below. */
static void check_case(const batch_case *k, const char *what)
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

/* Whether it is the GPU that cannot, not a call. */
static bool cannot_here(const adapted_variant *v)
{
    const adapted_linear l   = { .n = 1, .in = 8, .out = 8, .ldx = 8, .ldy = 8 };
    const char          *why = adapted_refusal(check_subject, v, &l);
    if (!why) return false;
    assert_true(strcmp(check_subject->name, "cuda-bf16") == 0);
    assert_true(strstr(why, "compute capability") || strstr(why, "sm_90a"));
    return true;
}

static void check_variant(void)
{
    char                   what[64];
    const adapted_variant *v = adapted_find(check_subject, variant);
    if (!v || cannot_here(v)) return; /* in bf16 alone */
    for (int i = 0; i < CASES; i += (TEST_PART + 1) / 2) {
        /* for how W is cut: gather leaves that to cuBLAS */
        const bool large = cases[i].out > 1000;
        /* knows pairs alone */
        if (strcmp(variant, "gather") == 0 && (cases[i].tie != UNTIED || large)) continue;
        if (by_wgmma() && cases[i].in % 8) continue;
        snprintf(what, sizeof what, "%s, case %d", variant, i);
        check_case(&cases[i], what);
    }
    for (int64_t n = 1; n <= 64; n += 9 * TEST_PART) {
        const batch_case k = { n, 24, 40, 8, 24, 6, n % 2 ? UNTIED : TIED, n % 3 == 0, 5 };
        snprintf(what, sizeof what, "%s, %d rows", variant, (int)n);
        if (k.tie == UNTIED || strcmp(variant, "gather") != 0) check_case(&k, what);
    }
    for (int64_t n = 1; n <= 64 && by_wgmma(); n += TEST_PART) {
        const batch_case k = {
            n, 8 * (n % 20 + 1), n * 7 % 300 + 1, n == 64 ? 128 : 2 * n - 1, 8 * (n % 20 + 1), 6, TIED, n % 3 == 0, 5
        };
        snprintf(what, sizeof what, "%s, %d rows of rank %d", variant, (int)n, (int)k.r);
        check_case(&k, what);
    }
}

static void adapters_agree_with_f64(void **state)
{
    (void)state;
    const char *const names[] = { "decode", "decode-wgmma", "decode-graph", "gather" };
    for (int i = 0; i < 4; i++) {
        variant = names[i];
        check_on_cuda(check_variant);
    }
}

/* What is moved beside the base at T = 64, in = 4096, out = 12288, r = 16, by hand: bytes and
 * launches. */
static double over_base(const char *name, tie t, int64_t n, int64_t r, int64_t distinct)
{
    static char            there[8];
    const adapted_variant *v  = adapted_find(check_subject, name);
    const int64_t          in = 4096, out = 12288;
    adapted_batch          batch = { .adapters = n, .distinct = distinct };
    adapted_factors        f     = { .narrow = true, .lda = in, .s = 1 };
    adapted_pair           pair  = { .p = { .r = r, .lda = in, .ldb = r }, .out = out };
    const adapted_linear   l     = { .n = n, .in = in, .out = out, .pairs = &pair, .count = 1, .batch = &batch };
    if (t == UNTIED) batch.stride_A = r * in, batch.stride_B = r * out;
    if (t == TIED) f.u = f.v = there, batch.stride_u = r, batch.stride_v = out;
    if (v->takes == TAKES_NARROW) pair.factors = &f;
    const adapted_cost cost = adapted_cost_of(check_subject, v, ADAPTED_FORWARD, &l);
    assert_within(fabs(cost.launches - (strcmp(name, "decode") ? 3 : 2)), 0);
    return cost.bytes / linear_bytes((linear_dims) { .n = n, .in = in, .out = out }, 2) - 1;
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
