#include "core/memory.h"
#include "core/rng.h"
#include "core/test.h"
#include "adapters/adapter.h"

/* No dimension divides another; q and v differ in width, so shared factors are sliced. */
static const model_config shape = { .name      = "test",
                                    .layers    = 3,
                                    .hidden    = 10,
                                    .inter     = 7,
                                    .heads     = 5,
                                    .kv_heads  = 1,
                                    .head_dim  = 2,
                                    .vocab     = 11,
                                    .positions = 16,
                                    .norm_eps  = 1e-5,
                                    .rope      = { { .theta = 1e4 } } };

static adapter *fresh(const char *name, site_set sites, int64_t rank, uint64_t seed)
{
    method   m;
    adapter *a;
    assert_ok(method_find(&m, name));
    assert_ok(adapter_new(&a, backend_find("ref"), &shape,
                          (adapter_spec) { .method = m, .sites = sites, .rank = rank, .seed = seed }));
    return a;
}

static const char *const extra[] = { "A=group:2:train,B=tied:train:zero,s=alpha/r",
                                     "A=tied:train,u=group:2:train,B=model:frozen:kaiming,v=layer:train:zero",
                                     "A=layer:train:zero,R=tied:train:kaiming,B=layer:train,v=tied:train", NULL };
static const char       *row_or_extra(int i)
{
    int rows = 0;
    while (method_row(rows)) rows++;
    return i < rows ? method_name(i) : extra[i - rows];
}

static void step_0_changes_nothing(void **state)
{
    (void)state;
    for (int i = 0; row_or_extra(i); i++) {
        adapter *a = fresh(row_or_extra(i), 1u << SITE_Q | 1u << SITE_V, 3, 7);
        for (int64_t j = 0; j < a->n_jobs; j++) {
            const expand_job *e = &a->jobs[j];
            double           *B = mem_alloc((size_t)(e->out * e->r), sizeof *B),
                   *A = mem_alloc((size_t)(e->lda * e->r), sizeof *A), b = 0, s = 0;
            a->be->download(a->be, B, e->Bp, e->out * e->r);
            a->be->download(a->be, A, e->A, e->lda * e->r);
            for (int64_t k = 0; k < e->out * e->r; k++) b += fabs(B[k]);
            for (int64_t k = 0; k < e->lda * e->r; k++) s += fabs(A[k]);
            assert_true(b == 0 || s == 0);
            assert_true(b > 0 || s > 0);
            free(A);
            free(B);
        }
        adapter_free(a);
    }
}

/* A linear function of all pairs: the sum over jobs of <A', GA> + <B', GB>. Its gradient with
 * respect to A' and B' is GA and GB. */
static double value(adapter *a, const double *G)
{
    double sum = 0;
    adapter_expand(a);
    for (int64_t j = 0; j < a->n_jobs; j++) {
        const expand_job *e = &a->jobs[j];
        const double     *A = host_values(a->be, e->A), *B = host_values(a->be, e->Bp);
        for (int64_t k = 0; k < e->r; k++)
            for (int64_t i = 0; i < e->in; i++) sum += A[k * e->lda + i] * *G++;
        for (int64_t k = 0; k < e->out * e->r; k++) sum += B[k] * *G++;
    }
    return sum;
}

static void check_gradient(const char *name, site_set sites)
{
    adapter *a     = fresh(name, sites, 3, 5);
    rng      r     = rng_seed(3);
    double  *theta = (double *)a->theta, *grad = (double *)a->grad, *G;
    int64_t  length = 0;
    for (int64_t j = 0; j < a->n_jobs; j++) length += a->jobs[j].r * (a->jobs[j].in + a->jobs[j].out);
    G = mem_alloc((size_t)length, sizeof *G);
    for (int64_t i = 0; i < length; i++) G[i] = rng_normal(&r);
    for (int64_t i = 0; i < a->theta_count; i++) theta[i] = rng_normal(&r);
    adapter_zero_grad(a);
    const double *g = G;
    for (int64_t j = 0; j < a->n_jobs; j++) {
        /* jobs come site by site, pairs are indexed by layer and site */
        const expand_job *e    = &a->jobs[j];
        int               site = 0, seen = 0;
        for (site = 0; site < SITE_COUNT; site++) {
            if (!site_set_has(sites, site)) continue;
            if (j < (seen + 1) * shape.layers) break;
            seen++;
        }
        pair_arrays p = adapter_pairs(a)[(j % shape.layers) * SITE_COUNT + site];
        assert_ptr_equal(p.B, e->Bp);
        for (int64_t i = 0; i < e->r * e->in; i++, g++)
            if (p.dA) ((double *)p.dA)[i] += *g;
        for (int64_t i = 0; i < e->r * e->out; i++, g++)
            if (p.dB) ((double *)p.dB)[i] += *g;
    }
    adapter_expand(a);
    adapter_backward(a);
    double *want = mem_alloc((size_t)a->theta_count, sizeof *want);
    for (int64_t i = 0; i < a->theta_count; i++) {
        /* the function is a polynomial of low degree: the h^2 term stays below 1e-7 */
        double keep = theta[i], h = 1e-4;
        theta[i]    = keep + h;
        double up   = value(a, G);
        theta[i]    = keep - h;
        double down = value(a, G);
        theta[i]    = keep;
        want[i]     = (up - down) / (2 * h);
    }
    for (int64_t i = 0; i < a->n_tensors; i++) { /* checks every stored factor by itself */
        const adapter_tensor *t   = &a->tensors[i];
        double                err = t->trained ? rel_err(grad + t->offset, want + t->offset, t->rows * t->cols) : 0;
        if (!(err <= 1e-7)) fail_msg("%s: gradient of %c off by %g", name, factor_letter[t->factor], err);
    }
    free(want);
    free(G);
    adapter_free(a);
}

