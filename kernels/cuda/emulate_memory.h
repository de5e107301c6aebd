/* Between the emulator's halves: device memory can be touched from open to close, by launches, copies and cuBLAS. */
#ifndef TIEBREAK_KERNELS_CUDA_EMULATE_MEMORY_H
#define TIEBREAK_KERNELS_CUDA_EMULATE_MEMORY_H
#include "kernels/cuda/emulate.h"

void emulate_memory_open(void);
void emulate_memory_close(void);
#endif
