/* pair on the CPU through oneDNN's sgemm. Contract: kernels/pair.h. */
#include <oneapi/dnnl/dnnl.h>

#include "kernels/cpu.h"

void pair_fwd_cpu(real *y, real *h, const real *x, const pair_arrays *p, pair_dims d)
{
    int64_t ldx = d.ldx ? d.ldx : d.in, ldy = d.ldy ? d.ldy : d.out, r = p->r;
    if (r == 0 || d.n == 0) return;
    dnnl_sgemm('N', 'T', d.n, r, d.in, 1.0f, x, ldx, p->A, p->lda, 0.0f, h, r);
    dnnl_sgemm('N', 'T', d.n, d.out, r, 1.0f, h, r, p->B, p->ldb, 1.0f, y, ldy);
}

void pair_bwd_cpu(real *dx, real *dA, real *dB, real *dh, const real *dy, const real *x, const real *h, const pair_arrays *p, pair_dims d)
{
    int64_t ldx = d.ldx ? d.ldx : d.in, ldy = d.ldy ? d.ldy : d.out, r = p->r;
    if (r == 0 || d.n == 0) return;
    if (dB) dnnl_sgemm('T', 'N', d.out, r, d.n, 1.0f, dy, ldy, h, r, 1.0f, dB, r);
    dnnl_sgemm('N', 'N', d.n, r, d.out, 1.0f, dy, ldy, p->B, p->ldb, 0.0f, dh, r);
    if (dA) dnnl_sgemm('T', 'N', r, d.in, d.n, 1.0f, dh, r, x, ldx, 1.0f, dA, d.in);
    if (dx) dnnl_sgemm('N', 'N', d.n, d.in, r, 1.0f, dh, r, p->A, p->lda, 1.0f, dx, ldx);
}
