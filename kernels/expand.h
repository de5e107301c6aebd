/* expand: the map from a method's factors to the pair, for a list of (site, layer) jobs, and its transpose.
 *
 *   y = W x + s v * (B R (u * (A x)))   becomes   A' = A,   B' = s diag(v) B R diag(u)          (DESIGN section 1)
 *
 *   forward   Bp [out, r]  = s v_n (B R)_nj u_j
 *   backward  with G = dBp [out, r]:
 *             dB += s diag(v) G diag(u) R^T     dR += s B^T diag(v) G diag(u)
 *             du_j += s sum_n v_n (BR)_nj G_nj  dv_n += s sum_j u_j (BR)_nj G_nj
 *             dA [:, :in] += dAp                (dA NULL where A is frozen, or where dAp is A's gradient itself)
 *
 * u, R, v may be NULL (the constant 1, the identity); A and B never are. B's rows are the first `out` of a taller shared B; B [., r] is contiguous.
 * Gradients that are NULL are not computed. Jobs that share a factor add to the same array in job order: site by site, then layer by layer,
 * so the bits do not depend on threads. r = 0: the job does nothing. */
#ifndef TIEBREAK_KERNELS_EXPAND_H
#define TIEBREAK_KERNELS_EXPAND_H
#include <stdint.h>

#include "kernels/real.h"

typedef struct {
    int64_t     in, out, r, lda; /* lda: row stride of A and dA */
    double      s;
    const real *A, *u, *R, *B, *v;
    real       *Bp;        /* forward: out */
    const real *dAp, *dBp; /* backward: in; dAp [r, in] contiguous */
    real       *dA, *du, *dR, *dB, *dv;
} expand_job;
#endif
