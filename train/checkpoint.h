/* Where a run stands between two steps, in one safetensors file that is written whole or not at
 * all. It holds values and moments bit for bit, the allocator's importance and masks, and what the
 * run itself has to remember as JSON text ("state", U8).
 *
 *     rc = checkpoint_write(t, state, "run/checkpoint.safetensors");
 *     rc = checkpoint_read(t, &state, "run/checkpoint.safetensors");
 *
 * A checkpoint is read into a trainer of the same cell, as trainer_new left it. */
#ifndef TIEBREAK_TRAIN_CHECKPOINT_H
#define TIEBREAK_TRAIN_CHECKPOINT_H
#include "core/json.h"
#include "train/trainer.h"

int checkpoint_write(const trainer *t, const json *state, const char *path);
/* Fills t, its step too; *state is the caller's. ERR_INPUT naming file and tensor when the file is
 * broken or does not fit; t cannot be trained then. */
int checkpoint_read(trainer *t, json **state, const char *path);
#endif
