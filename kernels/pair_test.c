#include "kernels/test_check.h"

typedef struct {
    pair_dims d;
    int64_t   r, lda, ldb; /* 0: contiguous */
    bool      dx, dA, dB;
} pair_case;

static const pair_case cases[] = {
    { { .n = 1, .in = 33, .out = 65 }, 1, 0, 0, true, true, true },
    { { .n = 7, .in = 515, .out = 131 }, 2, 520, 5, true, true, true },
    { { .n = 8, .in = 64, .out = 64 }, 3, 64, 3, true, false, true },
    { { .n = 37, .in = 67, .out = 259, .ldx = 70, .ldy = 300 }, 4, 0, 0, true, true, false },
    { { .n = 1, .in = 288, .out = 864 }, 8, 0, 0, true, true, true },
    { { .n = 131, .in = 99, .out = 45, .ldx = 101 }, 8, 0, 11, true, true, true },
    { { .n = 130, .in = 77, .out = 201, .ldy = 205 }, 15, 80, 0, false, true, true },
    { { .n = 65, .in = 130, .out = 66 }, 16, 0, 0, false, false, true },
    { { .n = 300, .in = 31, .out = 18 }, 17, 0, 0, true, true, true },
    { { .n = 19, .in = 40, .out = 30 }, 64, 0, 0, true, true, true },
    { { .n = 67, .in = 290, .out = 70 }, 128, 0, 130, true, true, true },
    { { .n = 9, .in = 300, .out = 301, .ldx = 303, .ldy = 307 }, 256, 310, 0, true, true, true },
    { { .n = 3, .in = 7, .out = 5 }, 200, 0, 0, true, true, true },
    { { .n = 2, .in = 9001, .out = 33 }, 5, 0, 0, true, true, true },
    { { .n = 2049, .in = 21, .out = 19, .ldx = 22, .ldy = 23 }, 3, 0, 0, true, true, true },
    { { .n = 6, .in = 7, .out = 5 }, 0, 0, 0, true, true, true },
    { { .n = 0, .in = 7, .out = 5 }, 4, 0, 0, true, true, true },
};
enum { CASES = sizeof cases / sizeof *cases };

static pair_arrays pair_of(const pair_case *c, void *A, void *B, void *dA, void *dB)
{
    return (pair_arrays) {
        .A = A, .B = B, .r = c->r, .lda = c->lda ? c->lda : c->d.in, .ldb = c->ldb ? c->ldb : c->r, .dA = dA, .dB = dB
    };
}
/* The arrays of both calls, in this order. */
enum { F_Y, F_H, F_X, F_A, F_B, F_ALL };
enum { B_DX, B_DA, B_DB, B_DH, B_DY, B_X, B_H, B_A, B_B, B_ALL };

static void call_fwd(const backend *be, void **a, const void *c_)
{
    const pair_case *c = c_;
    pair_arrays      p = pair_of(c, a[F_A], a[F_B], NULL, NULL);
    be->pair_fwd(be, a[F_Y], a[F_H], a[F_X], &p, c->d);
}
static void call_bwd(const backend *be, void **a, const void *c_)
{
    const pair_case *c = c_;
    pair_arrays      p = pair_of(c, a[B_A], a[B_B], a[B_DA], a[B_DB]);
    be->pair_bwd(be, a[B_DX], a[B_DH], a[B_DY], a[B_X], a[B_H], &p, c->d);
}

static void check_cases(void)
{
    for (int i = 0; i < CASES; i++) {
        const pair_case *c = &cases[i];
        pair_dims        d = c->d;
        int64_t          r = c->r;
        char             what[64];
        snprintf(what, sizeof what, "pair case %d", i);
        check_array A          = check_rows("A", r, c->lda, d.in, false, 0),
                    B          = check_rows("B", r ? d.out : 0, c->ldb, r, false, 0);
        check_array fwd[F_ALL] = { check_rows("y", d.n, d.ldy, d.out, true, check_sum_tol(d.in + r)),
                                   { "h", .n = d.n * r, .out = true, .tol = check_sum_tol(d.in) },
                                   check_rows("x", d.n, d.ldx, d.in, false, 0),
                                   A,
                                   B };
        fwd[F_Y].through_bf16  = true;
        check_op(what, fwd, F_ALL, call_fwd, c);
        check_array dx  = check_rows("dx", d.n, d.ldx, d.in, true, check_sum_tol(d.out + r));
        dx.through_bf16 = true;
        if (!c->dx) dx.n = -1;
        check_array bwd[B_ALL] = { dx,
                                   { "dA", .kind = PARAM, .through_bf16 = true, .n = c->dA ? r * d.in : -1, .out = true,
                                     .tol = check_sum_tol(d.out + d.n) },
                                   { "dB", .kind = PARAM, .n = c->dB ? r * d.out : -1, .out = true,
                                     .tol = check_sum_tol(d.n) },
                                   { "dh", .n = d.n * r, .out = true, .tol = check_sum_tol(d.out) },
                                   check_rows("dy", d.n, d.ldy, d.out, false, 0),
                                   check_rows("x", d.n, d.ldx, d.in, false, 0),
                                   { "h", .n = d.n * r },
                                   A,
                                   B };
        check_op(what, bwd, B_ALL, call_bwd, c);
    }
}

