/* Activations, the definition. Contract and formulas: kernels/activation.h. */
#include "kernels/activation.h"

#include <math.h>

#include "kernels/ref.h"

static const double ROOT_HALF = 0.70710678118654752440, ROOT_2_OVER_PI = 0.79788456080286535588,
                    DENSITY_0 = 0.39894228040143267794, CUBE = 0.044715;

/* f(z) and its derivative. */
static double silu(double z, double *slope)
{
    double q = 1 / (1 + exp(-z));
    *slope   = q * (1 + z * (1 - q));
    return z * q;
}

static double gelu(double z, double *slope)
{
    double phi = 0.5 * erfc(-z * ROOT_HALF);
    *slope     = phi + z * DENSITY_0 * exp(-0.5 * z * z);
    return z * phi;
}

/* (1 + tanh u) / 2 = 1 / (1 + exp(-2 u)) */
static double gelu_tanh(double z, double *slope)
{
    double u = ROOT_2_OVER_PI * (z + CUBE * z * z * z), q = 1 / (1 + exp(-2 * u));
    *slope = q + z * q * (1 - q) * 2 * ROOT_2_OVER_PI * (1 + 3 * CUBE * z * z);
    return z * q;
}

typedef double       scalar(double z, double *slope);
static scalar *const functions[ACT_COUNT] = { [ACT_SILU] = silu, [ACT_GELU] = gelu, [ACT_GELU_TANH] = gelu_tanh };

void activate_fwd_ref(const backend *be, real *y_, const real *x_, activate_dims d)
{
    for (int64_t t = 0; t < d.n; t++) {
        const double *x = (const double *)x_ + t * d.d * (d.gated ? 2 : 1);
        double       *y = (double *)y_ + t * d.d, slope;
        for (int64_t i = 0; i < d.d; i++) y[i] = functions[d.f](x[i], &slope) * (d.gated ? x[d.d + i] : 1);
    }
}

void activate_bwd_ref(const backend *be, real *dx_, const real *dy_, const real *x_, activate_dims d)
{
    for (int64_t t = 0; t < d.n; t++) {
        const int64_t at = t * d.d * (d.gated ? 2 : 1);
        const double *x = (const double *)x_ + at, *dy = (const double *)dy_ + t * d.d;
        double       *dx = (double *)dx_ + at;
        for (int64_t i = 0; i < d.d; i++) {
            double slope, f = functions[d.f](x[i], &slope), up = d.gated ? x[d.d + i] : 1;
            dx[i] = dy[i] * up * slope;
            if (d.gated) dx[d.d + i] = dy[i] * f;
        }
    }
}
