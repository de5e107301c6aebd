/* What the files of the emulator use from each other. */
#ifndef TIEBREAK_KERNELS_CUDA_EMULATOR_EMULATE_MEMORY_H
#define TIEBREAK_KERNELS_CUDA_EMULATOR_EMULATE_MEMORY_H
#include "kernels/cuda/emulator/emulate.h"

/* Fresh memory that costs nothing until it is touched, in large pages where the system has them:
 * fibers and protection changes are quick then. */
unsigned char *emulate_region(size_t bytes, int protection);

/* Lets the other threads run, for a thread that waits for something else than a barrier. Stops
 * with `mistake` when no thread makes progress any more. A thread on whose work others may wait
 * calls emulate_progress. */
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
/* Called when blocks have ended: stops if copies or products are still under way. */
void emulate_hopper_end(void);

/* Device memory can be touched after this, until cudaStreamSynchronize closes it. */
void emulate_memory_open(void);
void emulate_memory_close(void); /* checks every guard band first */
/* Whether [p, p + bytes) lies in one array of the device. */
bool emulate_on_device(const void *p, size_t bytes);

/* Puts work on the stream, or into the graph that is captured. */
cudaError_t emulate_enqueue(const std::function<void()> &work, cudaGraphNodeType type);
/* From now on every call fails, as on a GPU after an illegal access: a process cannot get rid of
 * that error. */
void emulate_lose_device(void);
/* Keeps a launch's error for cudaGetLastError. */
void emulate_launched(cudaError_t e);
/* Runs all that the stream was given. False during a capture, which may not wait and is spoiled
 * by this. */
bool emulate_wait(void);
/* Called by what CUDA forbids during a capture. If there is one, it is spoiled, and this is
 * false. */
bool emulate_allowed(void);
#endif
