/* LayerNorm, the definition. Contract and formulas: kernels/layernorm.h. */
#include "kernels/layernorm.h"

#include <math.h>

#include "kernels/ref.h"

void layernorm_fwd_ref(const backend *be, real *y_, param *stats_, const real *x_, const real *g_, const real *b_,
                       layernorm_dims d, double eps)
{
    double       *stats = (double *)stats_;
    const double *g = (const double *)g_, *b = (const double *)b_;
    for (int64_t t = 0; t < d.n; t++) {
        const double *x    = (const double *)x_ + t * d.d;
        double       *y    = (double *)y_ + t * d.d;
        double        mean = 0, squares = 0;
        for (int64_t i = 0; i < d.d; i++) mean += x[i] / (double)d.d;
        for (int64_t i = 0; i < d.d; i++) squares += (x[i] - mean) * (x[i] - mean);
        double rstd = 1 / sqrt(squares / (double)d.d + eps);
        for (int64_t i = 0; i < d.d; i++) y[i] = (x[i] - mean) * rstd * g[i] + (b ? b[i] : 0);
        if (stats) stats[2 * t] = mean, stats[2 * t + 1] = rstd;
    }
}

void layernorm_bwd_ref(const backend *be, real *dx_, param *dg_, param *db_, const real *dy_, const real *x_,
                       const param *stats_, const real *g_, layernorm_dims d)
{
    double       *dg = (double *)dg_, *db = (double *)db_;
    const double *g = (const double *)g_;
    for (int64_t t = 0; t < d.n; t++) {
        const double *x = (const double *)x_ + t * d.d, *dy = (const double *)dy_ + t * d.d,
                     mean = ((const double *)stats_)[2 * t], rstd = ((const double *)stats_)[2 * t + 1];
        double *dx = (double *)dx_ + t * d.d, w = 0, wh = 0;
        for (int64_t i = 0; i < d.d; i++) {
            w += dy[i] * g[i] / (double)d.d;
            wh += dy[i] * g[i] * (x[i] - mean) * rstd / (double)d.d;
        }
        for (int64_t i = 0; i < d.d; i++) {
            double h = (x[i] - mean) * rstd;
            dx[i] += rstd * (dy[i] * g[i] - w - h * wh);
            if (dg) dg[i] += dy[i] * h;
            if (db) db[i] += dy[i];
        }
    }
}
