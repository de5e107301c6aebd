/* The list of ops. The slots of a backend, the declarations of its functions and its table are
 * all made from it, so a new op touches its own files and gets one row here.
 *
 *   OP(x)      touches arrays of the working type: x_ref, x_cpu, x_cuda, x_cuda_bf16
 *   DOOR(x)    the same, and takes strides: every call passes x's door (kernels/door.c) first
 *   PARAM(x)   touches parameters alone, so a GPU needs it once: x_ref, x_cpu, x_cuda
 *   HOST(x)    x_ref and x_cpu alone: a GPU's slot is NULL, and a model that needs it is refused there
 *
 * The signature of x is the function type x_op, in the header that holds its contract. */
#ifndef TIEBREAK_KERNELS_OPS_H
#define TIEBREAK_KERNELS_OPS_H
#include "kernels/activation.h"
#include "kernels/arrays.h"
#include "kernels/attention.h"
#include "kernels/expand.h"
#include "kernels/layernorm.h"
#include "kernels/linear.h"
#include "kernels/pair.h"
#include "kernels/rmsnorm.h"
#include "kernels/rope.h"
#include "kernels/swiglu.h"
#include "kernels/top_two.h"
#include "kernels/xent.h"

#define BACKEND_OPS(DOOR, OP, PARAM, HOST)                                                                             \
    DOOR(linear_fwd)                                                                                                   \
    DOOR(linear_fwd_wide)                                                                                              \
    DOOR(linear_bwd_x)                                                                                                 \
    DOOR(linear_bwd_w)                                                                                                 \
    DOOR(pair_fwd)                                                                                                     \
    DOOR(pair_bwd)                                                                                                     \
    OP(expand_fwd)                                                                                                     \
    PARAM(expand_bwd)                                                                                                  \
    DOOR(rmsnorm_fwd)                                                                                                  \
    DOOR(rmsnorm_bwd)                                                                                                  \
    DOOR(rope)                                                                                                         \
    DOOR(attention_fwd)                                                                                                \
    DOOR(attention_bwd)                                                                                                \
    DOOR(attention_decode)                                                                                             \
    OP(swiglu_fwd)                                                                                                     \
    OP(swiglu_bwd)                                                                                                     \
    PARAM(xent_fwd)                                                                                                    \
    OP(xent_bwd)                                                                                                       \
    PARAM(top_two)                                                                                                     \
    OP(gather_rows)                                                                                                    \
    OP(scatter_rows)                                                                                                   \
    OP(scatter_add_rows)                                                                                               \
    OP(narrow)                                                                                                         \
    PARAM(add)                                                                                                         \
    PARAM(scale)                                                                                                       \
    PARAM(sum_squares)                                                                                                 \
    PARAM(adamw)                                                                                                       \
    HOST(layernorm_fwd)                                                                                                \
    HOST(layernorm_bwd)                                                                                                \
    HOST(activate_fwd)                                                                                                 \
    HOST(activate_bwd)                                                                                                 \
    HOST(blend)                                                                                                        \
    HOST(soft_cap_fwd)                                                                                                 \
    HOST(soft_cap_bwd)
#endif
