/* For files that are written once for both working types, x_typed.cu: `element` is the type, and
 * TYPED(name) the name of an op or kernel in that build. The Makefile compiles each of them twice,
 * the second time with TIEBREAK_BF16 set; bf16 is made in no other way. Kernels keep C names that
 * say their type: rope_kernel, rope_kernel_bf16.
 *
 * An element is read as a float and assigned a float. In `cond ? x : 0` cast x to float: a bf16
 * beside an int would become an int. */
#ifndef TIEBREAK_KERNELS_CUDA_WORKING_H
#define TIEBREAK_KERNELS_CUDA_WORKING_H
#include "kernels/cuda/device.h"

#ifdef TIEBREAK_BF16
typedef bf16 element;
#define TYPED(name) OF_BF16(name)
#define ELEMENT_DATA_TYPE CUDA_R_16BF
#else
typedef float element;
#define TYPED(name) OF_F32(name)
#define ELEMENT_DATA_TYPE CUDA_R_32F
#endif
#endif
