/* Between the emulator's halves. */
#ifndef TIEBREAK_KERNELS_CUDA_EMULATOR_EMULATE_MEMORY_H
#define TIEBREAK_KERNELS_CUDA_EMULATOR_EMULATE_MEMORY_H
#include "kernels/cuda/emulator/emulate.h"

/* Fresh memory that costs nothing until it is touched, in large pages where the system has them:
 * fibers and protection changes are quick then. */
unsigned char *emulate_region(size_t bytes, int protection);

/* For what threads wait for in other ways than at barriers: lets the others run, and stops with
 * this mistake when none of them gets on any more. Whoever lets others get on says so. */
void emulate_pause(const char *mistake);
void emulate_progress(void);
/* The 128 threads of a warpgroup wait for each other; the last to come does something before
 * they go on. */
void emulate_warpgroup(void (*last)(void));
/* The rank of the thread's block in its cluster; the dynamic shared memory of a block of the
 * cluster; a barrier of all threads of the cluster. */
int            emulate_cluster_rank(void);
unsigned char *emulate_shared_of(int rank);
void           emulate_cluster_sync(void);
bool           emulate_backwards(void); /* the launch runs its threads in the opposite order */
/* Nothing may be under way at the end of a block. */
void emulate_hopper_end(void);

/* Device memory can be touched from here on; cudaStreamSynchronize closes it again. */
void emulate_memory_open(void);
void emulate_memory_close(void); /* after a look at every guard band */
/* Whether [p, p + bytes) lies in one array of the device. */
bool emulate_on_device(const void *p, size_t bytes);

/* Puts work on the stream, or into the graph that is captured. */
cudaError_t emulate_enqueue(const std::function<void()> &work);
/* Keeps a launch's error for cudaGetLastError. */
void emulate_launched(cudaError_t e);
/* The stream has done all it was given. False in a capture, which may not wait and is spoiled by
 * it. */
bool emulate_wait(void);
/* What CUDA calls unsafe in a capture: false, and the capture is spoiled, if there is one. */
bool emulate_allowed(void);
#endif
