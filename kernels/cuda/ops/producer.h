/* The ops that make a linear's input x, RMSNorm and SwiGLU, 16 bytes of a row at a time. Kernels
 * here also make h = x A'^T of its adapters while they hold the row, so that x is not read again
 * for them. Contracts and formulas: kernels/rmsnorm.h, kernels/swiglu.h, kernels/rmsnorm.c,
 * kernels/swiglu.c.
 *
 * x has the bits of rmsnorm_fwd and swiglu_fwd. h is made from the rounded x that is written. Its
 * sums are f32, in an order that does not depend on the number of rows, so a row has the same h in
 * any batch. */
#ifndef TIEBREAK_KERNELS_CUDA_OPS_PRODUCER_H
#define TIEBREAK_KERNELS_CUDA_OPS_PRODUCER_H
#include "kernels/cuda/ops/shrink.h"
#include "kernels/cuda/reduce.h"
#include "kernels/cuda/vector.h"
#include "kernels/cuda/working.h"

static constexpr int      VEC = 16 / sizeof(element);
typedef vec<element, VEC> element_vec;

/* x [n, d.d] with row stride d.ldy, by the op that `source` describes (its `from` has row stride
 * d.ldx), and the h of every entry of the list. In d, 0 is contiguous. */
void TYPED(produce_cuda)(real *x, const adapted_source *source, norm_dims d, const shrink *list, int count);

static __device__ inline float squares_added(float sum, const element_vec &x)
{
    for (int i = 0; i < VEC; i++) sum += x.x[i] * x.x[i];
    return sum;
}
static __device__ inline float rstd_of(float squares, int64_t d, float eps)
{
    return 1 / sqrtf(squares / (float)d + eps);
}

static __device__ inline element_vec normalised(const element_vec &x, float rstd, const element_vec &g,
                                                float offset = 0)
{
    element_vec y = {};
    for (int i = 0; i < VEC; i++) y.x[i] = x.x[i] * rstd * (offset + g.x[i]);
    return y;
}

/* silu(gate) up */
static __device__ inline element_vec gated(const element_vec &gate, const element_vec &up)
{
    element_vec y = {};
    UNROLL
    for (int i = 0; i < VEC; i++) {
        const float z = gate.x[i];
        y.x[i]        = z / (1 + expf(-z)) * up.x[i];
    }
    return y;
}
#endif
