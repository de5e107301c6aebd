/* expand: the map from a method's factors to the pair, for a list of (site, layer) jobs, and its
 * transpose.
 *
 *   y = W x + s v * (B R (u * (A x)))   becomes   A' = A,   B' = s diag(v) B R diag(u)
 *
 *   forward   Bp [out, r]  = s v_n (B R)_nj u_j,   Ap [r, lda] = A  (or NULL)
 *   backward  with G = dBp [out, r]:
 *             dB += s diag(v) G diag(u) R^T     dR += s B^T diag(v) G diag(u)
 *             du_j += s sum_n v_n (BR)_nj G_nj  dv_n += s sum_j u_j (BR)_nj G_nj
 *             dA [:, :in] += dAp                dA is NULL where A is frozen or dAp is its gradient
 *
 * Factors and gradients are parameters; B' and A' are of the working type. Where both types are
 * one, A' is A itself and Ap is NULL. Otherwise Ap receives the rounded A, all r rows with A's own
 * stride; of the jobs that share an A only one has an Ap, so it is made once. u, R and v may be
 * NULL (the constant 1, the identity). A and B are never NULL, and A is read only where Ap is
 * made. B's rows are the first `out` of a taller shared B; B [., r] is contiguous. Gradients that
 * are NULL are not computed. Jobs that share a factor add to the same array in job order, site by
 * site and then layer by layer, so the bits do not depend on threads. A job of rank 0 does
 * nothing.
 *
 * Training computes the gradients of the factors here and nowhere else; the variant `eager`
 * (kernels/cuda/variants/eager.cu) makes them itself, for benchmarks and tests. */
#ifndef TIEBREAK_KERNELS_EXPAND_H
#define TIEBREAK_KERNELS_EXPAND_H
#include <stdint.h>

#include "kernels/real.h"

typedef struct {
    int64_t      layer, site;     /* whose job it is, for those who made the list */
    int64_t      in, out, r, lda; /* lda: row stride of A and dA */
    double       s;
    const param *A, *u, *R, *B, *v;
    real        *Ap, *Bp;   /* forward: out */
    const param *dAp, *dBp; /* backward: in; dAp [r, in] contiguous */
    param       *dA, *du, *dR, *dB, *dv;
} expand_job;

typedef void expand_fwd_op(const backend *be, const expand_job *jobs, int64_t count);
typedef void expand_bwd_op(const backend *be, const expand_job *jobs, int64_t count);

/* Floors of one job; bytes are every array read or written once (accumulated: twice). The
 * backward counts the gradients the job asks for. */
static inline double expand_fwd_flops(const expand_job *e)
{
    double elements = (double)e->out * (double)e->r;
    return elements * (e->R ? 2.0 * (double)e->r : 0) + elements * (1 + (e->u ? 1 : 0)) +
           (double)e->out * (e->v ? 1 : 0);
}
static inline double expand_fwd_bytes(const expand_job *e, double elem)
{
    double out = (double)e->out, r = (double)e->r;
    double A = e->Ap ? 1.5 * r * (double)e->lda : 0; /* written in half of elem */
    return elem * (2 * out * r + A + (e->R ? r * r : 0) + (e->u ? r : 0) + (e->v ? out : 0));
}
static inline double expand_bwd_flops(const expand_job *e)
{
    double elements = (double)e->out * (double)e->r, per = 0;
    if (e->dB) per += e->R ? 2.0 * (double)e->r + 2 : 3;
    if (e->dR) per += 2.0 * (double)e->r + 2;
    if (e->du || e->dv) per += (e->R ? 2.0 * (double)e->r : 0) + 2 + (e->du ? 2 : 0) + (e->dv ? 2 : 0);
    return elements * per + (e->dA ? (double)e->r * (double)e->in : 0);
}
static inline double expand_bwd_bytes(const expand_job *e, double elem)
{
    double out = (double)e->out, r = (double)e->r, in = (double)e->in;
    /* G, B, dB */
    double bytes = out * r * (1 + (e->dR || e->du || e->dv ? 1 : 0) + (e->dB ? 2 : 0));
    bytes += r * r * ((e->R ? 1 : 0) + (e->dR ? 2 : 0)) + r * ((e->u ? 1 : 0) + (e->du ? 2 : 0)) +
             out * ((e->v ? 1 : 0) + (e->dv ? 2 : 0));
    return elem * (bytes + (e->dA ? 3 * r * in : 0));
}
#endif
