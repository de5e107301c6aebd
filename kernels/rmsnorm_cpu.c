/* RMSNorm (Zhang & Sennrich 2019): y = x rstd g with rstd = 1 / sqrt(mean(x^2) + eps). Contract: kernels/backend.h.
 *
 * backward, with w = dy g:  dx = rstd (w - x rstd^2 mean(w x)),  dg = sum over rows of dy x rstd. */
#include <math.h>

#include "kernels/cpu.h"

void rmsnorm_fwd_cpu(real *y_, real *rstd_, const real *x_, const real *g_, norm_dims d, double eps)
{
    float       *rstd = rstd_;
    const float *g    = g_;
    int64_t      ldx = d.ldx ? d.ldx : d.d, ldy = d.ldy ? d.ldy : d.d;
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < d.n; t++) {
        const float *x   = (const float *)x_ + t * ldx;
        float       *y   = (float *)y_ + t * ldy;
        float        sum = 0;
        for (int64_t i = 0; i < d.d; i++) sum += x[i] * x[i];
        float s = 1 / sqrtf(sum / (float)d.d + (float)eps);
        for (int64_t i = 0; i < d.d; i++) y[i] = x[i] * s * g[i];
        if (rstd) rstd[t] = s;
    }
}

void rmsnorm_bwd_cpu(real *dx_, real *dg_, const real *dy_, const real *x_, const real *rstd_, const real *g_, norm_dims d)
{
    float       *dg   = dg_;
    const float *rstd = rstd_, *g = g_;
    int64_t      ldx = d.ldx ? d.ldx : d.d, ldy = d.ldy ? d.ldy : d.d;
    for (int64_t t = 0; t < d.n; t++) {
        const float *x = (const float *)x_ + t * ldx, *dy = (const float *)dy_ + t * ldy;
        float       *dx = (float *)dx_ + t * ldx, s = rstd[t], sum = 0;
        for (int64_t i = 0; i < d.d; i++) sum += dy[i] * g[i] * x[i];
        float c = sum / (float)d.d * s * s;
        for (int64_t i = 0; i < d.d; i++) dx[i] += s * (dy[i] * g[i] - x[i] * c);
        for (int64_t i = 0; i < d.d && dg; i++) dg[i] += dy[i] * x[i] * s;
    }
}
