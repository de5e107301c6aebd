#include "kernels/test_check.h"
#include "kernels/gemm.h"

typedef struct {
    linear_dims d;
    bool        bias, accumulate;
} linear_case;

/* Nothing divides a block, a panel or a vector; one row, two, a few, many; wide, deep, strided,
 * empty. */
static const linear_case cases[] = {
    { { .n = 1, .in = 1, .out = 1 }, false, false },
    { { .n = 1, .in = 300, .out = 517 }, true, false },
    { { .n = 2, .in = 67, .out = 33 }, false, true },
    { { .n = 7, .in = 515, .out = 129, .ldx = 520, .ldy = 131 }, true, true },
    { { .n = 8, .in = 64, .out = 64 }, false, false },
    { { .n = 13, .in = 31, .out = 50 }, true, false },
    { { .n = 64, .in = 48, .out = 96, .ldy = 300 }, false, false },
    { { .n = 131, .in = 77, .out = 45, .ldx = 80 }, true, true },
    { { .n = 301, .in = 1030, .out = 35 }, false, false },
    { { .n = 530, .in = 5, .out = 3 }, true, false },
    { { .n = 0, .in = 9, .out = 4 }, true, false },
};
enum { CASES = sizeof cases / sizeof *cases };

/* The arrays of each call, in this order. */
enum { F_Y, F_X, F_W, F_BIAS };
enum { X_DX, X_DY, X_W };
enum { W_DW, W_DBIAS, W_DY, W_X };

static void call_fwd(const backend *be, void **a, const void *c_)
{
    const linear_case *c = c_;
    be->linear_fwd(be, a[F_Y], a[F_X], a[F_W], a[F_BIAS], c->d, c->accumulate);
}
static void call_bwd_x(const backend *be, void **a, const void *c_)
{
    const linear_case *c = c_;
    be->linear_bwd_x(be, a[X_DX], a[X_DY], a[X_W], c->d, c->accumulate);
}
static void call_bwd_w(const backend *be, void **a, const void *c_)
{
    be->linear_bwd_w(be, a[W_DW], a[W_DBIAS], a[W_DY], a[W_X], ((const linear_case *)c_)->d);
}

static void check_cases(void)
{
    for (int i = 0; i < CASES; i++) {
        const linear_case *c = &cases[i];
        linear_dims        d = c->d;
        char               what[64];
        snprintf(what, sizeof what, "linear case %d", i);
        check_array fwd[] = { check_rows("y", d.n, d.ldy, d.out, true, check_sum_tol(d.in)),
                              check_rows("x", d.n, d.ldx, d.in, false, 0),
                              { "W", .n = d.out * d.in },
                              { "bias", .n = c->bias ? d.out : -1 } };
        check_op(what, fwd, 4, call_fwd, c);
        check_array bwd_x[] = { check_rows("dx", d.n, d.ldx, d.in, true, check_sum_tol(d.out)),
                                check_rows("dy", d.n, d.ldy, d.out, false, 0),
                                { "W", .n = d.out * d.in } };
        check_op(what, bwd_x, 3, call_bwd_x, c);
        check_array bwd_w[] = { { "dW", .kind = PARAM, .n = d.out * d.in, .out = true, .tol = check_sum_tol(d.n) },
                                { "dbias", .kind = PARAM, .n = c->bias ? d.out : -1, .out = true,
                                  .tol = check_sum_tol(d.n) },
                                check_rows("dy", d.n, d.ldy, d.out, false, 0),
                                check_rows("x", d.n, d.ldx, d.in, false, 0) };
        check_op(what, bwd_w, 4, call_bwd_w, c);
        bwd_w[W_DW].n    = -1;
        bwd_w[W_DBIAS].n = d.out;
        check_op(what, bwd_w, 4, call_bwd_w, c);
    }
}

