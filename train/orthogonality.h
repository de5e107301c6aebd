/* AdaLoRA's regulariser as the public code runs it: R is the mean over all A and B of ||A A^T -
 * I||_F and ||B^T B - I||_F. The paper squares the norms; the code does not.
 *
 *     orthogonality *o = orthogonality_new(be, items, n);
 *     double r = orthogonality_add(o, weight);     // and the gradient of weight * R to each g
 *     orthogonality_free(o);
 *
 * The gradient of one norm is 2 (A A^T - I) A / ||A A^T - I||_F, and 0 where the norm is 0. It is
 * written over a backend's ops; only _new allocates. Factors are parameters, so `be` is the table
 * whose working type is theirs, be->params of the model's. */
#ifndef TIEBREAK_TRAIN_ORTHOGONALITY_H
#define TIEBREAK_TRAIN_ORTHOGONALITY_H
#include <stdbool.h>

#include "kernels/backend.h"

/* A factor [rows, cols] and its gradient, contiguous. The rows should become orthonormal (A), or
 * else the columns (B). A factor of rank 0 is left out. */
typedef struct {
    const param *p;
    param       *g;
    int64_t      rows, cols;
    bool         rows_orthonormal;
} orthogonality_item;

typedef struct {
    const backend      *be;
    orthogonality_item *items;
    int64_t             n;
    int64_t             rank_max;
    param              *gram; /* [r, r], room for the largest r */
    /* [rank_max + 1]: -I [r, r] for every rank r that occurs, else NULL */
    param **minus_eye;
} orthogonality;

orthogonality *orthogonality_new(const backend *be, const orthogonality_item *items, int64_t n);
void           orthogonality_free(orthogonality *o); /* NULL is fine */
double         orthogonality_add(orthogonality *o, double weight);
#endif
