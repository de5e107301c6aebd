/* What tests ask of an allocator. */
#ifndef TIEBREAK_TRAIN_TEST_ADALORA_H
#define TIEBREAK_TRAIN_TEST_ADALORA_H
#include "train/adalora.h"

/* How many triplets of module m the latest mask keeps. */
static inline int kept_of(const adalora *a, int64_t m)
{
    int64_t first = 0;
    int     kept  = 0;
    for (int64_t k = 0; k < m; k++) first += a->modules[k].rank;
    for (int64_t i = 0; i < a->modules[m].rank; i++) kept += a->kept[first + i];
    return kept;
}
#endif
