/* A decoder's weights and their names in a Hugging Face folder as one list, which loading, saving
 * and the layout for training walk. */
#ifndef TIEBREAK_MODEL_MODEL_WEIGHTS_H
#define TIEBREAK_MODEL_MODEL_WEIGHTS_H
#include "model/decoder.h"

enum { WEIGHT_PARTS = 3 };

/* One array of the decoder: 1 to 3 tensors of the files, one below the other (q, k, v; gate, up).
 * cols 0 makes a vector of `rows`. */
typedef struct {
    char    name[WEIGHT_PARTS][64];
    int64_t rows[WEIGHT_PARTS], cols, count; /* count: the elements of all parts */
    int     n;
    real  **slot;
    param **grad_slot; /* both point into the model, whose layers and grads arrays must be there */
} weight_group;

/* The i-th array of the model that m's config describes; false past the end. */
bool weight_group_at(model *m, int64_t i, weight_group *out);

/* A tensor of the files. cols 0 makes a vector. */
typedef struct {
    char    name[64];
    int64_t rows, cols, count;
} weight_tensor;

/* All tensors of a model of this shape, in the order of weight_group_at. The caller frees them. */
weight_tensor *weight_tensors(const model_config *c, int64_t *n);
#endif
