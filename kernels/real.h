/* The types that every op's signature names: a backend, and the two kinds of elements in its
 * arrays.
 *
 *   real    the working type: activations and their gradients, the base's weights, the pairs A'
 *           and B'
 *   param   the parameter type: adapter factors, every gradient of a parameter, the optimiser's
 *           state, and what bf16 would spoil (statistics of norms and attention, rotary tables,
 *           logits)
 *
 *              ref   cpu   cuda   cuda-bf16
 *   real       f64   f32   f32    bf16
 *   param      f64   f32   f32    f32
 *
 * Sums run in the parameter type or wider. What is stored in the working type is rounded once,
 * to the nearest, ties to even. The types are incomplete on purpose: code above the backend can
 * neither index such arrays nor pass one kind where the other is asked for. real_at and param_at
 * (kernels/backend.h) give the address of an element; only kernels cast. */
#ifndef TIEBREAK_KERNELS_REAL_H
#define TIEBREAK_KERNELS_REAL_H
typedef struct backend backend;
typedef struct real    real;
typedef struct param   param;
#endif
