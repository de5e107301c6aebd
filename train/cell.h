/* What a training cell asks, as records say it (core/record.h). */
#ifndef TIEBREAK_TRAIN_CELL_H
#define TIEBREAK_TRAIN_CELL_H
#include "train/setup.h"

/* { "base", "task", "task_version", "prompt", "data", "adapter": { "method", "spec", "rank",
 * "alpha", "sites", "seed", "steps", "lr", "batch", "train" } }; the caller frees it. rank,
 * alpha, sites and spec are null where the method has none. */
int cell_describe(json **asked, const setup *s);
#endif
