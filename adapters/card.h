/* What a record says of an adapter (`adapter` in core/record_fields.def), read from the folder that
 * training or somebody else left. */
#ifndef TIEBREAK_ADAPTERS_CARD_H
#define TIEBREAK_ADAPTERS_CARD_H
#include "core/json.h"
#include "adapters/adapter.h"

/* What an adapter is: its method, spec, rank, alpha and sites. NULL: every weight is trained. The
 * caller's. */
json *adapter_card(const adapter *a);
/* The same, how it was trained as the "tiebreak" block of its adapter_config.json says (nulls for a
 * folder without one), and its hash. *out is the caller's. ERR_INPUT when the block's members are
 * not what a training writes there. */
int adapter_card_read(json **out, const char *dir, const adapter *a);

/* A model folder that `full` training wrote holds tiebreak.json: the base and the adapter of the
 * training's configuration. Copies of both, the caller's, or both NULL when the folder is a plain
 * base. */
int full_card_read(json **base, json **adapted, const char *dir);

/* Writes that file; asked is the training's configuration. */
int full_card_write(const json *asked, const char *dir);

/* Bytes of the *.safetensors files of a folder; 0 for NULL. */
int64_t weights_bytes(const char *dir);
#endif
