/* Rotary position embedding (Su et al. 2021) in the rotate-half layout of Llama, the definition.
 * Contract: kernels/rope.h. */
#include "kernels/ref.h"

void rope_ref(const backend *be, real *x_, const int32_t *pos, const param *table_, rope_dims d, bool inverse)
{
    int64_t half = d.head_dim / 2;
    for (int64_t t = 0; t < d.n; t++) {
        const double *c = (const double *)table_ + pos[t] * d.head_dim, *s = c + half;
        for (int64_t h = 0; h < d.heads; h++) {
            double *x = (double *)x_ + t * d.ldx + h * d.ldh;
            for (int64_t i = 0; i < half; i++) {
                double a = x[i], b = x[i + half], sine = inverse ? -s[i] : s[i];
                x[i]        = a * c[i] - b * sine;
                x[i + half] = b * c[i] + a * sine;
            }
        }
    }
}
