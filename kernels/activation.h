/* Activations of an MLP, with or without a gate.
 *
 *   activate_fwd   y [n, d] = f(x)           from x [n, d], or
 *                  y [n, d] = f(gate) up     from x [n, 2 d] = gate | up when gated
 *   activate_bwd   dx, as wide as x, overwritten; it may be x itself
 *
 *   ACT_SILU        z / (1 + exp(-z)); gated it is SwiGLU (kernels/swiglu.h is the op for that)
 *   ACT_GELU        z Phi(z), Phi the normal distribution (Hendrycks & Gimpel 2016)
 *   ACT_GELU_TANH   z (1 + tanh(sqrt(2/pi) (z + 0.044715 z^3))) / 2, their approximation */
#ifndef TIEBREAK_KERNELS_ACTIVATION_H
#define TIEBREAK_KERNELS_ACTIVATION_H
#include <stdbool.h>
#include <stdint.h>

#include "kernels/real.h"

typedef enum { ACT_SILU, ACT_GELU, ACT_GELU_TANH, ACT_COUNT } activation;

typedef struct {
    int64_t    n, d; /* rows, width of y */
    activation f;
    bool       gated;
} activate_dims;

typedef void activate_fwd_op(const backend *be, real *y, const real *x, activate_dims d);
typedef void activate_bwd_op(const backend *be, real *dx, const real *dy, const real *x, activate_dims d);
#endif
