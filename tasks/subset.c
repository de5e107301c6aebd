#include "tasks/subset.h"

#include <stdlib.h>

#include "core/memory.h"
#include "core/pyrandom.h"

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int64_t *subset_choose(int64_t n, int64_t limit, bool shuffled, int64_t seed, int64_t *count)
{
    int64_t  k     = limit && limit < n ? limit : n;
    int64_t *index = mem_alloc((size_t)k, sizeof *index);
    for (int64_t i = 0; i < k; i++) index[i] = i;
    if (shuffled && k < n) {
        mt19937 m;
        py_seed(&m, (uint64_t)seed);
        py_sample(&m, n, k, index);
        qsort(index, (size_t)k, sizeof *index, ascending);
    }
    *count = k;
    return index;
}
