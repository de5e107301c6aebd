#include "metrics/cluster.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "core/memory.h"

enum { WIDTH_MAX = 64 };

/* The value of the items of some clusters, whose number is the last of the sums. */
static double value_of_clusters(const void *ctx, const double *sums, int64_t n)
{
    const clusters *c = ctx;
    (void)n;
    return c->item.value(c->item.ctx, sums, (int64_t)sums[c->item.width]);
}

static void add_up(double *sums, const double *stats, const int64_t *cluster, int64_t n, int width)
{
    for (int64_t i = 0; i < n; i++) {
        double *of = sums + cluster[i] * (width + 1);
        for (int w = 0; w < width; w++) of[w] += stats[i * width + w];
        of[width] += 1;
    }
}

void clusters_of(clusters *out, const paired_input *in, const int64_t *cluster, int64_t n_clusters)
{
    const int64_t each = n_clusters * (in->width + 1);
    assert(in->width < WIDTH_MAX);
    *out    = (clusters) { .item = *in, .sums = mem_alloc((size_t)(2 * each), sizeof *out->sums) };
    out->in = (paired_input) { .a     = out->sums,
                               .b     = in->b ? out->sums + each : NULL,
                               .n     = n_clusters,
                               .width = in->width + 1,
                               .value = value_of_clusters,
                               .ctx   = out };
    add_up(out->sums, in->a, cluster, in->n, in->width);
    if (in->b) add_up(out->sums + each, in->b, cluster, in->n, in->width);
    out->item.a = out->item.b = NULL;
}

void clusters_free(clusters *c)
{
    free(c->sums);
    *c = (clusters) { 0 };
}

double clusters_stderr(const clusters *c)
{
    return jackknife_stderr(c->in.value, c->in.ctx, c->in.a, c->in.n, c->in.width);
}

double swaps_least_p(int64_t units) { return fmin(1, exp2(1 - (double)units)); }
