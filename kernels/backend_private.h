/* The tables themselves, for backend.c alone: everyone else asks backend_find. Not const:
 * `threads` follows set_threads. */
#ifndef TIEBREAK_KERNELS_BACKEND_PRIVATE_H
#define TIEBREAK_KERNELS_BACKEND_PRIVATE_H
#include "kernels/backend.h"

extern backend ref_backend, cpu_backend;
void           cpu_backend_start(void); /* thread count from OMP_NUM_THREADS or the machine; once */
#endif
