/* Where a run stands between two steps, in one safetensors file written whole or not at all:
 * values and moments bit for bit, the allocator's importance and masks, and what the run itself
 * has to remember as JSON text ("state", U8).
 *
 *     rc = checkpoint_write(t, state, "run/checkpoint.safetensors");
 *     rc = checkpoint_read(t, &state, "run/checkpoint.safetensors");       // t as trainer_new left it, for the same cell */
#ifndef TIEBREAK_TRAIN_CHECKPOINT_H
#define TIEBREAK_TRAIN_CHECKPOINT_H
#include "core/json.h"
#include "train/trainer.h"

int checkpoint_write(const trainer *t, const json *state, const char *path);
/* *state: the caller's. Sets t->step. ERR_INPUT naming file and tensor when it is broken or does
 * not fit; t is then in no state to train. */
int checkpoint_read(trainer *t, json **state, const char *path);
#endif
