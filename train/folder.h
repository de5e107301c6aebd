/* The folder of a training cell and what its files say of it.
 *
 *     cell.json                the cell, from the first moment on: what was asked, as in the record
 *     train_log.jsonl          a line a step
 *     checkpoint.safetensors   where a killed run goes on (train/checkpoint.h); with cell.json gone when the cell is finished
 *     adapter_config.json, adapter_model.safetensors      or, for `full`, a model folder's files and tiebreak.json
 *     record.json              last: a folder that holds it is finished */
#ifndef TIEBREAK_TRAIN_FOLDER_H
#define TIEBREAK_TRAIN_FOLDER_H
#include <stdbool.h>

#include "core/json.h"

typedef enum { FOLDER_NEW, FOLDER_STARTED, FOLDER_FINISHED } folder_state;

/* What `out` holds of the cell `asked`. FINISHED: *record is the caller's. ERR_INPUT when it
 * holds another cell, saying what differs, or files that are not a training cell's; nothing
 * there is touched. */
int folder_look(folder_state *state, json **record, const char *out, const json *asked);
/* Make the folder and write cell.json. */
int folder_begin(const char *out, const json *asked);
/* Hold cell.json for this process until *fd is closed; ERR_FAILED when another process trains
 * there. */
int folder_lock(int *fd, const char *out);
/* Write record.json and remove what only an unfinished cell needs. */
int folder_finish(const char *out, const json *record);
/* "adapter.lr is 0.001 there and 0.002 here", up to three members; empty when equal. */
void cell_difference(const json *there, const json *here, str *out);
#endif
