/* NF4: weights in four bits with double quantisation, the storage of QLoRA's bases (Dettmers et al.
 * 2023, arXiv 2305.14314), by the rules of bitsandbytes' portable code.
 *
 *   - The array runs on across rows, in blocks of 64; the last may be short. A block's scale is its
 *     largest magnitude, and a weight is the nearest of 16 values, quantiles of a normal
 *     distribution, times that scale; a tie goes to the lower value.
 *   - Weight 2i stands in the high four bits of byte i, weight 2i + 1 in the low ones. Where the
 *     number is odd, the last low bits are 7, the code of 0.
 *   - The scales are stored in eight bits: less their mean, in blocks of 256, each divided by its
 *     largest magnitude, as the nearest of 256 values.
 *   - A weight is one f32 product, code times scale; a scale is two f32 operations, code times the
 *     larger block's scale, plus the mean.
 *
 * That is 0.5 + 1/64 + 4/16384 = 0.516 bytes a weight. */
#ifndef TIEBREAK_KERNELS_NF4_H
#define TIEBREAK_KERNELS_NF4_H
#include <stdint.h>

enum { NF4_BLOCK = 64, NF4_SCALE_BLOCK = 256 };

/* Quantised weights; the arrays are owned. */
typedef struct {
    int64_t  n;      /* weights */
    uint8_t *packed; /* [(n + 1) / 2] */
    uint8_t *scales; /* [nf4_blocks(n)]: codes of the blocks' scales less their mean */
    float   *outer;  /* [(nf4_blocks(n) + 255) / 256]: the scales of those codes */
    float    mean;   /* of the scales */
} nf4;

static inline int64_t nf4_blocks(int64_t n) { return (n + NF4_BLOCK - 1) / NF4_BLOCK; }
static inline int64_t nf4_outer(int64_t n) { return (nf4_blocks(n) + NF4_SCALE_BLOCK - 1) / NF4_SCALE_BLOCK; }
/* Bytes of n weights as they are held. */
static inline int64_t nf4_bytes(int64_t n) { return (n + 1) / 2 + nf4_blocks(n) + 4 * nf4_outer(n) + 4; }

/* w [n] f32, finite, n >= 1. */
void nf4_quantise(nf4 *out, const float *w, int64_t n);
void nf4_free(nf4 *q);

/* to [count] f32 = the weights from .. from + count - 1. */
void nf4_read(float *to, const nf4 *q, int64_t from, int64_t count);

/* The 16 values of a weight's code, and the 256 of a scale's, both ascending. */
extern const float nf4_values[16];
const float       *nf4_scale_values(void);
#endif
