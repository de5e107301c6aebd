/* What a folder is that is not what it was taken for, and what to do with it. */
#ifndef TIEBREAK_MODEL_FOLDER_H
#define TIEBREAK_MODEL_FOLDER_H
#include <stdbool.h>

typedef enum { FOLDER_MODEL, FOLDER_ADAPTER } folder_kind;

/* ERR_INPUT about a folder (or a file) that was given as a model or an adapter and cannot be read
 * as one: by the files that it holds it is an adapter, a model, GGUF, MLX, PyTorch's .bin, ...
 * Where no file tells, the message is "path: otherwise". */
int folder_explain(const char *path, folder_kind wanted, const char *otherwise);

/* ERR_INPUT for a folder without config.json, by what it holds, and, where its weights are wanted,
 * for one whose config.json says that they are quantised (GPTQ, AWQ, bitsandbytes, FP8, MLX). */
int folder_check_model(const char *dir, bool weights);

/* What a tensor with this name among a model's weights says of them, and what to do; NULL: nothing
 * known. */
const char *folder_tensor_kind(const char *name);
#endif
