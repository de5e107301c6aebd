/* Variants of one adapted site, chosen by name and compared: the frozen linear and its pair in
 * one call.
 *
 *     y = x W^T + (x A'^T) B'^T          dx = dy W + (dy B') A'        dA' += (dy B')^T x        dB' += dy^T (x A'^T)
 *
 *     const site_variant *v = site_variant_find(be, "augmented-k");
 *     site_call c = { .n = n, .in = in, .out = out, .W = W, .r = r, .lda = in, .A = A, .B = B, .x = x, .y = y };
 *     c.work = be->alloc_bytes(be, v->work_bytes(v, &c));
 *     v->run(v, SITE_PREPARE, &c);       once; SITE_ADAPT after the adapter changed
 *     v->run(v, SITE_FORWARD, &c);
 *     v->run(v, SITE_RELEASE, &c);
 *
 * All variants compute the same; they differ in the order and layout of their calls, hence in
 * what they read, write and launch, which `cost` tells from the same list of steps that `run`
 * works through. The model uses none of them: what it
 * calls (kernels/adapted.h) is `adapter-first`, with the backward of `one-pass` where the shape
 * speaks for it. */
#ifndef TIEBREAK_KERNELS_VARIANT_H
#define TIEBREAK_KERNELS_VARIANT_H
#include <stdint.h>
#include <string.h>

#include "kernels/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* SITE_ADAPT does of SITE_PREPARE what is needed when the adapter alone changed, as in a
 * training step: where there is room for A' and B' beside W, only they are written; merged
 * weights are made anew. SITE_RELEASE, before work is released, ends what a variant keeps
 * elsewhere. */
typedef enum { SITE_PREPARE, SITE_FORWARD, SITE_BACKWARD, SITE_ADAPT, SITE_RELEASE } site_stage;

/* What A and B of a call are, and what dA and dB are the gradients of.
 *   TAKES_PAIR      A', B' of the working type, as expand makes them: expand's cost comes on
 *   top. u and v are NULL, s is not read
 *   TAKES_FACTORS   the method's A, B, u, v themselves, of the parameter type, and s
 *   TAKES_NARROW    the same in the working type */
typedef enum { TAKES_PAIR, TAKES_FACTORS, TAKES_NARROW } site_takes;

/* Everything on the device and contiguous but for the strides named; x, y, dx, dy, W 16-byte
 * aligned. Gradients are parameters, accumulated; NULL: not wanted. */
typedef struct {
    int64_t     n, in, out, r; /* r >= 1 */
    int64_t     lda;           /* row stride of A, at least in */
    const real *W;             /* [out, in] */
    const void *A, *B, *u, *v; /* [r, in], [out, r], [r] or NULL, [out] or NULL */
    double      s;             /* y = x W^T + s v (B (u (A x))) */
    real       *x, *y;         /* [n, in] with row stride site_ld(v, in, r);  [n, out] */
    real       *dx, *dy;       /* [n, in];  [n, out] with row stride site_ld(v, out, r) */
    param      *dA, *dB;       /* [r, in] contiguous, [out, r] */
    param      *du, *dv;       /* TAKES_PAIR leaves them alone */
    /* work_bytes, 256-byte aligned. Between prepare, forward and backward it stays as they left it */
    void *work;

    /* For variants that begin one op earlier (`producer` below), what their forward makes x
     * from; others never look. g: RMSNorm's gains, and `from` is [n, in]; NULL: SwiGLU, and it
     * is gate | up, [n, 2 in]. rstd [n] or NULL, and eps, as in be->rmsnorm_fwd. */
    const real *from, *g;
    param      *rstd;
    double      eps;

    /* Many adapters in one batch, for variants that say so; all zero: one adapter. What lies
     * stride elements apart belongs to the next adapter; a stride of 0 says that all share it,
     * as a tied adapter's A and B. */
    /* [n] on the device: the adapter of each row, below `adapters`; -1: the base alone. NULL:
     * the first for all */
    const int32_t *which;
    /* [adapters] on the device: each one's first ranks count, at most r; the room of the others
     * may hold anything; NULL: r */
    const int32_t *ranks;
    int64_t        adapters; /* 0: one */
    /* how many of them `which` names: for cost alone, which cannot look. 0: one */
    int64_t distinct;
    int64_t stride_A, stride_B, stride_u, stride_v;
} site_call;

/* launches: calls of a kernel or of cuBLAS, which may launch more than one itself. bytes: what
 * every step must read and write at least, in memory: what stays in cache between two steps
 * counts all the same. */
typedef struct {
    double launches, flops, bytes;
} site_cost;

struct site_plan; /* a backend's own */
typedef struct site_variant {
    const char *name, *about, *needs; /* needs: of layouts, copies or types; "" if nothing */
    site_takes  takes;
    /* 0, or: x and dy have room behind each row for the rank, padded to a multiple of this; the
     * variant writes there */
    int64_t pad;
    /* reads dimensions, and which pointers are NULL */
    int64_t (*work_bytes)(const struct site_variant *v, const site_call *c);
    site_cost (*cost)(const struct site_variant *v, site_stage stage, const site_call *c);
    /* Forward before backward on the same x and work. n = 0 does nothing. Prepare does nothing
     * where there is nothing to prepare. */
    void (*run)(const struct site_variant *v, site_stage stage, const site_call *c);
    void (*plan)(struct site_plan *plan, const struct site_variant *v, site_stage stage, const site_call *c);
    /* Why this call cannot be done on this device ("needs compute capability 9.0"), NULL if it
     * can; a NULL function refuses nothing. Reads dimensions alone. Whoever runs a variant asks
     * first: a call that is refused must not run. */
    const char *(*refuses)(const struct site_variant *v, const site_call *c);
    bool forward_only; /* there is no backward: SITE_BACKWARD does nothing */
    /* knows which, ranks and strides of 0 and more; others are never given any */
    bool many_adapters;
    /* The forward makes x, to the bit as be->rmsnorm_fwd or swiglu_fwd do, and h with it. A
     * backward needs the x of a forward, as all do. What such a variant is measured against is
     * that op and the linear. */
    bool producer;
} site_variant;

/* Row stride of x (width in) and dy (width out): 16 bytes divide it in bf16 where it is padded,
 * as tensor cores want. */
static inline int64_t site_ld(const site_variant *v, int64_t width, int64_t r)
{
    return v->pad ? (width + (r + v->pad - 1) / v->pad * v->pad + 7) / 8 * 8 : width;
}

/* The row of a backend's list (be->site_variants, ended by a row without a name), NULL if there
 * is none. */
static inline const site_variant *site_variant_find(const backend *be, const char *name)
{
    for (const site_variant *v = be->site_variants; v && v->name; v++)
        if (strcmp(v->name, name) == 0) return v;
    return NULL;
}

static inline const char *site_refusal(const site_variant *v, const site_call *c)
{
    return v->refuses ? v->refuses(v, c) : NULL;
}

#ifdef __cplusplus
}
#endif
#endif
