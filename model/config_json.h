/* A config.json's family, shape and plan of layers, for model/config.c. */
#ifndef TIEBREAK_MODEL_CONFIG_JSON_H
#define TIEBREAK_MODEL_CONFIG_JSON_H
#include "core/json.h"
#include "model/config.h"

/* Fills what config.h says of the model itself: all but name, bos and eos. *text: the object that
 * describes the decoder, j itself or its text_config. shape_only: what sets the number of
 * parameters; nothing else is looked at. ERR_INPUT names file, member and value. */
int config_read_model(model_config *c, const json *j, const char *path, bool shape_only, const json **text);
#endif
