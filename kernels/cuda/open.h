/* Between device.cu, which finds the GPU, and backend.cu, whose table the program gets. */
#ifndef TIEBREAK_KERNELS_CUDA_OPEN_H
#define TIEBREAK_KERNELS_CUDA_OPEN_H
#include "kernels/library.h"

/* False with the reason kept for cuda_tell; about gets a line on the device. */
bool cuda_start(backend_report report, char *about, size_t about_size);
#endif
