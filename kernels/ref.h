/* The reference: every op in plain C and f64, sums in natural order. It defines what the ops
 * mean. Reals and params here are doubles. */
#ifndef TIEBREAK_KERNELS_REF_H
#define TIEBREAK_KERNELS_REF_H
#include "kernels/backend.h"

#define DECLARE(op) op##_op op##_ref;
BACKEND_OPS(DECLARE, DECLARE, DECLARE, DECLARE)
#undef DECLARE
#endif
