/* dh and dB' from one reading of dy, in bf16 on tensor cores (kernels/pair.h: dh = dy B', dB' +=
 * dy^T h).
 *
 * dy [n, out] is the largest array of an adapter's backward, and two products would read it
 * twice. Here a block brings a tile of it into shared memory once and takes both from there.
 * Blocks own rectangles of dy: each writes a part of dh (over its columns) and a part of dB'
 * (over its rows), and a second kernel adds the parts in order: two launches, no atomics, and
 * where dy is cut depends on the shape alone. The idea is LoRAFusion's, which adds with atomics.
 * Not timed on a GPU. */
#ifndef TIEBREAK_KERNELS_CUDA_OPS_PAIR_PASS_H
#define TIEBREAK_KERNELS_CUDA_OPS_PAIR_PASS_H
#include "kernels/cuda/device.h"

/* One of the two results alone is the pair's other skinny product: h = x A'^T and dA' += dh^T x,
 * with x as dy and A' as B, `turned`. */
typedef enum { BOTH, DH_ALONE, DB_ALONE } pass_want;
typedef struct {
    int64_t     n, out, r;
    const bf16 *dy;
    int64_t     ldy;
    const bf16 *B, *h; /* [out, r], [n, r] */
    int64_t     ldb, ldh;
    bf16       *dh; /* [n, r] */
    int64_t     ld_dh;
    bool        add;    /* dh += */
    float      *dB;     /* [out, r] contiguous, += */
    bool        turned; /* B and dB are [r, out] */
    pass_want   want;   /* without dh B is not read, without dB h is not */
} pair_pass;

/* Can it: rows of dy must begin at multiples of 16 bytes. */
bool pair_pass_can(const pair_pass *p);
/* Should it, from shapes, where both are wanted: true where it moves clearly fewer bytes than
 * two products. */
bool pair_pass_pays(int64_t n, int64_t out, int64_t r);
void cuda_pair_pass(const pair_pass *p);
/* Multiply-adds count 2. Bytes of its two launches: of dy, B', h and the parts written; of the
 * parts read, dh and dB'. */
double pair_pass_flops(const pair_pass *p);
void   pair_pass_bytes(const pair_pass *p, double bytes[2]);
#endif
