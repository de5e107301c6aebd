#include "kernels/test_check.h"

/* Two jobs that share every factor, the second with fewer outputs and another s: sums over jobs,
 * tall B and wide A are in every case. */
enum { IN = 9, OUT = 7, OUT2 = 5, LDA = 11 };
typedef struct {
    int64_t r;
    bool    u, R, v, A; /* present; dA wanted */
} expand_case;
enum { SLOT_BP, SLOT_BP2, SLOT_AP, SLOT_A, SLOT_U, SLOT_R, SLOT_B, SLOT_V, FWD_SLOTS };
enum { SLOT_DA, SLOT_DU, SLOT_DR, SLOT_DB, SLOT_DV, SLOT_G, SLOT_G2, SLOT_DAP, BWD_FIRST };

static void jobs_of(expand_job jobs[2], const expand_case *c, real *A, real *u, real *R, real *B, real *v)
{
    jobs[0]     = (expand_job) { .in  = IN,
                                 .out = OUT,
                                 .r   = c->r,
                                 .lda = LDA,
                                 .s   = 0.75,
                                 .A   = as(A),
                                 .u   = as(u),
                                 .R   = as(R),
                                 .B   = as(B),
                                 .v   = as(v) };
    jobs[1]     = jobs[0];
    jobs[1].out = OUT2, jobs[1].s = -1.25;
}

static void call_fwd(const backend *be, void **a, const void *c)
{
    expand_job jobs[2];
    jobs_of(jobs, c, a[SLOT_A], a[SLOT_U], a[SLOT_R], a[SLOT_B], a[SLOT_V]);
    jobs[0].Bp = a[SLOT_BP], jobs[1].Bp = a[SLOT_BP2], jobs[1].Ap = a[SLOT_AP];
    be->expand_fwd(be, jobs, 2);
}

static void call_bwd(const backend *be, void **a, const void *c)
{
    expand_job jobs[2];
    void     **f = a + BWD_FIRST;
    jobs_of(jobs, c, NULL, f[0], f[1], f[2], f[3]);
    for (int i = 0; i < 2; i++)
        jobs[i].dA = a[SLOT_DA], jobs[i].du = a[SLOT_DU], jobs[i].dR = a[SLOT_DR], jobs[i].dB = a[SLOT_DB],
        jobs[i].dv = a[SLOT_DV];
    jobs[0].dBp = a[SLOT_G], jobs[1].dBp = a[SLOT_G2], jobs[0].dAp = jobs[1].dAp = a[SLOT_DAP];
    be->expand_bwd(be, jobs, 2);
}

static void check_case(const expand_case *c)
{
    int64_t r = c->r, nu = c->u ? r : -1, nR = c->R ? r * r : -1, nv = c->v ? OUT : -1;
    char    what[64];
    snprintf(what, sizeof what, "expand r %d u %d R %d v %d", (int)r, c->u, c->R, c->v);
    /* at most r products in BR, then r or out of those, over two jobs */
    double      tol   = check_sum_tol(2 * r + 2 * OUT);
    check_array fwd[] = { { "Bp", .n = OUT * r, .out = true, .tol = tol },
                          { "Bp2", .n = OUT2 * r, .out = true, .tol = tol },
                          { "Ap", .n = c->A ? r * LDA : -1, .out = true, .tol = 0 },
                          { "A", .kind = PARAM, .n = r * LDA },
                          { "u", .kind = PARAM, .n = nu },
                          { "R", .kind = PARAM, .n = nR },
                          { "B", .kind = PARAM, .n = OUT * r },
                          { "v", .kind = PARAM, .n = nv } };
    check_op(what, fwd, FWD_SLOTS, call_fwd, c);
    check_array dA = { "dA", .kind = PARAM, .n = c->A ? r * LDA : -1, .ld = LDA, .width = IN, .out = true, .tol = tol };
    check_array bwd[] = { dA,
                          { "du", .kind = PARAM, .n = nu, .out = true, .tol = tol },
                          { "dR", .kind = PARAM, .n = nR, .out = true, .tol = tol },
                          { "dB", .kind = PARAM, .n = OUT * r, .out = true, .tol = tol },
                          { "dv", .kind = PARAM, .n = nv, .out = true, .tol = tol },
                          { "G", .kind = PARAM, .n = OUT * r },
                          { "G2", .kind = PARAM, .n = OUT2 * r },
                          { "dAp", .kind = PARAM, .n = r * IN },
                          { "u", .kind = PARAM, .n = nu },
                          { "R", .kind = PARAM, .n = nR },
                          { "B", .kind = PARAM, .n = OUT * r },
                          { "v", .kind = PARAM, .n = nv } };
    check_op(what, bwd, 12, call_bwd, c);
    for (int i = SLOT_DA; i <= SLOT_DV; i++) { /* each gradient alone left out */
        check_array keep = bwd[i];
        bwd[i].n         = -1;
        check_op(what, bwd, 12, call_bwd, c);
        bwd[i] = keep;
    }
}

