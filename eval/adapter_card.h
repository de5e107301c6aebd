/* What a record says of an adapter: read from the folder that training, or somebody else's, left. */
#ifndef TIEBREAK_EVAL_ADAPTER_CARD_H
#define TIEBREAK_EVAL_ADAPTER_CARD_H
#include "core/json.h"
#include "model/adapter.h"

/* { "method", "spec", "rank", "alpha", "sites", "seed", "steps", "lr", "batch", "train", "sha256" } from adapter_config.json and its "tiebreak"
 * block; for a folder without the block what PEFT's own keys say, null for the rest. */
int adapter_card_read(json **out, const char *dir);

/* A model folder that `full` training wrote holds tiebreak.json: { "base": {"name", "sha256"}, "adapter": {...} as above, without sha256 }. Sets both
 * (the adapter's sha256 added), or leaves both NULL when the folder is a plain base. */
int full_card_read(json **base, json **adapted, const char *dir);

/* Whether any B' holds a number other than zero. */
bool adapter_changes_anything(const adapter *a);

/* Bytes of the *.safetensors files of a folder; 0 for NULL. */
int64_t weights_bytes(const char *dir);
#endif
