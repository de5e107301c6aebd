/* What is asked of a training: its configuration, as records hold it (core/record_fields.def). */
#ifndef TIEBREAK_TRAIN_CELL_H
#define TIEBREAK_TRAIN_CELL_H
#include "train/setup.h"

/* *asked is the caller's. ERR_INPUT when the adapter it goes on from cannot be read. */
int train_asked(json **asked, const setup *s);
#endif
