/* How factors start. Each tensor draws from a stream of its own, so a draw does not depend on what
 * else the adapter has. */
#include <math.h>
#include <stdlib.h>

#include "core/memory.h"
#include "core/rng.h"
#include "adapters/adapter_private.h"

static void draw(double *x, const adapter_tensor *t, const factor_spec *f, rng *r)
{
    int64_t n      = t->rows * t->cols;
    double  fan_in = (double)t->cols, fan_out = (double)t->rows;
    for (int64_t i = 0; i < n; i++) {
        switch (f->init) {
        case INIT_NUMBER: x[i] = f->value; break;
        case INIT_NORMAL: x[i] = f->value * rng_normal(r); break;
        case INIT_KAIMING: x[i] = (2 * rng_uniform(r) - 1) / sqrt(fan_in); break;
        case INIT_XAVIER: x[i] = sqrt(2 / (fan_in + fan_out)) * rng_normal(r); break;
        case INIT_EYE: x[i] = i / t->cols == i % t->cols; break;
        default: x[i] = 0; break; /* INIT_ZERO; draw_vera draws PEFT_VERA */
        }
        x[i] = (double)(float)x[i]; /* so that every backend starts from the same values */
    }
}

/* PEFT's projections (PEFT 0.21.2 on torch's CPU generator): each draw has 24 bits and is uniform
 * in +-sqrt(6 / fan_in), by one fused multiply-add an element. */
static void draw_vera(double *x, const adapter_tensor *t, mt19937 *m)
{
    float high = (float)(sqrt(6.0) / sqrt((double)t->cols)), width = high - -high;
    for (int64_t i = 0; i < t->rows * t->cols; i++)
        x[i] = (double)fmaf((float)(mt19937_u32(m) & 0xFFFFFFu) * 0x1p-24f, width, -high);
}

void adapter_init_values(adapter *a)
{
    mt19937 vera;
    mt19937_seed(&vera, (uint32_t)a->spec.seed);
    for (int64_t i = 0; i < a->n_tensors; i++) {
        /* tensors come factor by factor, A before B, which is the order of PEFT's one stream */
        const adapter_tensor *t = &a->tensors[i];
        const factor_spec    *f = &a->spec.method.factor[t->factor];
        double               *x = mem_alloc((size_t)(t->rows * t->cols), sizeof *x);
        char                  name[TENSOR_NAME_MAX];
        adapter_tensor_name(t, a, name);
        rng r = rng_stream(a->spec.seed, name);
        if (f->init == INIT_PEFT_VERA)
            draw_vera(x, t, &vera);
        else
            draw(x, t, f, &r);
        a->be->params->upload(a->be->params, adapter_values(a, t), x, t->rows * t->cols);
        free(x);
    }
}
