#include "metrics/paired.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/pyrandom.h"
#include "core/stats.h"
#include "metrics/resample.h"

enum { WIDTH_MAX = RESAMPLE_WIDTH_MAX };

/* --- right or wrong */

paired_counts paired_count(const double *a, const double *b, int64_t n)
{
    paired_counts c = { 0 };
    for (int64_t i = 0; i < n; i++) {
        bool x = a[i] > 0.5, y = b[i] > 0.5;
        c.both += x && y;
        c.only_a += x && !y;
        c.only_b += !x && y;
        c.neither += !x && !y;
    }
    return c;
}

/* P(X = k) and P(X <= k) for X of Binomial(n, 1/2), k <= n / 2. From k downwards, each term is the
 * one before times j / (n - j + 1) <= 1. */
static void half_binomial(int64_t k, int64_t n, double *at, double *up_to)
{
    double term = exp(lgamma((double)n + 1) - lgamma((double)k + 1) - lgamma((double)(n - k) + 1) -
                      (double)n * 0.69314718055994530942);
    *at         = term;
    *up_to      = 0;
    for (int64_t j = k; j >= 0 && *up_to + term > *up_to; j--) {
        *up_to += term;
        term *= (double)j / (double)(n - j + 1);
    }
}

double mcnemar_exact(int64_t only_a, int64_t only_b)
{
    double at, up_to;
    if (only_a == only_b) return 1;
    half_binomial(only_a < only_b ? only_a : only_b, only_a + only_b, &at, &up_to);
    return fmin(1, 2 * up_to);
}

double mcnemar_mid(int64_t only_a, int64_t only_b)
{
    double at, up_to;
    if (only_a == only_b) return 1;
    half_binomial(only_a < only_b ? only_a : only_b, only_a + only_b, &at, &up_to);
    return 2 * up_to - at;
}

/* Tango's statistic of the difference `at`, corrected by `shift` items. */
static double score_statistic(paired_counts k, double at, double shift)
{
    const double n = (double)(k.both + k.only_a + k.only_b + k.neither), b = (double)k.only_b, c = (double)k.only_a;
    const double p = -b - c + (2 * n - b + c) * at, q = -c * at * (1 - at);
    /* the share of only_a that is likeliest if the difference is `at` */
    const double only_a   = (sqrt(fmax(0, p * p - 8 * n * q)) - p) / (4 * n);
    const double variance = n * (2 * only_a + at * (1 - at)), gap = b - c - n * at + shift;
    return variance > 0 ? gap / sqrt(variance) : gap > 0 ? INFINITY : gap < 0 ? -INFINITY : 0;
}

/* The statistic falls with the difference asked about, so each end is found by bisection. */
static double share_end(paired_counts k, double z, double shift)
{
    double low = -1, high = 1;
    for (int i = 0; i < 60; i++) {
        const double at                                     = (low + high) / 2;
        *(score_statistic(k, at, shift) > z ? &low : &high) = at;
    }
    return (low + high) / 2;
}

interval paired_share_interval(paired_counts counts, double alpha)
{
    const double z = stats_normal_quantile(1 - alpha / 2);
    return (interval) { share_end(counts, z, -0.5), share_end(counts, -z, 0.5), "Tango's score interval" };
}

/* --- resampling */

static void add_item(double *sums, const double *item, int width)
{
    for (int w = 0; w < width; w++) sums[w] += item[w];
}

/* Values of both systems on the same resamples. */
static void resample_both(const paired_input *in, int64_t resamples, uint64_t seed, double *of_a, double *of_b)
{
    numpy_rng g    = numpy_seed(seed);
    int64_t  *rows = mem_alloc((size_t)in->n, sizeof *rows);
    for (int64_t i = 0; i < resamples; i++) {
        double sums[WIDTH_MAX];
        numpy_integers(&g, in->n, in->n, rows);
        resample_sums(sums, in->a, rows, in->n, in->width);
        of_a[i] = in->value(in->ctx, sums, in->n);
        resample_sums(sums, in->b, rows, in->n, in->width);
        of_b[i] = in->value(in->ctx, sums, in->n);
    }
    free(rows);
}

/* --- tests */

/* Whether x reaches `wanted`, with room for the rounding of two sums of the same numbers in another
 * order. */
