#include "model/rotary.h"

#include <math.h>
#include <stdlib.h>

#include "core/memory.h"

static const double PI = 3.14159265358979323846;

int64_t rotary_width(const model_config *c) { return c->rotary_dim ? c->rotary_dim : c->head_dim; }

double yarn_mscale(double factor, double mscale) { return factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1; }

static double llama3_scaled(const rope_config *o, double f)
{
    double wave = 2 * PI / f;
    if (wave < o->original / o->high_freq) return f;
    if (wave > o->original / o->low_freq) return f / o->factor;
    double smooth = (o->original / wave - o->low_freq) / (o->high_freq - o->low_freq);
    return (1 - smooth) * f / o->factor + smooth * f;
}

/* The dimension that turns so many times over the original length. */
static double yarn_dimension(const rope_config *o, double turns, double width)
{
    return width * log(o->original / (turns * 2 * PI)) / (2 * log(o->theta));
}

static double yarn_scaled(const rope_config *o, double f, int64_t i, double width)
{
    double low = yarn_dimension(o, o->beta_fast, width), high = yarn_dimension(o, o->beta_slow, width);
    if (!o->untruncated) low = floor(low), high = ceil(high);
    low = fmax(low, 0), high = fmin(high, width - 1);
    if (low == high) high += 0.001;
    double ramp = fmin(fmax(((double)i - low) / (high - low), 0), 1);
    return f / o->factor * ramp + f * (1 - ramp);
}

void rotary_frequencies(const model_config *c, int rope, int64_t length, double *inv_freq)
{
    const rope_config *o     = &c->rope[rope];
    const double       width = (double)rotary_width(c);
    double             theta = o->theta;
    if (o->scaling == ROPE_DYNAMIC && (double)length > o->original)
        theta *= pow(o->factor * (double)length / o->original - (o->factor - 1), width / (width - 2));
    for (int64_t i = 0; i < rotary_width(c) / 2; i++) {
        double f = pow(theta, -2.0 * (double)i / width);
        switch (o->scaling) {
        case ROPE_LINEAR: f /= o->factor; break;
        case ROPE_YARN: f = yarn_scaled(o, f, i, width); break;
        case ROPE_LLAMA3: f = llama3_scaled(o, f); break;
        case ROPE_LONGROPE: f /= c->longrope[(double)length > o->original][i]; break;
        default: break;
        }
        inv_freq[i] = f;
    }
}

int64_t rotary_same_until(const model_config *c)
{
    const rope_config *o = &c->rope[0];
    return o->scaling == ROPE_DYNAMIC || o->scaling == ROPE_LONGROPE ? (int64_t)o->original : INT64_MAX;
}

int64_t rotary_class(const model_config *c, int64_t length)
{
    const int64_t same = rotary_same_until(c);
    return length <= same ? 0 : c->rope[0].scaling == ROPE_DYNAMIC ? length : same + 1;
}

void rotary_table(const model_config *c, int rope, int64_t length, int64_t positions, double *table)
{
    const int64_t width = rotary_width(c), half = width / 2;
    const double  a = c->rope[rope].attention_factor > 0 ? c->rope[rope].attention_factor : 1;
    double       *f = mem_alloc((size_t)half, sizeof *f);
    rotary_frequencies(c, rope, length, f);
    for (int64_t p = 0; p < positions; p++)
        for (int64_t i = 0; i < half; i++) {
            table[p * width + i]        = a * cos((double)p * f[i]);
            table[p * width + half + i] = a * sin((double)p * f[i]);
        }
    free(f);
}
