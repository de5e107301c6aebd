#include "bench/floor.h"

#include <math.h>
#include <string.h>

#include "bench/clock.h"
#include "bench/many_adapters.h"
#include "core/error.h"

/* --- rates */

typedef struct {
    const backend *be;
    int64_t        size; /* elements of a copy; the side of a product */
    real          *to, *from, *W;
} probe;

static void copy_once(void *ctx)
{
    probe *p = ctx;
    p->be->copy(p->be, p->to, p->from, p->size);
}

static void product_once(void *ctx)
{
    probe *p = ctx;
    p->be->linear_fwd(p->be, p->to, p->from, p->W, NULL, (linear_dims) { .n = p->size, .in = p->size, .out = p->size },
                      false);
}

enum { TRIES = 64, KEPT = 10 };
static const double call_s_min = 1e-3; /* a call of this length is timed well */
static const double busy_s_max = 1;    /* in the calls of one size, until the clock settles */

/* Best of ten calls once the clock has settled. */
static int best_of(probe *p, void (*what)(void *), bool settle, double *best)
{
    double clocks[TRIES], spent = 0;
    int    n = 0, after = 0;
    *best = INFINITY;
    while (n < TRIES && after < KEPT) {
        bench_time t;
        int        rc = bench_timed(p->be, what, p, &t);
        if (rc) return rc;
        if (!(t.seconds > 0))
            return run_error("bench: the device's clock says that a call took %g s, so nothing can be measured with it",
                             t.seconds);
        spent += t.seconds;
        clocks[n++] = isfinite(t.clock_hz) ? t.clock_hz : t.seconds;
        if (!settle || spent > busy_s_max || bench_settled(clocks, n)) settle = false, after++;
        if (t.seconds < *best) *best = t.seconds;
        if (after && spent > 2 * busy_s_max) break;
    }
    return OK;
}

/* What is measured, and from which size to which; a cache does not help from `uncached` on. */
typedef struct {
    void (*once)(void *ctx);
    bool    square; /* the size is the side of three matrices, else the elements of two arrays */
    int64_t from, to, uncached;
} workload;

/* Doubles the size until one call is long enough to be timed well, and too large for a cache. */
static int measure(const backend *be, const workload *w, double *seconds, int64_t *size)
{
    rng g  = rng_stream(1, "bench rates");
    int rc = OK;
    for (*size = w->from;; *size *= 2) {
        int64_t n = w->square ? *size * *size : *size;
        probe   p = { .be   = be,
                      .size = *size,
                      .to   = be->alloc(be, n),
                      .from = bench_random(be, n, 1, &g),
                      .W    = w->square ? bench_random(be, n, 1, &g) : NULL };
        rc        = best_of(&p, w->once, false, seconds);
        bool last = rc || *size >= w->to || (*seconds >= call_s_min && *size >= w->uncached);
        if (last && !rc) rc = best_of(&p, w->once, true, seconds);
        be->release(be, p.to), be->release(be, p.from), be->release(be, p.W);
        if (last) return rc;
    }
}

int bench_rates_of(const backend *be, bench_rates *out)
{
    static struct {
        const char *name;
        bench_rates rates;
    } known[8];
    size_t i = 0;
    for (; i < sizeof known / sizeof *known - 1 && known[i].name; i++)
        if (strcmp(known[i].name, be->name) == 0) {
            *out = known[i].rates;
            return OK;
        }
    const int64_t  cache   = be->cache_bytes ? be->cache_bytes(be) : 0;
    const workload product = { product_once, true, 64, 8192, 0 },
                   copy    = { copy_once, false, 1 << 18, 1 << 28, 4 * cache / (int64_t)be->elem };
    double  seconds;
    int64_t size;
    int     rc = measure(be, &product, &seconds, &size);
    if (rc) return rc;
    out->gemm_flops_per_s = 2 * (double)size * (double)size * (double)size / seconds;
    rc                    = measure(be, &copy, &seconds, &size);
    if (rc) return rc;
    out->copy_bytes_per_s = 2 * (double)size * (double)be->elem / seconds;
    known[i].name         = be->name;
    known[i].rates        = *out;
    return OK;
}

/* --- floors */

static double seconds_of(double flops, double bytes, const bench_rates *r)
{
    return fmax(flops / r->gemm_flops_per_s, bytes / r->copy_bytes_per_s);
}

/* Lower bound of a variant: the base GEMM's floor plus that of its steps' extra FLOPs and bytes. */
static double steps_floor(const bench_state *s, const bench_rates *rates)
{
    const adapted_linear *c = &s->sets[0].call;
    double sum = 0, elem = (double)s->be->elem, linear = linear_flops(s->dims), traffic = linear_bytes(s->dims, elem);
    for (int back = 0; back < 2; back++) {
        if (back ? !s->spec->op->backward : !s->spec->op->forward) continue;
        adapted_cost cost = adapted_cost_of(s->be, s->variant, back ? ADAPTED_BACKWARD : ADAPTED_FORWARD, c);
        sum += seconds_of(linear, traffic, rates) +
               seconds_of(fmax(0, cost.flops - linear), fmax(0, cost.bytes - traffic), rates);
    }
    if (!s->spec->op->expands) return sum;
    adapted_cost cost = adapted_cost_of(s->be, s->variant, ADAPTED_ADAPT, c);
    return sum + seconds_of(cost.flops, cost.bytes, rates);
}