static void gradients_match_central_differences(void **state)
{
    (void)state;
    for (int i = 0; row_or_extra(i); i++) {
        check_gradient(row_or_extra(i), 1u << SITE_Q | 1u << SITE_V);
        check_gradient(row_or_extra(i), 1u << SITE_QKV);
    }
}

static void stored_counts_are_the_counted_ones(void **state)
{
    (void)state;
    for (int i = 0; row_or_extra(i); i++) {
        site_set      sites = 1u << SITE_Q | 1u << SITE_V | 1u << SITE_DOWN;
        adapter      *a     = fresh(row_or_extra(i), sites, 4, 1);
        method_counts n;
        assert_ok(method_count(&n, &a->spec.method, &shape, sites, 4));
        assert_int_equal(n.trainable, a->theta_count);
        assert_int_equal(n.frozen, a->frozen_count);
        adapter_free(a);
    }
}

static void a_draw_depends_on_seed_and_place_alone(void **state)
{
    (void)state;
    adapter *a = fresh("lora", 1u << SITE_Q, 2, 9), *b = fresh("lora", 1u << SITE_Q | 1u << SITE_V, 2, 9),
            *c               = fresh("lora", 1u << SITE_Q, 2, 8);
    const adapter_tensor *ta = adapter_find(a, FACTOR_A, 1, SITE_Q), *tb = adapter_find(b, FACTOR_A, 1, SITE_Q),
                         *tc = adapter_find(c, FACTOR_A, 1, SITE_Q);
    assert_memory_equal(adapter_values(a, ta), adapter_values(b, tb), (size_t)(ta->rows * ta->cols) * 8);
    assert_memory_not_equal(adapter_values(a, ta), adapter_values(c, tc), (size_t)(ta->rows * ta->cols) * 8);
    adapter_free(a);
    adapter_free(b);
    adapter_free(c);
}

/* For q, k and v of one layer, and for gate and up: A' and dA' of each lie behind those of the one
 * before, or all have one A'. */
static void sites_of_one_input_are_stacked(void **state)
{
    (void)state;
    static const int groups[][3] = { { SITE_Q, SITE_K, SITE_V }, { SITE_GATE, SITE_UP, SITE_UP } };
    for (int i = 0; row_or_extra(i); i++) {
        adapter *a   = fresh(row_or_extra(i), 0xfe, 3, 7); /* the seven separate sites */
        bool     one = a->spec.method.factor[FACTOR_A].scope == SCOPE_MODEL;
        for (int k = 0; k < 3 * 2 * 2; k++) {
            const pair_arrays *p = adapter_pairs(a) + k / 4 * SITE_COUNT, *from = &p[groups[k % 2][k / 2 % 2]],
                              *to = &p[groups[k % 2][k / 2 % 2 + 1]];
            if (from == to) continue;
            assert_int_equal(from->lda, to->lda);
            assert_ptr_equal(to->A, one ? from->A : real_at(a->be, from->A, from->r * from->lda));
            assert_int_equal(!from->dA, !to->dA);
            if (to->dA) assert_ptr_equal(to->dA, param_at(a->be, from->dA, from->r * 10));
        }
        adapter_free(a);
    }
}

static void bad_specs_are_refused(void **state)
{
    (void)state;
    method         m;
    adapter       *a;
    int64_t        ranks[3 * SITE_COUNT] = { 0 };
    const backend *be                    = backend_find("ref");
    assert_ok(method_find(&m, "tied-lora"));
    assert_input_error(adapter_new(&a, be, &shape, (adapter_spec) { .method = m, .sites = 1u << SITE_Q, .rank = 0 }),
                       "must be 1..65536");
    assert_input_error(adapter_new(&a, be, &shape, (adapter_spec) { .method = m, .sites = 0, .rank = 2 }), "no site");
    assert_input_error(
        adapter_new(&a, be, &shape, (adapter_spec) { .method = m, .sites = 1u << SITE_Q, .rank = 2, .alpha = 4 }),
        "takes no alpha");
    for (int l = 0; l < 3; l++) ranks[l * SITE_COUNT + SITE_Q] = l;
    assert_input_error(
        adapter_new(&a, be, &shape,
                    (adapter_spec) { .method = m, .sites = 1u << SITE_Q, .rank = 2, .module_rank = ranks }),
        "need one rank");
    /* rank 0 is legal beside shared factors: layers 0 and 1 have nothing, layer 2 has u and v */
    ranks[1 * SITE_COUNT + SITE_Q] = 0;
    assert_ok(adapter_new(&a, be, &shape,
                          (adapter_spec) { .method = m, .sites = 1u << SITE_Q, .rank = 2, .module_rank = ranks }));
    assert_int_equal(a->theta_count, 2 * (10 + 10) + 2 + 10);
    adapter_free(a);
    memset(ranks, 0, sizeof ranks);
    assert_ok(method_find(&m, "lora"));
    /* the other layers have rank 0, which is legal: nothing is there */
    ranks[1 * SITE_COUNT + SITE_Q] = 2;
    assert_ok(adapter_new(&a, be, &shape,
                          (adapter_spec) { .method = m, .sites = 1u << SITE_Q, .rank = 2, .module_rank = ranks }));
    assert_int_equal(a->theta_count, 2 * (10 + 10));
    adapter_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(step_0_changes_nothing),
        cmocka_unit_test(gradients_match_central_differences),
        cmocka_unit_test(stored_counts_are_the_counted_ones),
        cmocka_unit_test(a_draw_depends_on_seed_and_place_alone),
        cmocka_unit_test(sites_of_one_input_are_stacked),
        cmocka_unit_test(bad_specs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
