/* One case: buffers, the two things timed in turn, the checks around them, and the summary that goes into the record. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/case.h"
#include "bench/check.h"
#include "bench/gbench.h"
#include "core/error.h"
#include "core/memory.h"
#include "core/progress.h"
#include "core/rng.h"
#include "core/stats.h"

enum { PAIRS_MIN = 10, PAIRS_MAX = 4000, LAYERS_MAX = 8 };
static const int64_t weight_bytes_max = INT64_C(512) << 20; /* of the base weights rotated through */

typedef struct {
    double      *base_ns, *case_ns;
    int64_t      n, cap, call;
    bench_state *s;
} sampler;

static void run_base(bench_state *s, int64_t layer)
{
    const backend *be = s->be;
    if (s->spec->op->forward) be->linear_fwd(s->y, s->x, s->W[layer], NULL, s->dims, false);
    if (s->spec->op->backward) be->linear_bwd_x(s->dx, s->dy, s->W[layer], s->dims, false);
}

/* The map of one layer. A tied A' is charged to every layer, though a model makes it once. */
static void expand_one(const backend *be, const expand_job *job, const pair_arrays *p)
{
    if (p->A != job->A) be->narrow((real *)(uintptr_t)p->A, job->A, job->r * job->lda);
    be->expand_fwd(job, 1);
}

void bench_run_case(bench_state *s, int64_t layer)
{
    const backend  *be  = s->be;
    const bench_op *op  = s->spec->op;
    expand_job     *job = &s->adapter->jobs[layer];
    pair_arrays     p   = adapter_pairs(s->adapter)[layer * SITE_COUNT + s->spec->site];
    pair_dims       d   = { .n = s->dims.n, .in = s->dims.in, .out = s->dims.out };
    if (op->forward) {
        if (op->expands) expand_one(be, job, &p);
        be->linear_fwd(s->y, s->x, s->W[layer], NULL, s->dims, false);
        be->pair_fwd(s->y, s->h, s->x, &p, d);
    }
    if (op->backward) {
        be->linear_bwd_x(s->dx, s->dy, s->W[layer], s->dims, false);
        be->pair_bwd(s->dx, p.dA, p.dB, s->dh, s->dy, s->x, s->h, &p, d);
        be->expand_bwd(job, 1);
    }
}

static int timed(bench_state *s, int64_t layer, void (*what)(bench_state *, int64_t), double *seconds)
{
    const backend *be = s->be;
    if (be->time_begin) {
        be->time_begin();
        what(s, layer);
        *seconds = be->time_end();
        return be->sync();
    }
    double start = clock_s();
    what(s, layer);
    int rc   = be->sync();
    *seconds = clock_s() - start;
    return rc;
}

/* One pair of samples; which comes first alternates, so a drift of the machine's speed hits both alike. */
static int sample(void *ctx, double *seconds)
{
    sampler *m     = ctx;
    int64_t  layer = m->call % m->s->layers, base_first = (m->call / m->s->layers) % 2;
    double   base = 0, with = 0;
    int      rc = base_first ? timed(m->s, layer, run_base, &base) : OK;
    if (!rc) rc = timed(m->s, layer, bench_run_case, &with);
    if (!rc && !base_first) rc = timed(m->s, layer, run_base, &base);
    if (rc) return rc;
    m->call++;
    if (m->n < m->cap) {
        m->base_ns[m->n]   = 1e9 * base;
        m->case_ns[m->n++] = 1e9 * with;
    }
    *seconds = with;
    return OK;
}

static real *random_array(const backend *be, int64_t n, double sd, rng *r)
{
    float *host = mem_alloc((size_t)n, sizeof *host);
    for (int64_t i = 0; i < n; i++) host[i] = (float)(sd * 3.4641016151377544 * (rng_uniform(r) - 0.5)); /* uniform with this sd */
    real *a = be->alloc(n);
    be->upload_f32(a, host, n);
    free(host);
    return a;
}

static void refill(const backend *be, real *a, int64_t n, double sd, rng *r)
{
    real *fresh = random_array(be, n, sd, r);
    be->copy(a, fresh, n);
    be->release(fresh);
}

static int state_init(bench_state *s, const bench_spec *spec, const backend *be, uint64_t seed)
{
    model_config c;
    int          rc = config_load(&c, spec->shape);
    if (rc) return rc;
    int64_t in = site_in(&c, spec->site), out = site_out(&c, spec->site), n = spec->op->tokens, r = spec->rank;
    *s        = (bench_state) { .spec = spec, .be = be, .dims = { .n = n, .in = in, .out = out } };
    s->layers = c.layers < LAYERS_MAX ? c.layers : LAYERS_MAX;
    while (s->layers > 1 && s->layers * in * out * (int64_t)be->elem > weight_bytes_max) s->layers--;
    c.layers = s->layers;
    rc       = adapter_new(&s->adapter, be, &c, (adapter_spec) { .method = *spec->method, .sites = 1u << spec->site, .rank = r, .seed = seed });
    if (rc) return rc;
    rng g = rng_stream(seed, spec->name);
    for (int64_t l = 0; l < s->layers; l++) s->W[l] = random_array(be, in * out, 1 / sqrt((double)in), &g);
    refill(be->params, s->adapter->theta, s->adapter->theta_count, 0.5, &g); /* non-zero everywhere: no factor hides a wrong one */
    adapter_expand(s->adapter);
    s->x  = random_array(be, n * in, 1, &g);
    s->dy = random_array(be, n * out, 1, &g);
    s->y  = be->alloc(n * out);
    s->dx = be->alloc(n * in);
    s->h  = be->alloc(n * r);
    s->dh = be->alloc(n * r);
    for (int64_t l = 0; l < s->layers; l++) { /* a backward alone reads the h of a forward */
        pair_arrays p = adapter_pairs(s->adapter)[l * SITE_COUNT + spec->site];
        be->pair_fwd(s->y, s->h, s->x, &p, (pair_dims) { .n = n, .in = in, .out = out });
    }
    return OK;
}

