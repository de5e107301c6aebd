/* How far two sets of numbers lie apart, with an exact interval that assumes no distribution.
 *
 *     shift s = shift_of_two(base, 8, head, 8, 0.05 / 12);
 *     if (s.exists) printf("%+.2f, %+.2f .. %+.2f\n", s.middle, s.low, s.high);
 *
 * The numbers of a set must be independent of one another, and both sets of one shape; the
 * interval then misses the true shift on each side with a probability of at most alpha / 2. Ties
 * make it wider, never narrower. NaN among the numbers makes all of it NaN. */
#ifndef TIEBREAK_GATE_SHIFT_H
#define TIEBREAK_GATE_SHIFT_H
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    double middle; /* the Hodges-Lehmann estimate */
    double low, high;
    bool   exists; /* false: so few numbers hold no interval of this level; low and high are NaN */
} shift;

/* The shift from a [n] to b [m]: the median of all n m differences b - a, between those of their
 * order statistics at which the Mann-Whitney test of the same level turns (Hollander and Wolfe,
 * Nonparametric Statistical Methods, 4.2 and 4.3). Beyond n m = 10,000 the test's distribution is
 * the normal one with a continuity correction. */
shift shift_of_two(const double *a, int64_t n, const double *b, int64_t m, double alpha);
/* The centre of n differences that are symmetric about it: the median of their Walsh averages,
 * between those at which the Wilcoxon signed-rank test turns (3.2 and 3.3). Beyond n = 200 by the
 * normal distribution. */
shift shift_of_pairs(const double *d, int64_t n, double alpha);

/* The fewest numbers, a side and pairs, with which the interval exists. */
int64_t shift_of_two_least(double alpha);
int64_t shift_of_pairs_least(double alpha);
#endif