/* A model's list: three layers of two sites and one that was pruned away. A is one for all, read
 * through a slice; B tied by site; u and v by layer; site 0 has a mixer; the sites differ in
 * rank, width and s, one has more outputs than are summed in one run. */
enum { LAYERS = 3, JOBS = 2 * LAYERS + 1, R0 = 5, R1 = 7, OUT0 = 700, OUT1 = 33, IN0 = 19, IN1 = 23 };
enum {
    LIST_DA,
    LIST_DB0,
    LIST_DB1,
    LIST_DU,
    LIST_DV,
    LIST_DR,
    LIST_G,
    LIST_DAP,
    LIST_B0,
    LIST_B1,
    LIST_U,
    LIST_V,
    LIST_R,
    LIST_SLOTS
};

static void list_of(expand_job jobs[JOBS], const backend *be, real **a)
{
    for (int i = 0; i < JOBS; i++) {
        const int     layer = i / 2, site = i % 2;
        const int64_t u = (2 * layer + site) * R1, v = (2 * layer + site) * OUT0, G = v * R1;
        jobs[i] = (expand_job) {
            .in = site ? IN1 : IN0, .out = site ? OUT1 : OUT0, .r = site ? R1 : R0, .lda = IN1, .s = site ? 0.5 : -1.5
        };
        if (layer == LAYERS) jobs[i].r = 0;
        if (layer == LAYERS) continue;
        jobs[i].A = as(a[LIST_DAP]), jobs[i].B = as(a[site ? LIST_B1 : LIST_B0]),
        jobs[i].u = param_at(be, as(a[LIST_U]), u), jobs[i].v = param_at(be, as(a[LIST_V]), v);
        jobs[i].dA = as(a[LIST_DA]), jobs[i].dAp = as(a[LIST_DAP]), jobs[i].dB = as(a[site ? LIST_DB1 : LIST_DB0]),
        jobs[i].dBp = param_at(be, as(a[LIST_G]), G);
        jobs[i].du = param_at(be, as(a[LIST_DU]), u), jobs[i].dv = param_at(be, as(a[LIST_DV]), v);
        jobs[i].Bp = real_at(be, a[LIST_G], G);
        if (!site) jobs[i].R = as(a[LIST_R]), jobs[i].dR = as(a[LIST_DR]);
    }
}
static void call_list_bwd(const backend *be, void **a, const void *none)
{
    (void)none;
    expand_job jobs[JOBS];
    list_of(jobs, be, as(a));
    be->expand_bwd(be, jobs, JOBS);
    be->expand_bwd(be, jobs, 0);
}
static void call_list_fwd(const backend *be, void **a, const void *none)
{
    (void)none;
    expand_job jobs[JOBS];
    list_of(jobs, be, as(a));
    be->expand_fwd(be, jobs, JOBS);
    be->expand_fwd(be, jobs, 0);
}

