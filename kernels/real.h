/* The two kinds of elements in a backend's arrays.
 *
 *   real   the working type: activations and their gradients, the base's weights, the pairs A'
 *   and B'
 *   param  the parameter type: adapter factors, every gradient of a parameter, optimiser state,
 *   and what bf16 would spoil (statistics of norms and
 *          attention, rotary tables, logits)
 *
 *              ref   cpu   cuda   cuda-bf16
 *   real       f64   f32   f32    bf16
 *   param      f64   f32   f32    f32
 *
 * Sums run in the parameter type or wider; what is stored in the working type is rounded once,
 * to the nearest, ties to even. The types have no size here on purpose, so code above the
 * backend cannot index such arrays; real_at (kernels/backend.h) does. */
#ifndef TIEBREAK_KERNELS_REAL_H
#define TIEBREAK_KERNELS_REAL_H
typedef void real;
typedef void param;
#endif
