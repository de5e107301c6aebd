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

/* With one result alone, x for dy and A' for B, `turned`, this also computes the pair's other
 * products with a rank for a side: h = x A'^T (DH_ALONE) and dA' += dh^T x (DB_ALONE). */
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
    int64_t     zeros;  /* columns of dh behind the r, which become 0 */
} pair_pass;

/* Whether it can: rows of dy must begin at multiples of 16 bytes. */
bool pair_pass_can(const pair_pass *p);
/* Whether it should where both results are wanted: true where, by the shape, it moves clearly fewer
 * bytes than two products. */
bool pair_pass_pays(int64_t n, int64_t out, int64_t r);
void cuda_pair_pass(const pair_pass *p);
/* A multiply-add counts as 2. The bytes are those of its two launches: the first moves dy, B', h
 * and the parts it writes, the second the parts it reads, dh and dB'. */
double pair_pass_flops(const pair_pass *p);
void   pair_pass_bytes(const pair_pass *p, double bytes[2]);
#endif
