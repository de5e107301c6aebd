/* A decoder's weights and their names in a Hugging Face folder as one list, which loading, saving
 * and the layout for training walk. */
#ifndef TIEBREAK_MODEL_MODEL_WEIGHTS_H
#define TIEBREAK_MODEL_MODEL_WEIGHTS_H
#include "model/decoder.h"
#include "model/names.h"

/* One array of the decoder: 1 to 3 tensors of the files, one below the other (q, k, v; gate, up).
 * cols 0 makes a vector of `rows`. */
typedef struct {
    char          name[WEIGHT_PARTS][WEIGHT_NAME];
    int64_t       rows[WEIGHT_PARTS], cols, count; /* of the decoder; count: the elements of all parts */
    int           n;
    weight_layout layout; /* of each part in its file */
    bool          gain;   /* of a norm */
    bool          out;    /* a matrix that writes to the residual stream */
    real        **slot;
    param       **grad_slot; /* both point into the model, whose layers and grads arrays must be there */
} weight_group;

/* The i-th array of the model that m's config describes; false past the end. */
bool weight_group_at(model *m, int64_t i, weight_group *out);

/* Elements of all arrays of a model of this shape. */
int64_t weight_count(const model_config *c);

/* A tensor of the files. cols 0 makes a vector. */
typedef struct {
    char    name[WEIGHT_NAME];
    int64_t rows, cols, count;
    bool    gain, out; /* as in weight_group */
} weight_tensor;

/* All tensors of a model of this shape, in the order of weight_group_at. The caller frees them. */
weight_tensor *weight_tensors(const model_config *c, int64_t *n);

/* A matrix of the decoder [rows, cols] (cols 0: a vector) from what its file holds, or the
 * other way (to_file), both whole; not in place. */
void weight_arrange(const model_config *c, weight_layout layout, double *to, const double *from, int64_t rows,
                    int64_t cols, bool to_file);
#endif
