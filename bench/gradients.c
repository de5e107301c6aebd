/* Sampled elements of the gradients against the formula in f64, from x and dy as they lie on the
 * device. For y = W x + s v * (B R (u * (A x))), with row vectors made once for a sampled rank k
 * and output o, each token i adds
 *
 *   a = A_k x_i     g = (R (u * A x_i))_k     w = (B R (u * A x_i))_o     e = s sum_n v_n B_nk
 *   dy_in     f = s sum_n v_n (BR)_nk dy_in
 *   dA_kj += u_k f x_ij     du_k += a f     dR_kk += e u_k a     dB_ok += s v_o dy_io g     dv_o
 *   += s dy_io w */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/check.h"
#include "core/error.h"
#include "core/memory.h"

enum { ROWS = 128, TERMS = 5 }; /* rows fetched at a time */
enum { ROW_A, ROW_G, ROW_W, ROW_E, ROW_F };

typedef struct {
    const bench_state *b;
    const bench_set   *set;
    const bench_site  *site;
    int                pair;            /* whose site it is */
    double            *f[FACTOR_COUNT]; /* on the host, NULL: one */
    int64_t            cols[FACTOR_COUNT];
    int64_t            in, out, r, k, j, o; /* sampled: rank, input, output */
    double             s;
    double            *row[TERMS]; /* what a, g, w multiply x with [in], e and f dy [out] */
    double             sum[FACTOR_COUNT], squares[FACTOR_COUNT];
} sampled;

static double u_at(const sampled *c, int64_t k) { return c->f[FACTOR_U] ? c->f[FACTOR_U][k] : 1; }
static double v_at(const sampled *c, int64_t o) { return c->f[FACTOR_V] ? c->f[FACTOR_V][o] : 1; }
static double R_at(const sampled *c, int64_t i, int64_t k)
{
    return c->f[FACTOR_R] ? c->f[FACTOR_R][i * c->r + k] : i == k;
}

/* (BR)_ok */
static double BR_at(const sampled *c, int64_t o, int64_t k)
{
    const double *B = c->f[FACTOR_B] + o * c->r;
    if (!c->f[FACTOR_R]) return B[k];
    double sum = 0;
    for (int64_t m = 0; m < c->r; m++) sum += B[m] * R_at(c, m, k);
    return sum;
}

static void make_rows(sampled *c)
{
    const double *A   = c->f[FACTOR_A];
    int64_t       lda = c->cols[FACTOR_A];
    for (int t = 0; t < TERMS; t++) c->row[t] = mem_alloc((size_t)(t < ROW_E ? c->in : c->out), sizeof(double));
    for (int64_t m = 0; m < c->r; m++) {
        double g = R_at(c, c->k, m) * u_at(c, m), w = BR_at(c, c->o, m) * u_at(c, m);
        for (int64_t j = 0; j < c->in; j++)
            c->row[ROW_G][j] += g * A[m * lda + j], c->row[ROW_W][j] += w * A[m * lda + j];
    }
    memcpy(c->row[ROW_A], A + c->k * lda, (size_t)c->in * sizeof(double));
    for (int64_t o = 0; o < c->out; o++) {
        c->row[ROW_E][o] = c->s * v_at(c, o) * c->f[FACTOR_B][o * c->r + c->k];
        c->row[ROW_F][o] = c->s * v_at(c, o) * BR_at(c, o, c->k);
    }
}

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static void add_term(sampled *c, factor_id f, double term)
{
    c->sum[f] += term;
    c->squares[f] += term * term;
}

/* n rows of x and dy, with their strides. */
static void add_rows(sampled *c, const double *x, const double *dy, int64_t n)
{
    double part[ROWS][TERMS];
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++)
        for (int t = 0; t < TERMS; t++)
            part[i][t] = t < ROW_E ? dot(c->row[t], x + i * c->b->ldx, c->in)
                                   : dot(c->row[t], dy + i * c->b->ldy + c->site->at, c->out);
    double u = u_at(c, c->k), sv = c->s * v_at(c, c->o);
    for (int64_t i = 0; i < n; i++) {
        double xj = x[i * c->b->ldx + c->j], dyo = dy[i * c->b->ldy + c->site->at + c->o], *p = part[i];
        add_term(c, FACTOR_A, u * p[ROW_F] * xj);
        add_term(c, FACTOR_U, p[ROW_A] * p[ROW_F]);
        add_term(c, FACTOR_R, p[ROW_E] * u * p[ROW_A]);
        add_term(c, FACTOR_B, sv * dyo * p[ROW_G]);
        add_term(c, FACTOR_V, c->s * dyo * p[ROW_W]);
    }
}

/* The gradient's element where the case leaves it; false where the factor does not train. A
 * variant that takes the factors themselves leaves A's where a pair's would be. */
