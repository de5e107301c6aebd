#include "kernels/test_check.h"

typedef struct {
    int64_t n, vocab;
    double  spread;
} xent_case;

static void call_fwd(const backend *be, void **a, const void *c_)
{
    const xent_case *c = c_;
    be->xent_fwd(be, (double *)a[0], (int32_t *)a[1], a[2], (const int32_t *)a[3], c->n, c->vocab);
}
/* On a copy, whose rows are brought together: the gradient may be of another type than the
 * logits, in whose place it comes. */
static void call_bwd(const backend *be, void **a, const void *c_)
{
    const xent_case *c    = c_;
    param           *work = be->params->alloc(be->params, c->n * c->vocab);
    be->params->copy(be->params, work, a[3], c->n * c->vocab);
    be->xent_bwd(be, work, (double *)a[1], (const int32_t *)a[2], c->n, c->vocab, 0.125);
    for (int64_t t = 0; t < c->n; t++)
        be->copy(be, real_at(be, a[0], t * c->vocab), real_at(be, as(work), t * wide_ld(be, c->vocab)), c->vocab);
    be->params->release(be->params, work);
}

static void check_cases(void)
{
    static const xent_case cases[] = { { 1, 1, 1 },     { 5, 33, 3 },    { 9, 1000, 10 },
                                       { 70, 129, 30 }, { 3, 32001, 8 }, { 0, 7, 1 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const xent_case *c = &cases[i];
        char             what[64];
        double           targets[70];
        for (int64_t t = 0; t < c->n; t++) targets[t] = t % 4 == 3 ? -1 : (double)((t * 7919 + 5) % c->vocab);
        snprintf(what, sizeof what, "xent %d x %d", (int)c->n, (int)c->vocab);
        /* nll is a difference of numbers up to `spread`, each good to a few eps of itself. */
        check_array fwd[] = { { "nll", .n = c->n, .kind = F64, .out = true, .tol = 1e-6 * c->spread },
                              { "best", .n = c->n, .kind = I32, .out = true, .tol = 0 },
                              { "logits", .kind = PARAM, .n = c->n * c->vocab, .spread = c->spread },
                              { "targets", .n = c->n, .kind = I32, .values = targets } };
        check_op(what, fwd, 4, call_fwd, c);
        fwd[1].n = -1;
        check_op(what, fwd, 4, call_fwd, c);
        check_array bwd[] = {
            { "gradient", .n = c->n * c->vocab, .out = true, .tol = 1e-6 * c->spread }, fwd[0], fwd[3], fwd[2]
        };
        check_op(what, bwd, 4, call_bwd, c);
        bwd[1].n = -1;
        check_op(what, bwd, 4, call_bwd, c);
    }
}

/* On the device; the caller releases. */
static void *on_device(const backend *be, const void *host, int64_t bytes)
{
    void *p = be->alloc_bytes(be, bytes);
    be->put(be, p, host, bytes);
    return p;
}

/* Ties go to the first; a NaN anywhere shows in nll; logits of 1e4 do not overflow; -Inf is a
 * probability of 0. */
static void check_corner_rows(const backend *be)
{
    enum { ROWS = 5, VOCAB = 5 };
    const double  host[ROWS * VOCAB] = { 1, 3, 3,    -1, 3, 0, 0, NAN,       0,         0,         1e4, 0, 0,
                                         0, 0, -1e4, 0,  0, 0, 0, -INFINITY, -INFINITY, -INFINITY, 2,   2 };
    const int32_t host_targets[ROWS] = { 2, 0, 0, 1, 4 };
    double        nll[ROWS];
    int32_t       best[ROWS], *target = on_device(be, host_targets, sizeof host_targets),
                        *at_best = be->alloc_bytes(be, sizeof best);
    param  *logits               = be->params->alloc(be->params, ROWS * VOCAB);
    double *at_nll               = be->alloc_bytes(be, sizeof nll);
    be->params->upload(be->params, logits, host, ROWS * VOCAB);
    be->xent_fwd(be, at_nll, at_best, logits, target, ROWS, VOCAB);
    be->get(be, nll, at_nll, sizeof nll);
    be->get(be, best, at_best, sizeof best);
    assert_int_equal(best[0], 1);
    assert_within(fabs(nll[0] - log(3 + exp(-2) + exp(-4))), 1e-6);
    assert_true(isnan(nll[1]));
    assert_within(fabs(nll[2]), 1e-6);
    assert_int_equal(best[2], 0);
    assert_within(fabs(nll[3] - log(4)), 1e-6);
    assert_int_equal(best[3], 1);
    assert_within(fabs(nll[4] - log(2)), 1e-6);
    assert_int_equal(best[4], 3);
    be->params->release(be->params, logits), be->release(be, target), be->release(be, at_best), be->release(be, at_nll);
}

/* xent_bwd's nll is xent_fwd's, to the bit. */
static void check_same_loss(const backend *be)
{
    enum { N = 5, VOCAB = 3003 };
    const int32_t host_targets[N] = { 0, 17, -1, 3002, 1500 };
    rng           r               = rng_seed(12);
    double       *host            = check_random(&r, N * VOCAB), fwd[N], bwd[N];
    int32_t      *target          = on_device(be, host_targets, sizeof host_targets);
    param        *logits          = be->params->alloc(be->params, N * VOCAB);
    double       *nll             = be->alloc_bytes(be, sizeof fwd);
    be->params->upload(be->params, logits, host, N * VOCAB);
    be->xent_fwd(be, nll, NULL, logits, target, N, VOCAB);
    be->get(be, fwd, nll, sizeof fwd);
    be->xent_bwd(be, logits, nll, target, N, VOCAB, 0.5);
    be->get(be, bwd, nll, sizeof bwd);
    assert_memory_equal(fwd, bwd, sizeof fwd);
    be->params->release(be->params, logits), be->release(be, target), be->release(be, nll);
    free(host);
}

static void check_corners_on_subject(void) { check_corner_rows(check_subject); }
static void check_loss_on_subject(void) { check_same_loss(check_subject); }

static void corner_rows(void **state)
{
    (void)state;
    check_corner_rows(backend_find("ref"));
    check_corner_rows(backend_find("cpu"));
}
static void corner_rows_on_cuda(void **state)
{
    (void)state;
    check_on_cuda(check_corners_on_subject);
}
static void backward_gives_the_same_loss(void **state)
{
    (void)state;
    check_same_loss(backend_find("ref"));
    check_same_loss(backend_find("cpu"));
}
static void backward_gives_the_same_loss_on_cuda(void **state)
{
    (void)state;
    check_on_cuda(check_loss_on_subject);
}

typedef struct {
    double       *logits;
    const int32_t targets[3];
} xent_loss;

static double loss(void *ctx)
{
    const backend *ref = backend_find("ref");
    xent_loss     *l   = ctx;
    double         nll[3];
    ref->xent_fwd(ref, nll, NULL, as(l->logits), l->targets, 3, 6);
    return 0.5 * (nll[0] + nll[1] + nll[2]);
}

static void gradients_match_differences(void **state)
{
    (void)state;
    const backend *ref = backend_find("ref");
    rng            r   = rng_seed(8);
    xent_loss      l   = { check_random(&r, 18), { 4, -1, 0 } };
    double         d[18];
    memcpy(d, l.logits, sizeof d);
    double nll[3], nll_fwd[3];
    ref->xent_fwd(ref, nll_fwd, NULL, as(l.logits), l.targets, 3, 6);
    ref->xent_bwd(ref, as(d), nll, l.targets, 3, 6, 0.5);
    assert_memory_equal(nll, nll_fwd, sizeof nll);
    assert_within(check_gradient(loss, &l, l.logits, d, 18), CHECK_GRADIENT_TOL);
    free(l.logits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_AGREES(check_cases),
        cmocka_unit_test(corner_rows),
        cmocka_unit_test(corner_rows_on_cuda),
        cmocka_unit_test(backward_gives_the_same_loss),
        cmocka_unit_test(backward_gives_the_same_loss_on_cuda),
        cmocka_unit_test(gradients_match_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
