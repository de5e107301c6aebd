/* Between device.cu, which finds the GPU, and backend.cu, which makes the handle. */
#ifndef TIEBREAK_KERNELS_CUDA_OPEN_H
#define TIEBREAK_KERNELS_CUDA_OPEN_H
#include "kernels/cuda/device.h"
#include "kernels/library.h"

/* A new state on the device of that number, which becomes the current one; NULL with the reason
 * given to report. */
backend_state *cuda_start(backend_report report, int device);
/* Gives back what the current state holds, and the state. */
void cuda_stop(void);
/* Fills the state's facts, for cuda_start. */
void cuda_facts_find(const cudaDeviceProp *device);
#endif
