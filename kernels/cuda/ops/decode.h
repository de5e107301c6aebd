/* Few rows at once, in bf16: a frozen linear and low-rank pairs beside it in two launches, where
 * the base alone is one.
 *
 *     h [n, columns] = x A^T          decode_shrink: cut along k; the next sums its parts in order
 *     y = x W^T + s v (B (u h))       decode_expand: streams W once, begins while the first runs
 *
 * At these sizes a product's time is the time to read W. What comes on top is launches, and bytes
 * of the adapters. So W goes through shared memory by asynchronous copies, several stages ahead.
 * Rows of W are the 16 rows of a tensor core's tile, tokens its 8 columns. The warps of a block
 * share its rows, divide k between them, and add their sums in a fixed order at the end. By then B
 * and v are in shared memory too.
 *
 * Many adapters: row i takes adapter which[i], and a factor of the next adapter lies `stride`
 * elements further. A stride of 0 means that all adapters share the factor, as tied ones do. Where
 * A or B has a stride, rows of one adapter are gathered, 8 at a time. Where neither has, rows are
 * taken as they come, in one dense product, and u and v scale each row. */
#ifndef TIEBREAK_KERNELS_CUDA_OPS_DECODE_H
#define TIEBREAK_KERNELS_CUDA_OPS_DECODE_H
#include "kernels/cuda/device.h"

static constexpr int DECODE_ROWS = 64, DECODE_LIST = 4, DECODE_COLUMNS_STEP = 16;

/* One A, which makes columns `column` .. `column` + r of h, where every A has a multiple of
 * DECODE_COLUMNS_STEP columns. decode_plan sets `column` and `vector`. */
typedef struct {
    const bf16 *A, *u; /* [r, in]; [r] or NULL */
    int64_t     lda, stride_a, stride_u;
    int         r, column;
    int         kept;   /* where its columns begin in h, if that is kept */
    bool        vector; /* 16 bytes of A at a time: all rows aligned */
} decode_down;

/* One B, which adds to columns at .. at + out of y. */
typedef struct {
    const bf16 *B; /* [out, r] */
    int64_t     ldb, stride_b, at, out;
    int         r, down; /* down: the index of the A whose h it reads */
    int         column;  /* where that h begins; set by decode_plan */
    bool        vector;
} decode_up;

typedef struct {
    /* [n, in]; [out, in] contiguous; [out] or NULL; [out] or NULL, of the only B */
    const bf16 *x, *W, *bias, *v;
    /* [n, out]; [n, ldh]: h as it was used, for a backward, or NULL */
    bf16 *y, *h;
    /* decode_sums numbers of scratch: h in k_parts parts [part][n][columns] */
    float *sums;
    /* [n], [adapters] on the device, or NULL (kernels/variant.h) */
    const int32_t *which, *ranks;
    int64_t        in, out, ldx, ldy, ldh, stride_v;
    float          s;
    int            n, adapters, downs, ups;
    bool           accumulate; /* y += */
    bool           wgmma;      /* the second launch is decode_expand_wgmma */
    decode_down    down[DECODE_LIST];
    decode_up      up[DECODE_LIST];
    /* The rest is set by decode_plan. */
    int     columns, k_parts, row_bits, ring; /* a block has 32 << row_bits rows of W */
    int64_t k_part, main_bytes, shared_bytes;
    bool    grouped, vector_x, vector_W, vector_v;
} decode_args;

/* Fills in how the work is cut, which depends on dimensions alone. Gives NULL, or in words why it
 * cannot be done on this GPU. Pointers may be NULL. */
const char *decode_plan(decode_args *a);
/* The part of it that concerns the second launch. groups: the most groups of rows. */
const char *decode_plan_expand(decode_args *a, int64_t groups);
int64_t     decode_sums(const decode_args *a);
void        decode_shrink(const decode_args *a);
void        decode_expand(const decode_args *a);
/* The second launch by WGMMA, where rows are not `grouped`; h is not kept. refuses: NULL, or why
 * this device or these dimensions cannot: words that follow "the variant". After decode_plan, of
 * which it needs neither what is said of the second launch nor that it can be done. */
const char *decode_expand_wgmma_refuses(const decode_args *a);
void        decode_expand_wgmma(const decode_args *a);
/* What engines for many adapters do instead of the second: y [n, out], which holds the base, +=
 * s (B h), as a launch of its own. */
void decode_gather_expand(const decode_args *a);
#endif
