/* SwiGLU (Shazeer 2020): y = silu(gate) up, silu(z) = z / (1 + expf(-z)). Contract: kernels/backend.h. */
#include <math.h>

#include "kernels/cpu.h"

void swiglu_fwd_cpu(real *y_, const real *gu_, int64_t n, int64_t d)
{
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < n; t++) {
        const float *gate = (const float *)gu_ + t * 2 * d, *up = gate + d;
        float       *y = (float *)y_ + t * d;
        for (int64_t i = 0; i < d; i++) y[i] = gate[i] / (1 + expf(-gate[i])) * up[i];
    }
}

/* With q = 1 / (1 + expf(-z)): silu'(z) = q (1 + z (1 - q)). */
void swiglu_bwd_cpu(real *dgu_, const real *dy_, const real *gu_, int64_t n, int64_t d)
{
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < n; t++) {
        const float *gate = (const float *)gu_ + t * 2 * d, *up = gate + d, *dy = (const float *)dy_ + t * d;
        float       *dgate = (float *)dgu_ + t * 2 * d, *dup = dgate + d;
        for (int64_t i = 0; i < d; i++) {
            float z = gate[i], u = up[i], q = 1 / (1 + expf(-z));
            dgate[i] = dy[i] * u * q * (1 + z * (1 - q));
            dup[i]   = dy[i] * z * q;
        }
    }
}
