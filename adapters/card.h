/* What a record says of an adapter: read from the folder that training, or somebody else's, left. */
#ifndef TIEBREAK_ADAPTERS_CARD_H
#define TIEBREAK_ADAPTERS_CARD_H
#include "core/json.h"
#include "adapters/adapter.h"

/* { "method", "spec", "rank", "alpha", "sites", "seed", "steps", "lr", "batch", "train",
 * "sha256" }: what the opened adapter is, and how it was trained as the "tiebreak" block of its
 * adapter_config.json says (null for a folder without one). */
int adapter_card_read(json **out, const char *dir, const adapter *a);

/* A model folder that `full` training wrote holds tiebreak.json: { "base": {"name", "sha256"},
 * "adapter": {...} as above, without sha256 }. Copies of both, or both NULL when the folder is a
 * plain base. */
int full_card_read(json **base, json **adapted, const char *dir);

/* Bytes of the *.safetensors files of a folder; 0 for NULL. */
int64_t weights_bytes(const char *dir);
#endif
