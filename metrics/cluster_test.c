/* Clusters as units: equal to items where each item is its own, and their tests at their level
 * where items of a cluster resemble each other.
 *
 *     cluster_test               the tests
 *     cluster_test N [SEED]      prints how often N equal systems are called different, over sizes
 *                                of clusters and how alike their items are: scripts/calibrate */
#include "core/memory.h"
#include "core/rng.h"
#include "core/test.h"
#include "metrics/cluster.h"

static const paired_options draws = { .resamples = 399, .randomisations = 399, .seed = 7 };

static paired_input shares(const double *a, const double *b, int64_t n)
{
    static const metric *acc;
    acc = metric_find("acc");
    return (paired_input) { a, b, n, acc->n_stats, metric_of_sums, acc };
}

/* --- equal systems whose items come in clusters */

typedef struct {
    int64_t n;       /* items */
    int64_t largest; /* sizes are 1 .. largest, alike often */
    double  icc;     /* the correlation of two items' latent scores within a cluster and a system */
} design;

/* Right or wrong: a latent normal score above a third. What a cluster adds differs between the two
 * systems, as an article that suits one of them does. Returns the number of clusters. */
static int64_t draw(rng *r, design d, double *a, double *b, int64_t *cluster)
{
    const double between = sqrt(d.icc), within = sqrt(1 - d.icc);
    int64_t      n_clusters = 0;
    for (int64_t i = 0; i < d.n; n_clusters++) {
        const int64_t size = 1 + (int64_t)rng_below(r, (uint64_t)d.largest);
        const double  of_a = between * rng_normal(r), of_b = between * rng_normal(r);
        for (int64_t k = 0; k < size && i < d.n; k++, i++) {
            const double common = rng_normal(r), half = sqrt(0.5);
            a[i]       = of_a + within * half * (common + rng_normal(r)) > 0.33;
            b[i]       = of_b + within * half * (common + rng_normal(r)) > 0.33;
            cluster[i] = n_clusters;
        }
    }
    return n_clusters;
}

typedef struct {
    double by_cluster, by_item; /* shares of trials with p <= 0.05 */
    double units;               /* mean number of clusters */
} alarms;

static alarms count_alarms(design d, int64_t trials, uint64_t seed)
{
    int64_t by_cluster = 0, by_item = 0, units = 0;
#pragma omp parallel for schedule(dynamic, 8) reduction(+ : by_cluster, by_item, units)
    for (int64_t t = 0; t < trials; t++) {
        char          purpose[64];
        clusters      c;
        paired_result r;
        double       *a = mem_alloc((size_t)d.n, sizeof *a), *b = mem_alloc((size_t)d.n, sizeof *b);
        int64_t      *cluster = mem_alloc((size_t)d.n, sizeof *cluster), n_clusters;
        snprintf(purpose, sizeof purpose, "clusters/%lld", (long long)t);
        rng g              = rng_stream(seed, purpose);
        n_clusters         = draw(&g, d, a, b, cluster);
        paired_input  in   = shares(a, b, d.n);
        paired_counts flip = paired_count(a, b, d.n);
        clusters_of(&c, &in, cluster, n_clusters);
        paired_test(&c.in, &(paired_options) { 1, 399, rng_u64(&g) }, &r);
        by_cluster += r.p_randomisation <= 0.05;
        by_item += mcnemar_mid(flip.only_a, flip.only_b) <= 0.05;
        units += n_clusters;
        clusters_free(&c);
        free(a);
        free(b);
        free(cluster);
    }
    return (alarms) { (double)by_cluster / (double)trials, (double)by_item / (double)trials,
                      (double)units / (double)trials };
}

/* --- tests */

static void clusters_of_one_item_change_nothing(void **state)
{
    enum { N = 60 };
    double        a[N], b[N];
    int64_t       own[N];
    rng           g = rng_stream(1, "own clusters");
    paired_result items, units;
    clusters      c;
    (void)state;
    for (int i = 0; i < N; i++) a[i] = rng_uniform(&g), b[i] = rng_uniform(&g), own[i] = i;
    paired_input in = shares(a, b, N);
    clusters_of(&c, &in, own, N);
    paired_test(&in, &draws, &items);
    paired_test(&c.in, &draws, &units);
    assert_within(fabs(items.difference - units.difference), 1e-15);
    assert_within(fabs(items.p_randomisation - units.p_randomisation), 0);
    assert_within(fabs(items.p_bootstrap - units.p_bootstrap), 0);
    assert_within(fabs(items.gap.low - units.gap.low), 1e-15);
    assert_within(fabs(clusters_stderr(&c) - jackknife_stderr(in.value, in.ctx, a, N, 1)), 1e-15);
    clusters_free(&c);
}

/* Every item three times, in one cluster: the error of clusters is that of the single items, and
 * the error of items is too small by the square root of 3, but for n - 1. */
