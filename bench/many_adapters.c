#include "bench/many_adapters.h"

#include <math.h>
#include <stdlib.h>

#include "core/memory.h"

const char *const bench_popularity_name[POPULARITY_COUNT] = { "", "different", "same", "zipf" };

/* Zipf's law as punica's benchmark draws it: the k-th adapter in k^-1.5 of all rows. */
static int32_t zipf(int64_t adapters, rng *g)
{
    double all = 0, drawn;
    for (int64_t k = 1; k <= adapters; k++) all += pow((double)k, -1.5);
    drawn     = rng_uniform(g) * all;
    int32_t k = 0;
    while (k < adapters - 1 && (drawn -= pow((double)k + 1, -1.5)) >= 0) k++;
    return k;
}

int32_t *bench_which_of(const bench_spec *spec)
{
    int32_t *which = mem_alloc((size_t)spec->op->tokens, sizeof *which);
    rng      g     = rng_stream(1, "bench rows");
    for (int64_t i = 0; i < spec->op->tokens; i++) {
        if (spec->popularity == POPULARITY_DIFFERENT) which[i] = (int32_t)(i % spec->adapters);
        if (spec->popularity == POPULARITY_ZIPF) which[i] = zipf(spec->adapters, &g);
    }
    return which;
}

int64_t bench_distinct(const bench_spec *spec)
{
    if (!spec->adapters) return 1;
    int32_t *which = bench_which_of(spec);
    char    *seen  = mem_alloc((size_t)spec->adapters, 1);
    int64_t  n     = 0;
    for (int64_t i = 0; i < spec->op->tokens; i++) n += !seen[which[i]], seen[which[i]] = 1;
    free(seen);
    free(which);
    return n;
}

/* What all layers hold at the same place of an expand_job or a pair: one array where it is the
 * same, else theirs one after the other. */
typedef const void *(*array_of)(const bench_set *t, int64_t layer, int site);
static const void *job_A(const bench_set *t, int64_t layer, int site) { return (void)site, t->adapter->jobs[layer].A; }
static const void *job_B(const bench_set *t, int64_t layer, int site) { return (void)site, t->adapter->jobs[layer].B; }
static const void *job_u(const bench_set *t, int64_t layer, int site) { return (void)site, t->adapter->jobs[layer].u; }
static const void *job_v(const bench_set *t, int64_t layer, int site) { return (void)site, t->adapter->jobs[layer].v; }
static const void *pair_A(const bench_set *t, int64_t layer, int site)
{
    return adapter_pairs(t->adapter)[layer * SITE_COUNT + site].A;
}
static const void *pair_B(const bench_set *t, int64_t layer, int site)
{
    return adapter_pairs(t->adapter)[layer * SITE_COUNT + site].B;
}

static const void *pack(const bench_state *s, bench_set *t, factor_id f, array_of of, int64_t count, int64_t *stride)
{
    const backend *be   = s->be;
    const int      site = (int)s->sites[0].site;
    const bool     pair = s->takes == TAKES_PAIR, shared = !pair && of(t, 0, site) == of(t, 1, site);
    const int64_t  many = shared ? 1 : s->spec->adapters;
    if (!of(t, 0, site)) return NULL;
    t->narrow[0][f] = be->alloc(be, many * count);
    for (int64_t i = 0; i < many; i++) {
        real *to = real_at(be, t->narrow[0][f], i * count);
        if (pair) /* an engine that knows pairs alone has each adapter's own, tied or not */
            be->copy(be, to, of(t, i, site), count);
        else
            be->narrow(be, to, of(t, i, site), count);
    }
    *stride = shared ? 0 : count;
    return t->narrow[0][f];
}

void bench_batch_fill(const bench_state *s, bench_set *t)
{
    const bool     pair = s->takes == TAKES_PAIR;
    const int64_t  n = s->dims.n, r = t->pairs[0].p.r;
    int32_t       *which = bench_which_of(s->spec), *there = s->be->alloc_bytes(s->be, n * (int64_t)sizeof *which);
    adapted_batch *b = &t->batch;
    s->be->put(s->be, there, which, n * (int64_t)sizeof *which);
    free(which);
    *b = (adapted_batch) { .which = there, .adapters = s->spec->adapters, .distinct = bench_distinct(s->spec) };
    if (pair) {
        pair_arrays *p = &t->pairs[0].p;
        p->A           = pack(s, t, FACTOR_A, pair_A, r * p->lda, &b->stride_A),
        p->B           = pack(s, t, FACTOR_B, pair_B, r * s->dims.out, &b->stride_B);
        return;
    }
    adapted_factors *f = &t->factors[0];
    f->A               = pack(s, t, FACTOR_A, job_A, r * f->lda, &b->stride_A);
    f->B               = pack(s, t, FACTOR_B, job_B, r * s->dims.out, &b->stride_B);
    f->u               = pack(s, t, FACTOR_U, job_u, r, &b->stride_u);
    f->v               = pack(s, t, FACTOR_V, job_v, s->dims.out, &b->stride_v);
}

double bench_adapter_bytes(const bench_state *s)
{
    const factor_spec *f  = s->spec->method->factor;
    const double       in = (double)s->dims.in, out = (double)s->dims.out, r = (double)s->spec->rank,
                 n                     = (double)bench_distinct(s->spec);
    const double numbers[FACTOR_COUNT] = {
        [FACTOR_A] = r * in, [FACTOR_U] = r, [FACTOR_B] = r * out, [FACTOR_V] = out
    };
    double all = 0;
    for (int i = 0; !s->spec->adapters && i < s->count; i++) /* A' and B' */
        all += r * ((bench_shares_A(s, i) ? 0 : in) + (double)s->sites[i].out);
    for (int i = 0; s->spec->adapters && i < FACTOR_COUNT; i++)
        if (f[i].scope != SCOPE_ONE) all += numbers[i] * (f[i].scope == SCOPE_LAYER ? n : 1);
    return (double)s->be->elem * all;
}
