#include "bench/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/many_adapters.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/rng.h"

/* The factors of one pair on the host, absent ones NULL, and the columns it acts on. */
typedef struct {
    double *f[FACTOR_COUNT];
    int64_t cols[FACTOR_COUNT];
    double  s;
    int64_t in, r, at, out;
} host_pair;

/* One layer on the host. */
typedef struct {
    host_pair pairs[BENCH_PAIRS];
    int       count;
    /* what this output reads: x_i and W's row o, dy_i and W's column j */
    double *x, *W_row, *dy, *W_column;
    int64_t in, out;
} host_state;

static double *fetch(const backend *be, const void *a, int64_t n)
{
    double *h = mem_alloc((size_t)n, sizeof *h);
    be->download(be, h, a, n);
    return h;
}

static host_state host_init(const bench_state *b, const bench_set *set, int64_t layer)
{
    const adapter *a = set->adapter;
    host_state     h = { .count = b->count, .in = b->dims.in, .out = b->dims.out };
    for (int i = 0; i < b->count; i++) {
        const bench_site *site = &b->sites[i];
        host_pair        *p    = &h.pairs[i];
        *p                     = (host_pair) { .in = h.in, .r = b->spec->rank, .at = site->at, .out = site->out };
        p->s                   = bench_job(set, i)->s;
        for (int f = 0; f < FACTOR_COUNT; f++) {
            const adapter_tensor *t = adapter_find(a, (factor_id)f, layer, (int)site->site);
            if (!t) continue;
            p->f[f]    = fetch(b->be->params, adapter_values(a, t), t->rows * t->cols);
            p->cols[f] = t->cols;
        }
    }
    return h;
}

/* Column j of W [out, in]: W as rows of one element. */
static double *fetch_column(const bench_state *b, const real *W, int64_t j)
{
    int32_t *rows = mem_alloc((size_t)b->dims.out, sizeof *rows);
    for (int64_t o = 0; o < b->dims.out; o++) rows[o] = (int32_t)(o * b->dims.in + j);
    int32_t *there  = b->be->alloc_bytes(b->be, b->dims.out * (int64_t)sizeof *rows);
    real    *column = b->be->alloc(b->be, b->dims.out);
    b->be->put(b->be, there, rows, b->dims.out * (int64_t)sizeof *rows);
    b->be->gather_rows(b->be, column, W, there, b->dims.out, 1);
    double *host = fetch(b->be, column, b->dims.out);
    b->be->release(b->be, there);
    b->be->release(b->be, column);
    free(rows);
    return host;
}

/* Arrays are gigabytes on a GPU: only what an output reads is brought here. */
static void host_rows(host_state *h, const bench_state *b, const bench_set *set, int64_t i, int64_t o, int64_t j)
{
    if (b->spec->op->forward) {
        h->x     = fetch(b->be, real_at(b->be, set->x, i * b->ldx), h->in);
        h->W_row = fetch(b->be, real_at(b->be, set->W, o * h->in), h->in);
    }
    if (b->spec->op->backward) {
        h->dy       = fetch(b->be, real_at(b->be, set->dy, i * b->ldy), h->out);
        h->W_column = fetch_column(b, set->W, j);
    }
}

static void host_rows_free(host_state *h)
{
    double *all[] = { h->x, h->W_row, h->dy, h->W_column };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    h->x = h->W_row = h->dy = h->W_column = NULL;
}

static void host_free(host_state *h)
{
    for (int i = 0; i < h->count * FACTOR_COUNT; i++) free(h->pairs[i / FACTOR_COUNT].f[i % FACTOR_COUNT]);
}

/* g = R (u * a), for a [r]. */
static void core_of(const host_pair *h, const double *a, double *g)
{
    const double *u = h->f[FACTOR_U], *R = h->f[FACTOR_R];
    for (int64_t k = 0; k < h->r; k++) g[k] = 0;
    for (int64_t k = 0; k < h->r; k++) {
        double ua = (u ? u[k] : 1) * a[k];
        if (!R) g[k] = ua;
        for (int64_t m = 0; R && m < h->r; m++) g[m] += R[m * h->r + k] * ua;
    }
}

/* s v_o B_o . g, and the sum of its terms' magnitudes. o counts the pair's own columns. */
static double row_of(const host_pair *h, int64_t o, const double *g, double *size)
{
    const double *B = h->f[FACTOR_B] + o * h->r;
    double        v = h->s * (h->f[FACTOR_V] ? h->f[FACTOR_V][o] : 1), sum = 0;
    for (int64_t k = 0; k < h->r; k++) {
        sum += B[k] * g[k];
        *size += fabs(v * B[k] * g[k]);
    }
    return v * sum;
}

/* What the pair adds to y[i, o]. */
static double pair_forward_at(const host_pair *p, const double *x, int64_t o, double *size)
{
    double *a = mem_alloc((size_t)p->r + 1, sizeof *a), *g = mem_alloc((size_t)p->r + 1, sizeof *g);
    for (int64_t k = 0; k < p->r; k++) {
        const double *A = p->f[FACTOR_A] + k * p->cols[FACTOR_A];
        for (int64_t j = 0; j < p->in; j++) a[k] += A[j] * x[j];
    }
    core_of(p, a, g);
    double sum = row_of(p, o, g, size);
    free(a);
    free(g);
    return sum;
}

