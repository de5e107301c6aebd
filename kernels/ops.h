/* The list of ops. The slots of a backend, the declarations of its functions and its table are
 * all made from it, so a new op touches its own files and gets one row here.
 *
 *   OP(x)      touches arrays of the working type: x_ref, x_cpu, x_cuda, x_cuda_bf16
 *   PARAM(x)   touches parameters alone, so a GPU needs it once: x_ref, x_cpu, x_cuda
 *
 * The signature of x is the function type x_op, in the header that holds its contract. */
#ifndef TIEBREAK_KERNELS_OPS_H
#define TIEBREAK_KERNELS_OPS_H
#include "kernels/adapted.h"
#include "kernels/arrays.h"
#include "kernels/attention.h"
#include "kernels/expand.h"
#include "kernels/linear.h"
#include "kernels/pair.h"
#include "kernels/rmsnorm.h"
#include "kernels/rope.h"
#include "kernels/swiglu.h"
#include "kernels/top_two.h"
#include "kernels/xent.h"

#define BACKEND_OPS(OP, PARAM)                                                                                         \
    OP(linear_fwd)                                                                                                     \
    OP(linear_fwd_wide)                                                                                                \
    OP(linear_bwd_x)                                                                                                   \
    OP(linear_bwd_w)                                                                                                   \
    OP(pair_fwd)                                                                                                       \
    OP(pair_bwd)                                                                                                       \
    OP(adapted_fwd)                                                                                                    \
    OP(adapted_bwd)                                                                                                    \
    OP(expand_fwd)                                                                                                     \
    PARAM(expand_bwd)                                                                                                  \
    OP(rmsnorm_fwd)                                                                                                    \
    OP(rmsnorm_bwd)                                                                                                    \
    OP(rope)                                                                                                           \
    OP(attention_fwd)                                                                                                  \
    OP(attention_bwd)                                                                                                  \
    OP(attention_decode)                                                                                               \
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
    PARAM(adamw)
#endif
