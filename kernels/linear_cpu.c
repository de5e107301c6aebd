/* linear on the CPU through oneDNN's sgemm. Contracts: kernels/backend.h. */
#include <oneapi/dnnl/dnnl.h>

#include "kernels/cpu.h"

void linear_fwd_cpu(real *y_, const real *x, const real *W, const real *bias_, linear_dims d, bool accumulate)
{
    float       *y    = y_;
    const float *bias = bias_;
    int64_t      ldx = d.ldx ? d.ldx : d.in, ldy = d.ldy ? d.ldy : d.out;
    if (d.n == 0) return;
    dnnl_sgemm('N', 'T', d.n, d.out, d.in, 1.0f, x, ldx, W, d.in, accumulate ? 1.0f : 0.0f, y, ldy);
    if (!bias) return;
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < d.n; t++)
        for (int64_t o = 0; o < d.out; o++) y[t * ldy + o] += bias[o];
}

void linear_bwd_x_cpu(real *dx, const real *dy, const real *W, linear_dims d, bool accumulate)
{
    int64_t ldx = d.ldx ? d.ldx : d.in, ldy = d.ldy ? d.ldy : d.out;
    if (d.n == 0) return;
    dnnl_sgemm('N', 'N', d.n, d.in, d.out, 1.0f, dy, ldy, W, d.in, accumulate ? 1.0f : 0.0f, dx, ldx);
}

void linear_bwd_w_cpu(real *dW, real *dbias_, const real *dy_, const real *x, linear_dims d)
{
    float       *dbias = dbias_;
    const float *dy    = dy_;
    int64_t      ldx = d.ldx ? d.ldx : d.in, ldy = d.ldy ? d.ldy : d.out;
    if (d.n == 0) return;
    if (dW) dnnl_sgemm('T', 'N', d.out, d.in, d.n, 1.0f, dy, ldy, x, ldx, 1.0f, dW, d.in);
    for (int64_t t = 0; t < d.n && dbias; t++)
        for (int64_t o = 0; o < d.out; o++) dbias[o] += dy[t * ldy + o];
}