/* More jobs than a warp has lanes add to one du and one dR. */
enum { MANY = 37, MANY_OUT = 5, MANY_R = 3, MANY_IN = 4 };
enum { MANY_DU, MANY_DR, MANY_G, MANY_B, MANY_U, MANY_RS, MANY_SLOTS };

static void call_many(const backend *be, void **a, const void *none)
{
    (void)none;
    expand_job jobs[MANY];
    for (int i = 0; i < MANY; i++)
        jobs[i] = (expand_job) { .in  = MANY_IN,
                                 .out = MANY_OUT,
                                 .r   = MANY_R,
                                 .lda = MANY_IN,
                                 .s   = 1 + i % 3,
                                 .A   = a[MANY_B],
                                 .B   = a[MANY_B],
                                 .u   = a[MANY_U],
                                 .R   = a[MANY_RS],
                                 .du  = a[MANY_DU],
                                 .dR  = a[MANY_DR],
                                 .dBp = param_at(be, a[MANY_G], i * MANY_OUT * MANY_R) };
    be->expand_bwd(be, jobs, MANY);
}

static void check_many(void)
{
    const double tol = check_sum_tol(MANY * MANY_OUT);
    check_array  a[] = { { "du", .kind = PARAM, .n = MANY_R, .out = true, .tol = tol },
                         { "dR", .kind = PARAM, .n = MANY_R * MANY_R, .out = true, .tol = tol },
                         { "G", .kind = PARAM, .n = MANY * MANY_OUT * MANY_R },
                         { "B", .kind = PARAM, .n = MANY_OUT * MANY_R },
                         { "u", .kind = PARAM, .n = MANY_R },
                         { "R", .kind = PARAM, .n = MANY_R * MANY_R } };
    check_op("expand, many jobs of one u and R, backward", a, MANY_SLOTS, call_many, NULL);
}

static void check_list(void)
{
    const double tol           = check_sum_tol(LAYERS * 2 * OUT0);
    check_array  a[LIST_SLOTS] = { { "dA", .kind = PARAM, .n = R1 * IN1, .out = true, .tol = tol },
                                   { "dB of site 0", .kind = PARAM, .n = OUT0 * R0, .out = true, .tol = tol },
                                   { "dB of site 1", .kind = PARAM, .n = OUT1 * R1, .out = true, .tol = tol },
                                   { "du", .kind = PARAM, .n = 2 * LAYERS * R1, .out = true, .tol = tol },
                                   { "dv", .kind = PARAM, .n = 2 * LAYERS * OUT0, .out = true, .tol = tol },
                                   { "dR of site 0", .kind = PARAM, .n = R0 * R0, .out = true, .tol = tol },
                                   { "G", .kind = PARAM, .n = 2 * LAYERS * OUT0 * R1 },
                                   { "dAp", .kind = PARAM, .n = R1 * IN1 },
                                   { "B of site 0", .kind = PARAM, .n = OUT0 * R0 },
                                   { "B of site 1", .kind = PARAM, .n = OUT1 * R1 },
                                   { "u", .kind = PARAM, .n = 2 * LAYERS * R1 },
                                   { "v", .kind = PARAM, .n = 2 * LAYERS * OUT0 },
                                   { "R of site 0", .kind = PARAM, .n = R0 * R0 } };
    check_op("expand, a list of mixed jobs, backward", a, LIST_SLOTS, call_list_bwd, NULL);
    for (int i = LIST_DA; i <= LIST_DR; i++) a[i].out = false;
    a[LIST_G].out = true, a[LIST_G].tol = tol, a[LIST_G].kind = REAL; /* G's place takes B' */
    check_op("expand, a list of mixed jobs", a, LIST_SLOTS, call_list_fwd, NULL);
}

