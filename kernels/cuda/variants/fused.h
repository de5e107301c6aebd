/* A linear and the pairs that read its input, or write it, in one product: the tiles of h B'
 * follow those of x W^T through the same ring of shared memory into the same sums (bf16, f32
 * sums; compute capability 9.0).
 *
 *     C [m, n] = A [m, k] B + sum over pairs of h [m, r] E
 *     forward    y  = x W^T + h B'^T    B = W [n, k], TRANSPOSED;  E = B' [n, r]
 *     backward   dx = dy W + dh A'      B = W [k, n], PLAIN;       E = A' [r, n]
 *
 *     fused f = { n, out, in, x, in, W, in, TRANSPOSED, y, out, BY_SHAPE, 1, { { h, r, B, r, r, 0, out } } };
 *     if (!(why = cuda_fused_refuses(&f))) cuda_fused(&f);
 *
 * W is read as it lies and adapters change by pointer. A pair may reach some of C's columns only
 * (q, k, v side by side): its E then has `cols` of them. C's bits do not depend on the GPU. */
#ifndef TIEBREAK_KERNELS_CUDA_VARIANTS_FUSED_H
#define TIEBREAK_KERNELS_CUDA_VARIANTS_FUSED_H
#include "kernels/cuda/gemm.h"

static constexpr int FUSED_PAIRS = 4;

typedef struct {
    const void *h; /* [m, r], row stride ldh */
    int64_t     ldh;
    const void *E;                   /* [cols, r] or [r, cols] as B, row stride lde */
    int64_t     lde, r, first, cols; /* of C: columns [first, first + cols) */
} fused_pair;

/* Blocks that share what they read of B: two, where that is better by the shape; never, to compare
 * with; or wherever there are many tiles. C's bits are the same. */
typedef enum { BY_SHAPE, SINGLE, PAIRED } fused_blocks;

/* Every address and row stride a multiple of 16 bytes, which is 8 elements, and so is `first`; r
 * is any. */
typedef struct {
    int64_t      m, n, k;
    const void  *A;
    int64_t      lda;
    const void  *B;
    int64_t      ldb;
    gemm_layout  b;
    void        *C;
    int64_t      ldc;
    fused_blocks blocks;
    int          count;
    fused_pair   pairs[FUSED_PAIRS];
} fused;

/* NULL, or why this device or these dimensions cannot: words that follow "the variant". Reads
 * neither addresses nor arrays. */
const char *cuda_fused_refuses(const fused *f);
void        cuda_fused(const fused *f);
#endif