/* y[i, o] */
static double forward_at(const host_state *h, int64_t o, double *size)
{
    const double *x = h->x, *W = h->W_row;
    double        sum = 0;
    for (int64_t j = 0; j < h->in; j++) {
        sum += W[j] * x[j];
        *size += fabs(W[j] * x[j]);
    }
    for (const host_pair *p = h->pairs; p < h->pairs + h->count; p++)
        if (o >= p->at && o < p->at + p->out) sum += pair_forward_at(p, x, o - p->at, size);
    return sum;
}

/* What the pair adds to dx[i, j]: sum_o dy[i, o] s v_o B_o R (u * A[:, j]). */
static double pair_backward_at(const host_pair *p, const double *dy, int64_t j, double *size)
{
    double *a = mem_alloc((size_t)p->r + 1, sizeof *a), *g = mem_alloc((size_t)p->r + 1, sizeof *g), sum = 0;
    for (int64_t k = 0; k < p->r; k++) a[k] = p->f[FACTOR_A][k * p->cols[FACTOR_A] + j];
    core_of(p, a, g);
    for (int64_t o = 0; o < p->out; o++) {
        double terms = 0;
        sum += dy[p->at + o] * row_of(p, o, g, &terms);
        *size += fabs(dy[p->at + o]) * terms;
    }
    free(a);
    free(g);
    return sum;
}

/* dx[i, j] = sum_o dy[i, o] W[o, j], and the pairs' part */
static double backward_at(const host_state *h, int64_t j, double *size)
{
    double sum = 0;
    for (int64_t o = 0; o < h->out; o++) {
        sum += h->dy[o] * h->W_column[o];
        *size += fabs(h->dy[o] * h->W_column[o]);
    }
    for (const host_pair *p = h->pairs; p < h->pairs + h->count; p++) sum += pair_backward_at(p, h->dy, j, size);
    return sum;
}

static int compare(const bench_state *b, const char *what, int64_t i, int64_t j, double got, double want, double size)
{
    if (fabs(got - want) <= (b->be->elem == 2 ? 0x1p-7 : 1e-5) * size) return OK;
    return run_error(
        "bench: %s: %s[%lld, %lld] is %.9g, the formula gives %.9g: the kernel is wrong, so it was not timed",
        b->spec->name, what, (long long)i, (long long)j, got, want);
}

/* x[i, j] as the op before makes it. */
static double produced_at(const bench_state *b, const bench_set *set, int64_t i, int64_t j)
{
    const int64_t in = b->dims.in, width = set->source.gain ? in : 2 * in;
    double       *from = fetch(b->be, real_at(b->be, set->source.from, i * width), width), gain = 1, squares = 0, x;
    if (set->source.gain) {
        b->be->download(b->be, &gain, real_at(b->be, set->source.gain, j), 1);
        for (int64_t k = 0; k < in; k++) squares += from[k] * from[k];
        x = from[j] / sqrt(squares / (double)in + set->source.eps) * gain;
    } else {
        x = from[j] / (1 + exp(-from[j])) * from[in + j];
    }
    free(from);
    return x;
}

static int check_produced(const bench_state *b, const bench_set *set, int64_t i, int64_t j)
{
    if (!set->call.source || !b->spec->op->forward) return OK;
    double got, want = produced_at(b, set, i, j);
    b->be->download(b->be, &got, real_at(b->be, set->x, i * b->ldx + j), 1);
    return compare(b, "x", i, j, got, want, fabs(want));
}

static int check_set(bench_state *b, int64_t at, rng *g)
{
    const bench_set *set = &b->sets[at];
    adapter_zero_grad(set->adapter);
    if (!b->spec->op->forward) bench_run_forward(b, at);
    bench_run_case(b, at);
    int rc = b->be->sync(b->be);
    /* reads all of x and dy: of one set */
    if (!rc && b->spec->op->backward && at == 0) rc = bench_check_gradients(b, at, g);
    if (rc) return rc;
    /* layers that stand for adapters, bench/many_adapters.c */
    int32_t   *which = b->spec->adapters ? bench_which_of(b->spec) : NULL;
    int64_t    layer = set->layer;
    host_state h     = host_init(b, set, layer);
    for (int k = 0; k < 8 && !rc; k++) {
        int64_t i = (int64_t)rng_below(g, (uint64_t)b->dims.n), o = (int64_t)rng_below(g, (uint64_t)h.out),
                j = (int64_t)rng_below(g, (uint64_t)h.in);
        double got, size = 0;
        if (which && which[i] != layer) {
            host_free(&h);
            h = host_init(b, set, layer = which[i]);
        }
        host_rows(&h, b, set, i, o, j);
        rc = check_produced(b, set, i, j);
        if (b->spec->op->forward && !rc) {
            double want = forward_at(&h, o, &size);
            b->be->download(b->be, &got, real_at(b->be, set->y, i * h.out + o), 1);
            rc = compare(b, "y", i, o, got, want, size);
        }
        if (b->spec->op->backward && !rc) {
            size        = 0;
            double want = backward_at(&h, j, &size);
            b->be->download(b->be, &got, real_at(b->be, set->dx, i * h.in + j), 1);
            rc = compare(b, "dx", i, j, got, want, size);
        }
        host_rows_free(&h);
    }
    host_free(&h);
    free(which);
    return rc;
}

int bench_check(bench_state *s)
{
    rng g  = rng_stream(1, s->spec->name);
    int rc = check_set(s, 0, &g);
    if (!rc && s->n_sets > 1) rc = check_set(s, s->n_sets - 1, &g);
    return rc;
}