static bool gradient_at(const sampled *c, factor_id f, double *got)
{
    const adapter        *a   = c->set->adapter;
    const adapter_tensor *t   = adapter_find(a, f, c->set->layer, (int)c->site->site);
    const param          *all = t ? adapter_gradient(a, t) : NULL;
    const int64_t row[] = { [FACTOR_A] = c->k, [FACTOR_U] = 0, [FACTOR_R] = c->k, [FACTOR_B] = c->o, [FACTOR_V] = 0 };
    const int64_t col[] = {
        [FACTOR_A] = c->j, [FACTOR_U] = c->k, [FACTOR_R] = c->k, [FACTOR_B] = c->k, [FACTOR_V] = c->o
    };
    if (!all) return false;
    int64_t cols = t->cols;
    if (f == FACTOR_A && c->b->takes != TAKES_PAIR) all = c->set->factors[c->pair].dA, cols = c->in;
    const backend *params = c->b->be->params;
    params->download(params, got, (const real *)real_at(params, (const real *)all, row[f] * cols + col[f]), 1);
    return true;
}

/* Roundings are independent from token to token and element to element, so what they leave of a
 * sum goes with the root of its terms' squares, not with their number: 2^-6 of it in bf16, where
 * up to eight factors of a term are rounded by 2^-9; in f32, where long sums matter most, 1e-4. */
static int compare_all(const sampled *c)
{
    static const char *const name[] = {
        [FACTOR_A] = "dA", [FACTOR_U] = "du", [FACTOR_R] = "dR", [FACTOR_B] = "dB", [FACTOR_V] = "dv"
    };
    for (int f = 0; f < FACTOR_COUNT; f++) {
        double got, bound = (c->b->be->elem == 2 ? 0x1p-6 : 1e-4) * (sqrt(c->squares[f]) + fabs(c->sum[f]));
        if (!gradient_at(c, (factor_id)f, &got) || fabs(got - c->sum[f]) <= bound) continue;
        return run_error(
            "bench: %s: %s of site %s, rank %lld, input %lld, output %lld is %.9g, the formula gives %.9g: the kernel is wrong, so it was not timed",
            c->b->spec->name, name[f], site_table[c->site->site].name, (long long)c->k, (long long)c->j,
            (long long)c->o, got, c->sum[f]);
    }
    return OK;
}

static double *fetch(const backend *be, const void *a, int64_t n)
{
    double *h = mem_alloc((size_t)n, sizeof *h);
    be->download(be, h, a, n);
    return h;
}

/* The factors, a drawn place, and what it multiplies x and dy with. */
static sampled sample_pair(const bench_state *b, const bench_set *set, int pair, rng *g)
{
    const bench_site *site = &b->sites[pair];
    sampled           c    = { .b    = b,
                               .set  = set,
                               .site = site,
                               .pair = pair,
                               .in   = b->dims.in,
                               .out  = site->out,
                               .r    = b->spec->rank,
                               .s    = bench_job(set, pair)->s };
    for (int f = 0; f < FACTOR_COUNT; f++) {
        const adapter_tensor *t = adapter_find(set->adapter, (factor_id)f, set->layer, (int)site->site);
        if (!t) continue;
        c.f[f]    = fetch(b->be->params, adapter_values(set->adapter, t), t->rows * t->cols);
        c.cols[f] = t->cols;
    }
    c.k = (int64_t)rng_below(g, (uint64_t)c.r), c.j = (int64_t)rng_below(g, (uint64_t)c.in),
    c.o = (int64_t)rng_below(g, (uint64_t)c.out);
    make_rows(&c);
    return c;
}

static void free_sampled(sampled *c)
{
    for (int f = 0; f < FACTOR_COUNT; f++) free(c->f[f]);
    for (int t = 0; t < TERMS; t++) free(c->row[t]);
}

/* x and dy are read once for all pairs. */
int bench_check_gradients(bench_state *b, int64_t at, rng *g)
{
    const bench_set *set = &b->sets[at];
    sampled          c[BENCH_PAIRS];
    int              rc = OK;
    for (int p = 0; p < b->count; p++) c[p] = sample_pair(b, set, p, g);
    for (int64_t from = 0, n; from < b->dims.n; from += n) {
        n          = b->dims.n - from < ROWS ? b->dims.n - from : ROWS;
        double *x  = fetch(b->be, real_at(b->be, set->x, from * b->ldx), n * b->ldx);
        double *dy = fetch(b->be, real_at(b->be, set->dy, from * b->ldy), n * b->ldy);
        for (int p = 0; p < b->count; p++) add_rows(&c[p], x, dy, n);
        free(x);
        free(dy);
    }
    for (int p = 0; p < b->count; p++) {
        if (!rc) rc = compare_all(&c[p]);
        free_sampled(&c[p]);
    }
    return rc;
}
