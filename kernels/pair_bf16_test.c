/* The pair in bf16 beside naive bf16 code, both against f64: naive code has inputs in bf16,
 * exact sums, and rounds every result once, h, dh and the gradients of A' and B' too. Ours may
 * be off by at most twice as much. Adapters of several ranks add to one y and one dx, one after
 * the other and in one call. */
#include "kernels/test_adapted.h"

enum { N = 37, IN = 67, OUT = 131, ADAPTERS = 3 };
static const int64_t ranks[] = { 1, 2, 3, 8, 16, 17, 33, 64, 100, 128, 255, 256 };

/* Results of one way of computing: y and dx over all adapters, dA and dB of each. */
typedef struct {
    double y[N * OUT], dx[N * IN], *dA[ADAPTERS], *dB[ADAPTERS];
} results;
typedef struct {
    int64_t r[ADAPTERS];
    double *x, *dy, *A[ADAPTERS], *B[ADAPTERS];
    results exact, naive, ours;
} pair_trial;

static double *random_bf16(rng *g, int64_t n)
{
    double *p = check_random(g, n);
    for (int64_t i = 0; i < n; i++) p[i] = check_bf16(p[i]);
    return p;
}

static void round_all(double *p, int64_t n)
{
    for (int64_t i = 0; i < n; i++) p[i] = check_bf16(p[i]);
}

/* C [m, n] += A B with any strides. */
static void product(double *C, int64_t m, int64_t n, int64_t k, const double *A, int64_t a_row, int64_t a_col,
                    const double *B, int64_t b_row, int64_t b_col)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++)
            for (int64_t l = 0; l < k; l++) C[i * n + j] += A[i * a_row + l * a_col] * B[l * b_row + j * b_col];
}

static void compute(const pair_trial *t, results *to, bool naive)
{
    for (int a = 0; a < ADAPTERS; a++) {
        int64_t r = t->r[a];
        double *h = mem_alloc((size_t)(N * r), 8), *dh = mem_alloc((size_t)(N * r), 8);
        product(h, N, r, IN, t->x, IN, 1, t->A[a], 1, IN);
        if (naive) round_all(h, N * r);
        product(to->y, N, OUT, r, h, r, 1, t->B[a], 1, r);
        if (naive) round_all(to->y, N * OUT);
        product(to->dB[a], OUT, r, N, t->dy, 1, OUT, h, r, 1);
        product(dh, N, r, OUT, t->dy, OUT, 1, t->B[a], r, 1);
        if (naive) round_all(dh, N * r);
        product(to->dA[a], r, IN, N, dh, 1, r, t->x, IN, 1);
        product(to->dx, N, IN, r, dh, r, 1, t->A[a], IN, 1);
        if (naive) round_all(to->dx, N * IN), round_all(to->dA[a], r * IN), round_all(to->dB[a], OUT * r);
        free(h), free(dh);
    }
}

static void *put(const backend *be, const double *host, int64_t n)
{
    void *p = be->alloc(be, n);
    if (host) be->upload(be, p, host, n);
    return p;
}

static void compute_here(const backend *be, const pair_trial *t, results *to)
{
    real *x = put(be, t->x, N * IN), *dy = put(be, t->dy, N * OUT), *y = put(be, NULL, N * OUT),
         *dx = put(be, NULL, N * IN);
    for (int a = 0; a < ADAPTERS; a++) {
        int64_t r = t->r[a];
        real   *A = put(be, t->A[a], r * IN), *B = put(be, t->B[a], OUT * r), *h = put(be, NULL, N * r),
             *dh             = put(be, NULL, N * r);
        param            *dA = put(be->params, NULL, r * IN), *dB = put(be->params, NULL, OUT * r);
        const pair_arrays p = { .A = A, .B = B, .r = r, .lda = IN, .ldb = r, .dA = dA, .dB = dB };
        const pair_dims   d = { .n = N, .in = IN, .out = OUT };
        be->pair_fwd(be, y, h, x, &p, d);
        be->pair_bwd(be, dx, dh, dy, x, h, &p, d);
        be->params->download(be->params, to->dA[a], dA, r * IN);
        be->params->download(be->params, to->dB[a], dB, OUT * r);
        be->release(be, A), be->release(be, B), be->release(be, h), be->release(be, dh), be->release(be, dA),
            be->release(be, dB);
    }
    be->download(be, to->y, y, N * OUT);
    be->download(be, to->dx, dx, N * IN);
    assert_ok(be->sync(be));
    be->release(be, x), be->release(be, dy), be->release(be, y), be->release(be, dx);
}

