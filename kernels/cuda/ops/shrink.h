/* h = x A^T of one adapter, where several are made from one reading of x. */
#ifndef TIEBREAK_KERNELS_CUDA_OPS_SHRINK_H
#define TIEBREAK_KERNELS_CUDA_OPS_SHRINK_H
#include <stdint.h>

typedef struct {
    const void *A; /* [r, in] of the working type, row stride lda */
    int64_t     lda, r;
    void       *h; /* [n, r] of the working type, row stride ldh */
    int64_t     ldh;
} shrink;
static constexpr int SHRINKS_MOST = 8; /* adapters of one input: q, k, v and company */
#endif
