/* Between device.cu, which finds the GPU, and backend.cu, whose table the program gets. */
#ifndef TIEBREAK_KERNELS_CUDA_OPEN_H
#define TIEBREAK_KERNELS_CUDA_OPEN_H
#include "kernels/cuda/device.h"
#include "kernels/library.h"

/* False with the reason kept for cuda_tell; about gets a line on the device. */
bool cuda_start(backend_report report, char *about, size_t about_size);
/* What it says of itself, a list that a row without a name ends: filled by cuda_facts_find,
 * which cuda_start calls. */
extern device_fact cuda_facts[];
void               cuda_facts_find(const cudaDeviceProp *device);
#endif
