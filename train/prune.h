/* The adapter that is left when an allocator is done: ranks that were masked out are gone, s stays what it was. */
#ifndef TIEBREAK_TRAIN_PRUNE_H
#define TIEBREAK_TRAIN_PRUNE_H
#include "train/trainer.h"

/* A new adapter (the caller's) with only the kept triplets of each module, in their order; a module may end at rank 0. */
int prune_adapter(adapter **out, const adapter *a, const adalora *allocator);
#endif
