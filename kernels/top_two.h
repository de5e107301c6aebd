/* top_two: the two largest of each row of logits [n, vocab], for greedy decoding. top [n] is on
 * the device, vocab >= 1. The same logits give the same bits everywhere. */
#ifndef TIEBREAK_KERNELS_TOP_TWO_H
#define TIEBREAK_KERNELS_TOP_TWO_H
#include <stdbool.h>
#include <stdint.h>

#include "kernels/real.h"

/* best and margin mean nothing where finite is false: not all of the row was. */
typedef struct {
    /* the largest minus the second largest: 0 for a tie, Inf where there is only one */
    double  margin;
    int32_t best; /* the first index of the largest */
    bool    finite;
} top_two;

typedef void top_two_op(const backend *be, top_two *top, const param *logits, int64_t n, int64_t vocab);
#endif
