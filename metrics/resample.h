/* Sums of statistics over drawn items: the inner loop of every bootstrap and randomisation that
 * uses NumPy's draws. */
#ifndef TIEBREAK_METRICS_RESAMPLE_H
#define TIEBREAK_METRICS_RESAMPLE_H
#include <stdint.h>

enum { RESAMPLE_WIDTH_MAX = 64 };

/* sums [width] = the sum over k, in the order of the rows, of stats[rows[k]], for rows [n] and
 * stats [any, width]; width <= RESAMPLE_WIDTH_MAX. */
void resample_sums(double *sums, const double *stats, const int64_t *rows, int64_t n, int width);
#endif
