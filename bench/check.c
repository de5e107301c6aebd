#include "bench/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/rng.h"

/* The factors of one layer on the host, absent ones NULL. */
typedef struct {
    double *f[FACTOR_COUNT];
    int64_t cols[FACTOR_COUNT];
    double *W, *x, *dy;
    double  s;
    int64_t in, out, n, r;
} host_state;

static double *fetch(const backend *be, const real *a, int64_t n)
{
    double *h = mem_alloc((size_t)n, sizeof *h);
    be->download(h, a, n);
    return h;
}

static host_state host_init(const bench_state *b, int64_t layer)
{
    host_state h = { .in = b->dims.in, .out = b->dims.out, .n = b->dims.n, .r = b->spec->rank, .s = b->adapter->jobs[layer].s };
    for (int f = 0; f < FACTOR_COUNT; f++) {
        const adapter_tensor *t = adapter_find(b->adapter, (factor_id)f, layer, (int)b->spec->site);
        if (!t) continue;
        h.f[f]    = fetch(b->be->params, adapter_values(b->adapter, t), t->rows * t->cols);
        h.cols[f] = t->cols;
    }
    h.W  = fetch(b->be, b->W[layer], h.in * h.out);
    h.x  = fetch(b->be, b->x, h.n * h.in);
    h.dy = fetch(b->be, b->dy, h.n * h.out);
    return h;
}

static void host_free(host_state *h)
{
    for (int f = 0; f < FACTOR_COUNT; f++) free(h->f[f]);
    free(h->W);
    free(h->x);
    free(h->dy);
}

/* g = R (u * a), for a [r]. */
static void core_of(const host_state *h, const double *a, double *g)
{
    const double *u = h->f[FACTOR_U], *R = h->f[FACTOR_R];
    for (int64_t k = 0; k < h->r; k++) g[k] = 0;
    for (int64_t k = 0; k < h->r; k++) {
        double ua = (u ? u[k] : 1) * a[k];
        if (!R) g[k] = ua;
        for (int64_t m = 0; R && m < h->r; m++) g[m] += R[m * h->r + k] * ua;
    }
}

/* s v_o B_o . g, and the sum of its terms' magnitudes. */
static double row_of(const host_state *h, int64_t o, const double *g, double *size)
{
    const double *B = h->f[FACTOR_B] + o * h->r;
    double        v = h->s * (h->f[FACTOR_V] ? h->f[FACTOR_V][o] : 1), sum = 0;
    for (int64_t k = 0; k < h->r; k++) {
        sum += B[k] * g[k];
        *size += fabs(v * B[k] * g[k]);
    }
    return v * sum;
}

/* y[i, o] */
static double forward_at(const host_state *h, int64_t i, int64_t o, double *size)
{
    double       *a = mem_alloc((size_t)h->r + 1, sizeof *a), *g = mem_alloc((size_t)h->r + 1, sizeof *g), sum = 0;
    const double *x = h->x + i * h->in, *W = h->W + o * h->in;
    for (int64_t k = 0; k < h->r; k++) {
        const double *A = h->f[FACTOR_A] + k * h->cols[FACTOR_A];
        for (int64_t j = 0; j < h->in; j++) a[k] += A[j] * x[j];
    }
    core_of(h, a, g);
    for (int64_t j = 0; j < h->in; j++) {
        sum += W[j] * x[j];
        *size += fabs(W[j] * x[j]);
    }
    sum += row_of(h, o, g, size);
    free(a);
    free(g);
    return sum;
}

/* dx[i, j] = sum_o dy[i, o] (W[o, j] + s v_o B_o R (u * A[:, j])) */
static double backward_at(const host_state *h, int64_t i, int64_t j, double *size)
{
    double       *a = mem_alloc((size_t)h->r + 1, sizeof *a), *g = mem_alloc((size_t)h->r + 1, sizeof *g), sum = 0;
    const double *dy = h->dy + i * h->out;
    for (int64_t k = 0; k < h->r; k++) a[k] = h->f[FACTOR_A][k * h->cols[FACTOR_A] + j];
    core_of(h, a, g);
    for (int64_t o = 0; o < h->out; o++) {
        double terms = fabs(h->W[o * h->in + j]), w = h->W[o * h->in + j] + row_of(h, o, g, &terms);
        sum += dy[o] * w;
        *size += fabs(dy[o]) * terms;
    }
    free(a);
    free(g);
    return sum;
}

static int compare(const bench_state *b, const char *what, int64_t i, int64_t j, double got, double want, double size)
{
    if (fabs(got - want) <= (b->be->elem == 2 ? 0x1p-7 : 1e-5) * size) return OK;
    return run_error("bench: %s: %s[%lld, %lld] is %.9g, the formula gives %.9g: the kernel is wrong, so it was not timed", b->spec->name, what,
                     (long long)i, (long long)j, got, want);
}

static int check_layer(bench_state *b, int64_t layer, rng *g)
{
    bench_run_case(b, layer);
    int rc = b->be->sync();
    if (rc) return rc;
    host_state h = host_init(b, layer);
    for (int k = 0; k < 8 && !rc; k++) {
        int64_t i = (int64_t)rng_below(g, (uint64_t)h.n), o = (int64_t)rng_below(g, (uint64_t)h.out), j = (int64_t)rng_below(g, (uint64_t)h.in);
        double  got, size = 0;
        if (b->spec->op->forward) {
            double want = forward_at(&h, i, o, &size);
            b->be->download(&got, real_at(b->be, b->y, i * h.out + o), 1);
            rc = compare(b, "y", i, o, got, want, size);
        }
        if (b->spec->op->backward && !rc) {
            size        = 0;
            double want = backward_at(&h, i, j, &size);
            b->be->download(&got, real_at(b->be, b->dx, i * h.in + j), 1);
            rc = compare(b, "dx", i, j, got, want, size);
        }
    }
    host_free(&h);
    return rc;
}

int bench_check(bench_state *s)
{
    rng g  = rng_stream(1, s->spec->name);
    int rc = check_layer(s, 0, &g);
    if (!rc && s->layers > 1) rc = check_layer(s, s->layers - 1, &g);
    return rc;
}
