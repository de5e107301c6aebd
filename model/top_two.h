/* The two largest of a row of logits, for greedy decoding: which token, how near a tie it was, and whether every logit is finite, in one pass. */
#ifndef TIEBREAK_MODEL_TOP_TWO_H
#define TIEBREAK_MODEL_TOP_TWO_H
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int32_t best;   /* the first index of the largest value */
    double  margin; /* the largest minus the second largest (0 for a tie); Inf when n is 1 */
    bool    finite; /* best and margin mean nothing when false */
} top_two;

top_two top_two_f32(const float *x, int64_t n); /* n >= 1 */
top_two top_two_f64(const double *x, int64_t n);
#endif