static void state_free(bench_state *s)
{
    const backend *be = s->be;
    for (int64_t l = 0; l < s->layers; l++) be->release(s->W[l]);
    real *arrays[] = { s->x, s->dy, s->y, s->dx, s->h, s->dh };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) be->release(arrays[i]);
    adapter_free(s->adapter);
}

static json *asked_of(const bench_state *s)
{
    const bench_spec *b    = s->spec;
    bool              tied = false;
    for (int f = 0; f < FACTOR_COUNT; f++) tied |= b->method->factor[f].scope >= SCOPE_GROUP;
    json *a = json_object();
    json_set_str(a, "case", b->name);
    json_set_str(a, "op", b->op->name);
    json_set_str(a, "method", b->method->name);
    json_set_bool(a, "tied", tied);
    json_set_int(a, "rank", b->rank);
    json_set_str(a, "shape", b->shape);
    json_set_str(a, "site", site_table[b->site].name);
    json_set_int(a, "d_in", s->dims.in);
    json_set_int(a, "d_out", s->dims.out);
    json_set_int(a, "tokens", s->dims.n);
    json_set_int(a, "layers", s->layers);
    json_set_str(a, "device", s->be->params->name);
    json_set_str(a, "dtype", s->be->dtype);
    json_set_int(a, "threads", s->be->threads);
    return a;
}

static json *samples(const double *x, int64_t n)
{
    json *a = json_array();
    for (int64_t i = 0; i < n; i++) json_push(a, cJSON_CreateNumber(round(x[i])));
    return a;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static json *result_of(const bench_state *s, const sampler *m)
{
    const bench_op *op = s->spec->op;
    int64_t         n = m->n, r = s->spec->rank, k = (int64_t)floor(0.98 * sqrt((double)n)); /* order statistics n/2 -+ k: 95 % for the median */
    double         *ratio = mem_alloc((size_t)n, sizeof *ratio);
    for (int64_t i = 0; i < n; i++) ratio[i] = m->case_ns[i] / m->base_ns[i] - 1;
    qsort(ratio, (size_t)n, sizeof *ratio, ascending);
    int64_t low = n / 2 - k < 0 ? 0 : n / 2 - k, high = n / 2 + k > n - 1 ? n - 1 : n / 2 + k;
    double  passes = (double)op->forward + (double)op->backward, d = (double)(s->dims.in + s->dims.out), tokens = (double)s->dims.n;
    double  base_flops = passes * 2 * tokens * (double)s->dims.in * (double)s->dims.out;
    double  pair_flops = 2 * tokens * (double)r * d * ((double)op->forward + 2 * (double)op->backward);
    json   *j          = json_object();
    json_set_num(j, "overhead", stats_median(ratio, n));
    json_set_num(j, "overhead_low", ratio[low]);
    json_set_num(j, "overhead_high", ratio[high]);
    json_set_num(j, "base_ns_median", stats_median(m->base_ns, n));
    json_set_int(j, "n", n);
    json_set_str(j, "clock", s->be->time_begin ? "device" : "host");
    json_set_num(j, "flops", base_flops + pair_flops);
    json_set_num(j, "base_flops", base_flops);
    json_set_num(j, "bytes", (double)s->be->elem * ((double)s->dims.in * (double)s->dims.out + tokens * d + (double)r * d));
    json_set(j, "base_ns", samples(m->base_ns, n));
    json_set(j, "case_ns", samples(m->case_ns, n));
    free(ratio);
    return j;
}

int bench_measure(const bench_spec *spec, const backend *be, double min_time_s, uint64_t seed, json **asked, json **result)
{
    bench_state s  = { .be = be };
    int         rc = state_init(&s, spec, be, seed);
    sampler     m  = { .s = &s };
    if (!rc) rc = bench_check(&s);
    if (!rc) {
        double one = 0, spent = 0;
        for (int i = 0; i < 3 && !rc; i++) { /* warm up, and learn how many pairs fit the time asked for */
            double start = clock_s();
            rc           = sample(&m, &one);
            spent        = clock_s() - start;
        }
        double fit   = spent > 0 ? min_time_s / spent : PAIRS_MAX;
        m.call       = 0;
        m.cap        = fit < PAIRS_MIN ? PAIRS_MIN : fit > PAIRS_MAX ? PAIRS_MAX : (int64_t)fit;
        m.base_ns    = mem_alloc((size_t)m.cap, sizeof *m.base_ns);
        m.case_ns    = mem_alloc((size_t)m.cap, sizeof *m.case_ns);
        bench_case c = { spec->name, sample, &m, m.cap };
        if (!rc) rc = bench_run(&c, 1);
    }
    if (!rc) rc = bench_check(&s);
    if (!rc) {
        *asked  = asked_of(&s);
        *result = result_of(&s, &m);
    }
    free(m.base_ns);
    free(m.case_ns);
    state_free(&s);
    return rc;
}
