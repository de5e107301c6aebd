/* Ops made of a table's other ops, for tables that have nothing better: what they do is what
 * their parts do, to the bit. */
#ifndef TIEBREAK_KERNELS_ADAPTED_PRIVATE_H
#define TIEBREAK_KERNELS_ADAPTED_PRIVATE_H
#include "kernels/backend.h"

void adapted_fwd_in_parts(const backend *be, real *y, real *h, const real *x, const real *W, const real *bias,
                          const adapted_pair *pairs, int64_t count, linear_dims d, bool accumulate);
void adapted_bwd_in_parts(const backend *be, real *dx, real *dh, const real *dy, const real *x, const real *h,
                          const real *W, const adapted_pair *pairs, int64_t count, linear_dims d);
#endif
