#include "metrics/resample.h"

#include <string.h>

void resample_sums(double *sums, const double *stats, const int64_t *rows, int64_t n, int width)
{
    memset(sums, 0, (size_t)width * sizeof *sums);
    if (width == 1) { /* a mean has one number an item, summed in a register */
        double sum = 0;
        for (int64_t i = 0; i < n; i++) sum += stats[rows[i]];
        sums[0] = sum;
        return;
    }
    for (int64_t i = 0; i < n; i++)
        for (int w = 0; w < width; w++) sums[w] += stats[rows[i] * width + w];
}
