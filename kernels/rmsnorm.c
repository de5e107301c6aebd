/* RMSNorm (Zhang & Sennrich 2019), the definition: y = x rstd g with rstd = 1 / sqrt(mean(x^2) +
 * eps), g the gain with its offset. Contract: kernels/rmsnorm.h.
 *
 * backward, with w = dy g:  dx = rstd (w - x rstd^2 mean(w x))
 *                           dg = sum over rows of dy x rstd */
#include <math.h>

#include "kernels/ref.h"

void rmsnorm_fwd_ref(const backend *be, real *y_, param *rstd_, const real *x_, const real *g_, norm_dims d, double eps)
{
    double       *rstd = (double *)rstd_;
    const double *g    = (const double *)g_;
    for (int64_t t = 0; t < d.n; t++) {
        const double *x   = (const double *)x_ + t * d.ldx;
        double       *y   = (double *)y_ + t * d.ldy;
        double        sum = 0;
        for (int64_t i = 0; i < d.d; i++) sum += x[i] * x[i];
        double s = 1 / sqrt(sum / (double)d.d + eps);
        for (int64_t i = 0; i < d.d; i++) y[i] = x[i] * s * (d.offset + g[i]);
        if (rstd) rstd[t] = s;
    }
}

void rmsnorm_bwd_ref(const backend *be, real *dx_, param *dg_, const real *dy_, const real *x_, const param *rstd_,
                     const real *g_, norm_dims d)
{
    double       *dg   = (double *)dg_;
    const double *rstd = (const double *)rstd_, *g = (const double *)g_;
    for (int64_t t = 0; t < d.n; t++) {
        const double *x = (const double *)x_ + t * d.ldx, *dy = (const double *)dy_ + t * d.ldy;
        double       *dx = (double *)dx_ + t * d.ldx, s = rstd[t], sum = 0;
        for (int64_t i = 0; i < d.d; i++) sum += dy[i] * (d.offset + g[i]) * x[i];
        double c = sum / (double)d.d * s * s;
        for (int64_t i = 0; i < d.d; i++) dx[i] += s * (dy[i] * (d.offset + g[i]) - x[i] * c);
        for (int64_t i = 0; i < d.d && dg; i++) dg[i] += dy[i] * x[i] * s;
    }
}