/* What the pairs beside one product cost: on their own, and in one pass with it, where x, y and dy
 * are the base's. */
typedef struct {
    double flops, bytes, pass_flops, pass_bytes;
} pairs_cost;

static pairs_cost forward_cost(const bench_state *s)
{
    const double elem = (double)s->be->elem;
    pairs_cost   c    = { .pass_bytes = bench_adapter_bytes(s) };
    for (int i = 0; i < s->count; i++) {
        const pair_dims d = { .n = s->dims.n, .in = s->dims.in, .out = s->sites[i].out };
        const int64_t   r = s->spec->rank;
        c.flops += pair_fwd_flops(d, r), c.bytes += pair_fwd_bytes(d, r, elem);
        if (bench_shares_A(s, i)) c.pass_flops -= 2 * (double)d.n * (double)r * (double)d.in; /* one h */
    }
    c.pass_flops += c.flops;
    return c;
}

/* dA reads x, which the base does not. */
static pairs_cost backward_cost(const bench_state *s)
{
    const double elem = (double)s->be->elem, wide = (double)s->be->params->elem, n = (double)s->dims.n,
                 in = (double)s->dims.in, r = (double)s->spec->rank;
    pairs_cost c       = { 0 };
    bool       reads_x = false;
    for (int i = 0; i < s->count; i++) {
        const pair_arrays *p   = bench_pair_of(s, &s->sets[0], i);
        const pair_dims    d   = { .n = s->dims.n, .in = s->dims.in, .out = s->sites[i].out };
        const double       out = (double)d.out;
        const bool         dA = p->dA != NULL, dB = p->dB != NULL, shared = bench_shares_A(s, i);
        c.flops += pair_bwd_flops(d, p->r, 1, dA, dB), c.bytes += pair_bwd_bytes(d, p->r, 1, dA, dB, elem);
        if (shared && !dA) c.pass_flops -= 2 * n * r * in; /* one dh A */
        c.pass_bytes += elem * r * ((shared ? 0 : in) + out) + wide * r * ((dA ? 2 * in : 0) + (dB ? 2 * out : 0));
        reads_x |= dA;
    }
    c.pass_flops += c.flops;
    c.pass_bytes += elem * (reads_x ? n * in : 0);
    return c;
}

/* The base's product with pairs beside it, in one pass and as ops. */
static void add_product(bench_floor *f, const bench_state *s, const bench_rates *rates, pairs_cost c)
{
    double linear = linear_flops(s->dims), traffic = linear_bytes(s->dims, (double)s->be->elem),
           base_s = seconds_of(linear, traffic, rates);
    f->base_flops += linear, f->base_bytes += traffic, f->base_s += base_s;
    f->ops_s += base_s + seconds_of(c.flops, c.bytes, rates);
    f->flops += linear + c.pass_flops, f->bytes += traffic + c.pass_bytes;
    f->fused_s += seconds_of(linear + c.pass_flops, traffic + c.pass_bytes, rates);
}

bench_floor bench_floor_of(const bench_state *s, const bench_rates *rates)
{
    const bench_set *t    = &s->sets[0];
    const bench_op  *op   = s->spec->op;
    const double     elem = (double)s->be->elem, wide = (double)s->be->params->elem, n = (double)s->dims.n,
                 in      = (double)s->dims.in;
    bench_floor f        = { 0 };
    double      expand_s = 0;
    if (op->forward && t->call.source) { /* a variant that begins with the op before: bytes alone count */
        double bytes   = elem * (t->source.gain ? 2 * n * in + in : 3 * n * in),
               seconds = bytes / rates->copy_bytes_per_s;
        f.base_bytes += bytes, f.base_s += seconds;
        f.bytes += bytes, f.fused_s += seconds;
    }
    if (op->forward) add_product(&f, s, rates, forward_cost(s));
    if (op->backward) add_product(&f, s, rates, backward_cost(s));
    for (int i = 0; op->expands && i < s->count; i++) {
        /* The map is a matter of parameters: bytes count, and its few FLOPs are no product's. */
        const expand_job *job   = bench_job(t, i);
        const double      bytes = (op->forward ? expand_fwd_bytes(job, wide) : 0) +
                             (op->backward ? expand_bwd_bytes(job, wide) : 0);
        f.flops += (op->forward ? expand_fwd_flops(job) : 0) + (op->backward ? expand_bwd_flops(job) : 0);
        f.bytes += bytes;
        f.fused_s += bytes / rates->copy_bytes_per_s;
        if (s->takes == TAKES_PAIR) expand_s += bytes / rates->copy_bytes_per_s;
    }
    f.ops_s = expand_s + (s->spec->variant ? steps_floor(s, rates) : f.ops_s);
    return f;
}