static void copies_in_a_cluster_tell_nothing_new(void **state)
{
    enum { N = 40, COPIES = 3 };
    double   a[N * COPIES], single[N];
    int64_t  cluster[N * COPIES];
    rng      g = rng_stream(2, "copies");
    clusters c;
    (void)state;
    for (int i = 0; i < N * COPIES; i++) {
        if (i % COPIES == 0) single[i / COPIES] = rng_uniform(&g);
        a[i] = single[i / COPIES], cluster[i] = i / COPIES;
    }
    paired_input in = shares(a, NULL, N * COPIES);
    clusters_of(&c, &in, cluster, N);
    const double wanted = jackknife_stderr(in.value, in.ctx, single, N, 1);
    assert_within(fabs(clusters_stderr(&c) - wanted), 1e-12 * wanted);
    const double items = jackknife_stderr(in.value, in.ctx, a, N * COPIES, 1);
    assert_within(fabs(wanted / items - sqrt((N * COPIES - 1.) / (N - 1.))), 1e-12);
    clusters_free(&c);
}

/* Clusters of unequal sizes: the jackknife of a ratio of sums, by hand. */
static void sizes_count(void **state)
{
    const double  a[]       = { 1, 0, 1, 1, 0, 1 };
    const int64_t cluster[] = { 0, 0, 0, 1, 1, 2 };
    const double  left[]    = { 2. / 3, 3. / 4, 3. / 5 };
    double        mean = (left[0] + left[1] + left[2]) / 3, sum = 0;
    paired_input  in = shares(a, NULL, 6);
    clusters      c;
    (void)state;
    for (int g = 0; g < 3; g++) sum += (left[g] - mean) * (left[g] - mean);
    clusters_of(&c, &in, cluster, 3);
    assert_within(fabs(clusters_stderr(&c) - sqrt(2. / 3 * sum)), 1e-15);
    clusters_free(&c);
    clusters_of(&c, &in, (int64_t[6]) { 0 }, 1);
    assert_true(isnan(clusters_stderr(&c)));
    clusters_free(&c);
}

static void few_units_cannot_reach_a_level(void **state)
{
    (void)state;
    assert_within(fabs(swaps_least_p(5) - 0.0625), 0);
    assert_within(fabs(swaps_least_p(6) - 0.03125), 0);
    assert_within(fabs(swaps_least_p(1) - 1), 0);
}

static void the_test_of_clusters_keeps_its_level(void **state)
{
    const int64_t trials = test_part(600);
    const double  room   = 3 * sqrt(0.05 * 0.95 / (double)trials);
    (void)state;
    alarms alike = count_alarms((design) { 200, 20, 0.3 }, trials, 1),
           apart = count_alarms((design) { 200, 20, 0 }, trials, 1);
    assert_within(alike.by_cluster, 0.05 + room);
    assert_true(alike.by_item > 0.1);
    assert_within(apart.by_cluster, 0.05 + room);
    assert_within(fabs(apart.by_item - 0.05), room);
}

static int show(const char *number, const char *seed)
{
    static const int64_t items[] = { 20, 200, 2000 }, sizes[] = { 1, 10, 40 };
    static const double  icc[] = { 0, 0.2, 0.5 };
    char                *end, *end_of_seed;
    const long long      trials = strtoll(number, &end, 10), s = strtoll(seed, &end_of_seed, 10);
    bool                 held = true;
    if (*end || trials < 100 || trials > 1000000 || *end_of_seed || s < 0) return ERR_INPUT;
    printf("\nEqual systems on items in clusters, %lld pairs a row: false alarms at 5 %%\n"
           "%6s %9s %5s %9s  %-22s %s\n",
           trials, "items", "clusters", "alike", "sizes", "clusters swapped", "items by McNemar mid-p");
    for (int n = 0; n < 3; n++) {
        for (int k = 0; k < 3; k++) {
            for (int i = 0; i < 3; i++) {
                alarms   f     = count_alarms((design) { items[n], sizes[k], icc[i] }, trials, (uint64_t)s);
                interval range = wilson_interval(f.by_cluster * (double)trials, trials);
                printf("%6lld %9.1f %5.1f %6s%-3lld  %5.2f %% (%5.2f .. %5.2f)  %5.2f %%\n", (long long)items[n],
                       f.units, icc[i], sizes[k] > 1 ? "1.." : "", (long long)sizes[k], 100 * f.by_cluster,
                       100 * range.low, 100 * range.high, 100 * f.by_item);
                held &= range.low <= 0.07;
            }
        }
    }
    if (held) return OK;
    fprintf(stderr, "calibrate: swapping clusters alarms in more than 7 %% of equal pairs, beyond chance\n");
    return ERR_FAILED;
}

int main(int argc, char **argv)
{
    if (argc > 1) return show(argv[1], argc > 2 ? argv[2] : "12345");
    const struct CMUnitTest tests[] = { cmocka_unit_test(clusters_of_one_item_change_nothing),
                                        cmocka_unit_test(copies_in_a_cluster_tell_nothing_new),
                                        cmocka_unit_test(sizes_count), cmocka_unit_test(few_units_cannot_reach_a_level),
                                        cmocka_unit_test(the_test_of_clusters_keeps_its_level) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
