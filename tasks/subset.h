/* Which items of a data file are asked. */
#ifndef TIEBREAK_TASKS_SUBSET_H
#define TIEBREAK_TASKS_SUBSET_H
#include <stdbool.h>
#include <stdint.h>

/* Indices of `limit` of n items, ascending; limit 0, or more than n, means all. They are the first
 * ones or, with `shuffled`, Python's sorted(random.Random(seed).sample(range(n), limit)), so that
 * any tool can name the same items. The caller frees them; *count is their number. */
int64_t *subset_choose(int64_t n, int64_t limit, bool shuffled, int64_t seed, int64_t *count);
#endif