/* Every output is one chain of fused multiply-adds over k, so a row has the same bits alone,
 * beside 6, 63 or 299 others, in any blocks (K here is longer than one), with one thread or two;
 * the chain is spelt out with fmaf. AVX2 and AVX-512 both fuse; plain C does not and is compared
 * with itself. */
static void rows_have_the_same_bits_in_any_batch(void **state)
{
    (void)state;
    enum { IN = 803, OUT = 77, N = 300 };
    const backend *be = backend_find("cpu");
    rng            r  = rng_seed(9);
    float         *x = be->alloc(be, N * IN), *W = be->alloc(be, OUT * IN), *bias = be->alloc(be, OUT),
          *y = be->alloc(be, N * OUT), *want = be->alloc(be, N * OUT);
    for (int i = 0; i < N * IN; i++) x[i] = (float)rng_normal(&r);
    for (int i = 0; i < OUT * IN; i++) W[i] = (float)rng_normal(&r);
    for (int i = 0; i < OUT; i++) bias[i] = (float)rng_normal(&r);
    for (int level = 0; level <= 2; level++) {
        if (!gemm_use(level)) continue;
        for (int t = 0; t < N; t++)
            for (int o = 0; o < OUT; o++) {
                float sum = bias[o];
                for (int i = 0; i < IN; i++)
                    sum = level ? fmaf(x[t * IN + i], W[o * IN + i], sum) : sum + x[t * IN + i] * W[o * IN + i];
                want[t * OUT + o] = sum;
            }
        static const int64_t batches[] = { 1, 2, 7, 8, 9, 12, 13, 64, N };
        for (size_t b = 0; b < sizeof batches / sizeof *batches; b++)
            for (int threads = 1; threads <= 2; threads++) {
                be->set_threads(be, threads);
                for (int64_t t = 0; t < N; t += batches[b])
                    be->linear_fwd(be, as(y + t * OUT), as(x + t * IN), as(W), as(bias),
                                   (linear_dims) { .n = N - t < batches[b] ? N - t : batches[b], .in = IN, .out = OUT },
                                   false);
                assert_memory_equal(y, want, N * OUT * sizeof(float));
            }
    }
    be->release(be, x), be->release(be, W), be->release(be, bias), be->release(be, y), be->release(be, want);
}

/* loss = <weight, y>: the op is linear in each argument, so one weighting suffices. */
typedef struct {
    linear_dims d;
    double     *x, *W, *bias, *weight, *y;
} linear_loss;

static double loss(void *ctx)
{
    const backend *ref = backend_find("ref");
    linear_loss   *l   = ctx;
    ref->linear_fwd(ref, as(l->y), as(l->x), as(l->W), as(l->bias), l->d, false);
    return check_dot(l->y, l->weight, l->d.n * l->d.out);
}

static void gradients_match_differences(void **state)
{
    (void)state;
    const backend *be = backend_find("ref");
    rng            r  = rng_seed(1);
    linear_loss    l  = { .d = { .n = 5, .in = 7, .out = 6 } };
    l.x = check_random(&r, 35), l.W = check_random(&r, 42), l.bias = check_random(&r, 6),
    l.weight = check_random(&r, 30), l.y = check_random(&r, 30);
    double dx[35], dW[42] = { 0 }, dbias[6] = { 0 };
    be->linear_bwd_x(be, as(dx), as(l.weight), as(l.W), l.d, false);
    be->linear_bwd_w(be, as(dW), as(dbias), as(l.weight), as(l.x), l.d);
    assert_within(check_gradient(loss, &l, l.x, dx, 35), CHECK_GRADIENT_TOL);
    assert_within(check_gradient(loss, &l, l.W, dW, 42), CHECK_GRADIENT_TOL);
    assert_within(check_gradient(loss, &l, l.bias, dbias, 6), CHECK_GRADIENT_TOL);
    free(l.x), free(l.W), free(l.bias), free(l.weight), free(l.y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_AGREES(check_cases),
        cmocka_unit_test(rows_have_the_same_bits_in_any_batch),
        cmocka_unit_test(gradients_match_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
