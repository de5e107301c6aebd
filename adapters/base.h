/* Whether an adapter meets the base that it was made on.
 *
 *     int rc = adapter_check_base("runs/lora", m, false); */
#ifndef TIEBREAK_ADAPTERS_BASE_H
#define TIEBREAK_ADAPTERS_BASE_H
#include "model/decoder.h"

/* Compares the folder's base with m. A training of ours left the base's hash in record.json:
 * another one is ERR_INPUT. Where no hash is known, another name in the config than the base's
 * folder or its config.json have is a warning. changed: the caller knows, and neither is said. Does
 * not look at shapes, which adapter_open checks. */
int adapter_check_base(const char *dir, model *m, bool changed);

/* Whether a config's base_model_name_or_path can mean the model in this folder: their last parts
 * are equal, or the folder is a snapshot in Hugging Face's cache, or its config.json says this
 * name. */
bool adapter_base_is_named(const char *name, const char *model_dir);
#endif
