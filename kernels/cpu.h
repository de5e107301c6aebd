/* The fast CPU ops, in f32: reals and params here are floats.
 *
 * Threads own whole rows, heads or blocks of fixed size, so the bits never depend on how many
 * there are. */
#ifndef TIEBREAK_KERNELS_CPU_H
#define TIEBREAK_KERNELS_CPU_H
#include "kernels/backend.h"

#define DECLARE(op) op##_op op##_cpu;
BACKEND_OPS(DECLARE, DECLARE, DECLARE, DECLARE)
#undef DECLARE

/* Up to this many elements of light work, some 10 microseconds, one thread does it alone: waking
 * others costs more. */
enum { CPU_ALONE = 32768 };

/* Threads of the handle, for num_threads(): never OpenMP's own count, which all handles share. */
int cpu_threads(const backend *be);

/* Scratch of the calling OpenMP thread, at least `floats` long, 64-byte aligned. It belongs to the
 * handle and is kept between calls, contents undefined, one use at a time. */
float *cpu_scratch(const backend *be, int64_t floats);

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
#endif
