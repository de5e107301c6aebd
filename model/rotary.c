#include "model/rotary.h"

#include <math.h>
#include <stdlib.h>

#include "core/memory.h"

static const double PI = 3.14159265358979323846;

static double llama3_scaled(const model_config *c, double f)
{
    double wave = 2 * PI / f;
    if (wave < c->rope_original / c->rope_high_freq) return f;
    if (wave > c->rope_original / c->rope_low_freq) return f / c->rope_factor;
    double smooth = (c->rope_original / wave - c->rope_low_freq) / (c->rope_high_freq - c->rope_low_freq);
    return (1 - smooth) * f / c->rope_factor + smooth * f;
}

void rotary_frequencies(const model_config *c, double *inv_freq)
{
    for (int64_t i = 0; i < c->head_dim / 2; i++) {
        double f    = pow(c->rope_theta, -2.0 * (double)i / (double)c->head_dim);
        inv_freq[i] = c->rope_factor > 0 ? llama3_scaled(c, f) : f;
    }
}

void rotary_table(const model_config *c, int64_t positions, double *table)
{
    int64_t half = c->head_dim / 2;
    double *f    = mem_alloc((size_t)half, sizeof *f);
    rotary_frequencies(c, f);
    for (int64_t p = 0; p < positions; p++)
        for (int64_t i = 0; i < half; i++) {
            table[p * c->head_dim + i]        = cos((double)p * f[i]);
            table[p * c->head_dim + half + i] = sin((double)p * f[i]);
        }
    free(f);
}
