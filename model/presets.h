/* Shapes by name: the published configurations of models that people fine-tune. */
#ifndef TIEBREAK_MODEL_PRESETS_H
#define TIEBREAK_MODEL_PRESETS_H
#include "core/str.h"
#include "model/config.h"

/* The text of a config.json for this name, without model_type's defaults; NULL: there is none. */
const char *preset_json(const char *name);
/* Fills c from the shape of that name; false: there is none. */
bool preset_find(model_config *c, const char *name);
/* Appends all names with commas. */
void preset_names(str *out);
#endif
