/* AdaLoRA's regulariser as the public code runs it: R = mean over all A and B of ||A A^T - I||_F
 * and ||B^T B - I||_F, not squared (the paper squares).
 *
 *     orthogonality *o = orthogonality_new(be, items, n);
 *     double r = orthogonality_add(o, weight);          // R; the gradient of weight * R is added to every item's g
 *     orthogonality_free(o);
 *
 * Gradient of one norm: 2 (A A^T - I) A / ||A A^T - I||_F; 0 where the norm is 0. Written over a
 * backend's ops, no allocation after _new.
 * Factors are parameters: be is the table whose working type is theirs (be->params of the model's). */
#ifndef TIEBREAK_TRAIN_ORTHOGONALITY_H
#define TIEBREAK_TRAIN_ORTHOGONALITY_H
#include <stdbool.h>

#include "kernels/backend.h"

/* A factor [rows, cols] and its gradient, contiguous. rows_orthonormal: A's form (the rows),
 * else B's (the columns). Rank 0 counts as nothing. */
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
