/* SwiGLU (Shazeer 2020), the definition: y = silu(gate) up, silu(z) = z / (1 + exp(-z)).
 * Contract: kernels/swiglu.h. */
#include <math.h>

#include "kernels/ref.h"

void swiglu_fwd_ref(const backend *be, real *y_, const real *gu_, int64_t n, int64_t d)
{
    for (int64_t t = 0; t < n; t++) {
        const double *gate = (const double *)gu_ + t * 2 * d, *up = gate + d;
        double       *y = (double *)y_ + t * d;
        for (int64_t i = 0; i < d; i++) y[i] = gate[i] / (1 + exp(-gate[i])) * up[i];
    }
}

/* With q = 1 / (1 + exp(-z)): silu'(z) = q (1 + z (1 - q)). */
void swiglu_bwd_ref(const backend *be, real *dgu_, const real *dy_, const real *gu_, int64_t n, int64_t d)
{
    for (int64_t t = 0; t < n; t++) {
        const double *gate = (const double *)gu_ + t * 2 * d, *up = gate + d, *dy = (const double *)dy_ + t * d;
        double       *dgate = (double *)dgu_ + t * 2 * d, *dup = dgate + d;
        for (int64_t i = 0; i < d; i++) {
            double z = gate[i], u = up[i], q = 1 / (1 + exp(-z));
            dgate[i] = dy[i] * u * q * (1 + z * (1 - q));
            dup[i]   = dy[i] * z * q;
        }
    }
}
