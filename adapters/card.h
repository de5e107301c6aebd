/* What a record says of an adapter. It is read from the folder that training, or another program,
 * left. */
#ifndef TIEBREAK_ADAPTERS_CARD_H
#define TIEBREAK_ADAPTERS_CARD_H
#include "core/json.h"
#include "adapters/adapter.h"

/* Makes { "method", "spec", "rank", "alpha", "sites", "seed", "steps", "lr", "batch", "train",
 * "sha256" }: what the opened adapter is, and how the "tiebreak" block of its adapter_config.json
 * says it was trained (null for a folder without the block). */
int adapter_card_read(json **out, const char *dir, const adapter *a);

/* Reads tiebreak.json of a model folder that `full` training wrote: { "base": {"name", "sha256"},
 * "adapter": {...} as above, without sha256 }. Returns copies of both, or NULL for both when the
 * folder is a plain base. */
int full_card_read(json **base, json **adapted, const char *dir);

/* The bytes of a folder's *.safetensors files; 0 for NULL. */
int64_t weights_bytes(const char *dir);
#endif