static bool reaches(double x, double wanted) { return x >= wanted * (1 - 1e-9); }

static void bootstrap_test(const paired_input *in, int64_t resamples, uint64_t seed, paired_result *r)
{
    double *a = mem_alloc((size_t)resamples, sizeof *a), *b = mem_alloc((size_t)resamples, sizeof *b),
           *d        = mem_alloc((size_t)resamples, sizeof *d);
    double  observed = fabs(r->difference), mean_gap = 0;
    int64_t ours = 1, theirs = 1;
    resample_both(in, resamples, seed, a, b);
    for (int64_t i = 0; i < resamples; i++) {
        d[i] = b[i] - a[i];
        mean_gap += fabs(d[i]) / (double)resamples;
    }
    for (int64_t i = 0; i < resamples; i++) {
        ours += reaches(fabs(d[i] - r->difference), observed);
        theirs += fabs(d[i]) - mean_gap > observed;
    }
    r->p_bootstrap           = (double)ours / (double)(resamples + 1);
    r->sacrebleu_p_bootstrap = (double)theirs / (double)(resamples + 1);
    r->error                 = stats_sd(d, resamples);
    r->a_mean                = stats_mean(a, resamples);
    r->b_mean                = stats_mean(b, resamples);
    r->gap                   = resampled_interval(d, resamples);
    r->a_interval            = resampled_interval(a, resamples);
    r->b_interval            = resampled_interval(b, resamples);
    free(a);
    free(b);
    free(d);
}

/* So many rows of the matrix of swaps are drawn at once: a multiple of 32 bits, so no drawn bit is
 * lost between them. */
enum { ROWS = 32 };

static void randomisation_test(const paired_input *in, int64_t trials, uint64_t seed, paired_result *r)
{
    numpy_rng g = numpy_seed(seed);
    int64_t   n = in->n, width = in->width, ours = 1, theirs = 1;
    bool     *stay = mem_alloc((size_t)n, ROWS);
    int64_t  *rows = mem_alloc((size_t)n, sizeof *rows);
    /* Both answers to an item lie side by side, so that a drawn bit is an index: a branch on it
     * would be mispredicted every other time. */
    double *both = mem_alloc((size_t)(2 * n * width), sizeof *both), total[WIDTH_MAX] = { 0 },
           observed = fabs(r->difference);
    for (int64_t i = 0; i < n; i++) {
        memcpy(both + 2 * i * width, in->b + i * width, (size_t)width * sizeof *both);
        memcpy(both + (2 * i + 1) * width, in->a + i * width, (size_t)width * sizeof *both);
    }
    for (int64_t i = 0; i < 2 * n; i++) add_item(total, both + i * width, in->width);
    for (int64_t t = 0; t < trials; t++) {
        double      x[WIDTH_MAX], y[WIDTH_MAX];
        const bool *row = stay + t % ROWS * n;
        if (t % ROWS == 0) numpy_bools(&g, ROWS * n, stay);
        for (int64_t i = 0; i < n; i++) rows[i] = 2 * i + row[i];
        resample_sums(x, both, rows, n, in->width);
        for (int w = 0; w < width; w++) y[w] = total[w] - x[w];
        double gap = fabs(in->value(in->ctx, x, n) - in->value(in->ctx, y, n));
        ours += reaches(gap, observed);
        theirs += gap > observed;
    }
    r->p_randomisation           = (double)ours / (double)(trials + 1);
    r->sacrebleu_p_randomisation = (double)theirs / (double)(trials + 1);
    free(stay);
    free(rows);
    free(both);
}

static double value_of(const paired_input *in, const double *stats)
{
    double sums[WIDTH_MAX] = { 0 };
    for (int64_t i = 0; i < in->n; i++) add_item(sums, stats + i * in->width, in->width);
    return in->value(in->ctx, sums, in->n);
}

void paired_test(const paired_input *in, const paired_options *options, paired_result *out)
{
    assert(in->n >= 1 && in->width <= WIDTH_MAX);
    *out            = (paired_result) { .a = value_of(in, in->a), .b = value_of(in, in->b) };
    out->difference = out->b - out->a;
    bootstrap_test(in, options->resamples, options->seed, out);
    randomisation_test(in, options->randomisations, options->seed, out);
}
