/* Between the emulator's halves. */
#ifndef TIEBREAK_KERNELS_CUDA_EMULATE_MEMORY_H
#define TIEBREAK_KERNELS_CUDA_EMULATE_MEMORY_H
#include "kernels/cuda/emulate.h"

/* Fresh memory that costs nothing until it is touched, in large pages where the system has them: fibers and protection changes are quick then. */
unsigned char *emulate_region(size_t bytes, int protection);

/* Device memory can be touched from here on; cudaStreamSynchronize closes it again. */
void emulate_memory_open(void);
#endif