/* The same in one call, A' and dA' stacked, beside a base of zeros. */
static void compute_in_one(const backend *be, const pair_trial *t, results *to)
{
    int64_t all = t->r[0] + t->r[1] + t->r[2], at = 0;
    real   *x = put(be, t->x, N * IN), *dy = put(be, t->dy, N * OUT), *y = put(be, NULL, N * OUT),
         *dx = put(be, NULL, N * IN), *W = put(be, NULL, OUT * IN);
    real        *A = put(be, NULL, all * IN), *B = put(be, NULL, all * OUT);
    param       *dA = put(be->params, NULL, all * IN), *dB = put(be->params, NULL, all * OUT);
    adapted_pair pairs[ADAPTERS];
    for (int a = 0; a < ADAPTERS; at += t->r[a++]) {
        pairs[a]   = (adapted_pair) { .at = 0, .out = OUT };
        pairs[a].p = (pair_arrays) {
            .A = real_at(be, A, at * IN), .B = real_at(be, B, at * OUT), .r = t->r[a], .lda = IN, .ldb = t->r[a]
        };
        pairs[a].p.dA = param_at(be, dA, at * IN), pairs[a].p.dB = param_at(be, dB, at * OUT);
        be->upload(be, real_at(be, A, at * IN), t->A[a], t->r[a] * IN);
        be->upload(be, real_at(be, B, at * OUT), t->B[a], t->r[a] * OUT);
    }
    test_adapted(be, be->adapted,
                 (adapted_linear) { .n     = N,
                                    .in    = IN,
                                    .out   = OUT,
                                    .x     = x,
                                    .W     = W,
                                    .y     = y,
                                    .dy    = dy,
                                    .dx    = dx,
                                    .pairs = pairs,
                                    .count = ADAPTERS });
    for (int a = 0; a < ADAPTERS; a++) {
        be->params->download(be->params, to->dA[a], pairs[a].p.dA, t->r[a] * IN);
        be->params->download(be->params, to->dB[a], pairs[a].p.dB, t->r[a] * OUT);
    }
    be->download(be, to->y, y, N * OUT);
    be->download(be, to->dx, dx, N * IN);
    assert_ok(be->sync(be));
    real *arrays[] = { x, dy, y, dx, W, A, B };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) be->release(be, arrays[i]);
    be->params->release(be->params, dA), be->params->release(be->params, dB);
}

static void compare(const char *what, int64_t r, const double *ours, const double *naive, const double *exact,
                    int64_t n)
{
    double off = rel_err(ours, exact, n), naively = rel_err(naive, exact, n);
    if (!(off <= 2 * naively)) fail_msg("rank %d: %s is off by %.3e, naive code by %.3e", (int)r, what, off, naively);
}

static void compare_all(const pair_trial *t)
{
    compare("y", t->r[0], t->ours.y, t->naive.y, t->exact.y, N * OUT);
    compare("dx", t->r[0], t->ours.dx, t->naive.dx, t->exact.dx, N * IN);
    for (int a = 0; a < ADAPTERS; a++) {
        compare("dA", t->r[a], t->ours.dA[a], t->naive.dA[a], t->exact.dA[a], t->r[a] * IN);
        compare("dB", t->r[a], t->ours.dB[a], t->naive.dB[a], t->exact.dB[a], OUT * t->r[a]);
    }
}

static void check_trial(const backend *be, int64_t first)
{
    pair_trial *t    = mem_alloc(1, sizeof *t);
    rng         g    = rng_seed((uint64_t)first);
    results    *of[] = { &t->exact, &t->naive, &t->ours };
    t->x = random_bf16(&g, N * IN), t->dy = random_bf16(&g, N * OUT);
    for (int a = 0; a < ADAPTERS; a++) {
        int64_t r = t->r[a] = a ? ranks[(first + 5 * a) % 12] : ranks[first];
        t->A[a] = random_bf16(&g, r * IN), t->B[a] = random_bf16(&g, OUT * r);
        for (int k = 0; k < 3; k++)
            of[k]->dA[a] = mem_alloc((size_t)(r * IN), 8), of[k]->dB[a] = mem_alloc((size_t)(OUT * r), 8);
    }
    compute(t, &t->exact, false);
    compute(t, &t->naive, true);
    compute_here(be, t, &t->ours);
    compare_all(t);
    compute_in_one(be, t, &t->ours);
    compare_all(t);
    for (int a = 0; a < ADAPTERS; a++) {
        free(t->A[a]), free(t->B[a]);
        for (int k = 0; k < 3; k++) free(of[k]->dA[a]), free(of[k]->dB[a]);
    }
    free(t->x), free(t->dy), free(t);
}

static void at_most_twice_the_error_of_naive_code(void **state)
{
    (void)state;
    const backend *be = backend_find("cuda-bf16");
    if (!be) be = backend_find("cuda-emulated-bf16");
    if (!be) skip_because("%s", error_text());
    for (int64_t first = 0; first < 12; first++) check_trial(be, first);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(at_most_twice_the_error_of_naive_code) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
