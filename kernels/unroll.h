/* UNROLL before a loop of constant length: unrolled early enough for an array of vectors to live
 * in registers. */
#ifndef TIEBREAK_KERNELS_UNROLL_H
#define TIEBREAK_KERNELS_UNROLL_H
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define UNROLL _Pragma("GCC unroll 16")
#else
#define UNROLL
#endif
#endif
