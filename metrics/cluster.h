/* Items that belong together: the questions about one article, the lines of one talk. What they
 * have in common moves their scores together, so such items tell less than as many single ones, and
 * a test that takes them for single ones alarms too often (Miller 2024, arXiv 2411.00640).
 *
 * The remedy is one idea for every statistic of sums: the cluster is the unit. Its items' numbers
 * are added up, with how many they are as one more number, and whatever resamples, swaps or leaves
 * out units then does so with whole clusters:
 *
 *     clusters c;
 *     clusters_of(&c, &in, cluster, n_clusters);     in, a paired_input of items
 *     paired_test(&c.in, &PAIRED_DEFAULTS, &r);      resamples and swaps clusters
 *     clusters_free(&c); */
#ifndef TIEBREAK_METRICS_CLUSTER_H
#define TIEBREAK_METRICS_CLUSTER_H
#include "metrics/paired.h"

typedef struct {
    paired_input in;   /* of [n_clusters, width + 1]; its value is that of the items */
    paired_input item; /* what it was made of; its arrays are not kept */
    double      *sums; /* owned: both systems' */
} clusters;

/* cluster [in->n]: each item's, 0 .. n_clusters - 1, every one with an item or more. in->width is
 * below 64. in->b may be NULL for one system alone, as clusters_stderr takes it. */
void clusters_of(clusters *out, const paired_input *in, const int64_t *cluster, int64_t n_clusters);
void clusters_free(clusters *c);

/* The standard error of system a's value: the delete-one-cluster jackknife, for clusters of one
 * item jackknife_stderr. That of a mean difference is the error of one system whose statistics are
 * the differences. NaN below two clusters. */
double clusters_stderr(const clusters *c);

/* The smallest two-sided p-value that swapping so many units can give, 2 / 2^n: six units or more
 * can reach 5 %. */
double swaps_least_p(int64_t units);
#endif