static void check_cases(void)
{
    check_list();
    check_many();
    static const int64_t ranks[] = { 0, 1, 3, 8, 17, 70 };
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
        for (int bits = 0; bits < 8; bits++)
            check_case(&(expand_case) { ranks[i], .u = (bits & 1) != 0, .R = (bits & 2) != 0, .v = (bits & 4) != 0,
                                        .A = i % 2 == 0 });
}

typedef struct {
    expand_case c;
    double     *u, *R, *B, *v, *weight, *weight2, *Bp, *Bp2;
} expand_loss;

static double loss(void *ctx)
{
    const backend *ref = backend_find("ref");
    expand_loss   *l   = ctx;
    expand_job     jobs[2];
    jobs_of(jobs, &l->c, as(l->B), as(l->c.u ? l->u : NULL), as(l->c.R ? l->R : NULL), as(l->B),
            as(l->c.v ? l->v : NULL));
    jobs[0].Bp = as(l->Bp), jobs[1].Bp = as(l->Bp2);
    ref->expand_fwd(ref, jobs, 2);
    return check_dot(l->Bp, l->weight, OUT * l->c.r) + check_dot(l->Bp2, l->weight2, OUT2 * l->c.r);
}

static void check_gradients_of(expand_loss *l)
{
    const backend *ref = backend_find("ref");
    enum { RANK = 4 };
    double du[RANK] = { 0 }, dR[RANK * RANK] = { 0 }, dB[OUT * RANK] = { 0 }, dv[OUT] = { 0 }, dA[RANK * LDA] = { 0 };
    expand_job jobs[2];
    jobs_of(jobs, &l->c, as(l->B), as(l->c.u ? l->u : NULL), as(l->c.R ? l->R : NULL), as(l->B),
            as(l->c.v ? l->v : NULL));
    for (int i = 0; i < 2; i++) {
        jobs[i].dBp = as(i ? l->weight2 : l->weight), jobs[i].dB = as(dB), jobs[i].dA = as(dA), jobs[i].dAp = as(l->R);
        jobs[i].du = as(l->c.u ? du : NULL), jobs[i].dR = as(l->c.R ? dR : NULL), jobs[i].dv = as(l->c.v ? dv : NULL);
        jobs[i].in = RANK; /* R [4, 4] stands in for dA' [4, 4] */
    }
    ref->expand_bwd(ref, jobs, 2);
    assert_within(check_gradient(loss, l, l->B, dB, OUT * RANK), CHECK_GRADIENT_TOL);
    if (l->c.u) assert_within(check_gradient(loss, l, l->u, du, RANK), CHECK_GRADIENT_TOL);
    if (l->c.R) assert_within(check_gradient(loss, l, l->R, dR, RANK * RANK), CHECK_GRADIENT_TOL);
    if (l->c.v) assert_within(check_gradient(loss, l, l->v, dv, OUT), CHECK_GRADIENT_TOL);
    for (int j = 0; j < RANK; j++)
        for (int i = 0; i < LDA; i++) assert_true(dA[j * LDA + i] == (i < RANK ? 2 * l->R[j * RANK + i] : 0));
}

static void gradients_match_differences(void **state)
{
    (void)state;
    rng         r = rng_seed(3);
    expand_loss l = {
        .u = check_random(&r, 4), .R = check_random(&r, 16), .B = check_random(&r, OUT * 4), .v = check_random(&r, OUT)
    };
    l.weight = check_random(&r, OUT * 4), l.weight2 = check_random(&r, OUT2 * 4), l.Bp = check_random(&r, OUT * 4),
    l.Bp2 = check_random(&r, OUT2 * 4);
    for (int bits = 0; bits < 8; bits++) {
        l.c = (expand_case) { 4, .u = (bits & 1) != 0, .R = (bits & 2) != 0, .v = (bits & 4) != 0 };
        check_gradients_of(&l);
    }
    free(l.u), free(l.R), free(l.B), free(l.v), free(l.weight), free(l.weight2), free(l.Bp), free(l.Bp2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECK_AGREES(check_cases),
        cmocka_unit_test(gradients_match_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
