/* SwiGLU (Shazeer 2020): y = silu(gate) up, silu(z) = z / (1 + exp(-z)).
 *
 *   swiglu_fwd   y [n, d] from gu [n, 2 d] = gate | up
 *   swiglu_bwd   dgu [n, 2 d] overwritten; it may be gu itself. */
#ifndef TIEBREAK_KERNELS_SWIGLU_H
#define TIEBREAK_KERNELS_SWIGLU_H
#include <stdint.h>

#include "kernels/real.h"

typedef void swiglu_fwd_op(const backend *be, real *y, const real *gu, int64_t n, int64_t d);
typedef void swiglu_bwd_op(const backend *be, real *dgu, const real *dy, const real *gu, int64_t n, int64_t d);
#endif