/* Every rank of a staircase, so that no tail of a register block is missed. */
static void check_ranks(void)
{
    for (int64_t r = 1; r <= 256; r = r < 40 ? r + 1 : r + 27) {
        pair_case c = { { .n = 5, .in = 21, .out = 37 }, r, 0, 0, true, true, true };
        char      what[64];
        snprintf(what, sizeof what, "pair of rank %d", (int)r);
        check_array fwd[F_ALL] = { { "y", .n = 5 * 37, .through_bf16 = true, .out = true,
                                     .tol = check_sum_tol(21 + r) },
                                   { "h", .n = 5 * r, .out = true, .tol = check_sum_tol(21) },
                                   { "x", .n = 5 * 21 },
                                   { "A", .n = r * 21 },
                                   { "B", .n = 37 * r } };
        check_op(what, fwd, F_ALL, call_fwd, &c);
        check_array bwd[B_ALL] = {
            { "dx", .n = 5 * 21, .through_bf16 = true, .out = true, .tol = check_sum_tol(37 + r) },
            { "dA", .kind = PARAM, .through_bf16 = true, .n = r * 21, .out = true, .tol = check_sum_tol(37 + 5) },
            { "dB", .kind = PARAM, .n = 37 * r, .out = true, .tol = check_sum_tol(5) },
            { "dh", .n = 5 * r, .out = true, .tol = check_sum_tol(37) },
            { "dy", .n = 5 * 37 },
            { "x", .n = 5 * 21 },
            { "h", .n = 5 * r },
            { "A", .n = r * 21 },
            { "B", .n = 37 * r }
        };
        check_op(what, bwd, B_ALL, call_bwd, &c);
    }
}

static void cpu_agrees_at_every_rank(void **state)
{
    (void)state;
    check_ranks();
}

static void cuda_agrees_at_every_rank(void **state)
{
    (void)state;
    check_on_cuda(check_ranks);
}

/* A token's h and y have the same bits alone and beside others. */
static void rows_have_the_same_bits_in_any_batch(void **state)
{
    (void)state;
    enum { IN = 419, OUT = 77, R = 24, N = 140 };
    const backend *be = backend_find("cpu");
    rng            r  = rng_seed(10);
    float         *x = be->alloc(be, N * IN), *A = be->alloc(be, R * IN), *B = be->alloc(be, OUT * R);
    float         *y = be->alloc(be, N * OUT), *h = be->alloc(be, N * R), *y1 = be->alloc(be, N * OUT),
          *h1 = be->alloc(be, N * R);
    for (int i = 0; i < N * IN; i++) x[i] = (float)rng_normal(&r);
    for (int i = 0; i < R * IN; i++) A[i] = (float)rng_normal(&r);
    for (int i = 0; i < OUT * R; i++) B[i] = (float)rng_normal(&r);
    const pair_arrays p = { .A = as(A), .B = as(B), .r = R, .lda = IN, .ldb = R };
    be->pair_fwd(be, as(y), as(h), as(x), &p, (pair_dims) { .n = N, .in = IN, .out = OUT });
    for (int64_t batch = 1; batch <= 64; batch = batch == 1 ? 7 : batch == 7 ? 64 : 65) {
        be->zero(be, y1, N * OUT);
        for (int64_t t = 0; t < N; t += batch)
            be->pair_fwd(be, as(y1 + t * OUT), as(h1 + t * R), as(x + t * IN), &p,
                         (pair_dims) { .n = N - t < batch ? N - t : batch, .in = IN, .out = OUT });
        assert_memory_equal(y, y1, N * OUT * sizeof(float));
        assert_memory_equal(h, h1, N * R * sizeof(float));
    }
    be->release(be, x), be->release(be, A), be->release(be, B), be->release(be, y), be->release(be, h),
        be->release(be, y1), be->release(be, h1);
}

typedef struct {
    pair_case c;
    double   *x, *A, *B, *weight, *y, *h;
} pair_loss;

static double loss(void *ctx)
{
    const backend *ref = backend_find("ref");
    pair_loss     *l   = ctx;
    pair_arrays    p   = pair_of(&l->c, l->A, l->B, NULL, NULL);
    memset(l->y, 0, 24 * 8);
    ref->pair_fwd(ref, as(l->y), as(l->h), as(l->x), &p, l->c.d);
    return check_dot(l->y, l->weight, 24);
}

static void gradients_match_differences(void **state)
{
    (void)state;
    const backend *ref = backend_find("ref");
    rng            r   = rng_seed(2);
    pair_loss      l   = { .c = { { .n = 4, .in = 5, .out = 6 }, 3, 0, 0, true, true, true } };
    l.x = check_random(&r, 20), l.A = check_random(&r, 15), l.B = check_random(&r, 18), l.weight = check_random(&r, 24);
    l.y = check_random(&r, 24), l.h = check_random(&r, 12);
    loss(&l);
    double      dx[20] = { 0 }, dA[15] = { 0 }, dB[18] = { 0 }, dh[12];
    pair_arrays p = pair_of(&l.c, l.A, l.B, dA, dB);
    ref->pair_bwd(ref, as(dx), as(dh), as(l.weight), as(l.x), as(l.h), &p, l.c.d);
    assert_within(check_gradient(loss, &l, l.x, dx, 20), CHECK_GRADIENT_TOL);
    assert_within(check_gradient(loss, &l, l.A, dA, 15), CHECK_GRADIENT_TOL);
    assert_within(check_gradient(loss, &l, l.B, dB, 18), CHECK_GRADIENT_TOL);
    free(l.x), free(l.A), free(l.B), free(l.weight), free(l.y), free(l.h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_AGREES(check_cases),
        cmocka_unit_test(cpu_agrees_at_every_rank),
        cmocka_unit_test(cuda_agrees_at_every_rank),
        cmocka_unit_test(rows_have_the_same_bits_in_any_batch),
        cmocka_unit_test(gradients_match_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
