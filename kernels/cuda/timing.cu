/* Time on the device: events around the ops, on a stream that is held back until the host has put everything on it. Without that, kernels that are
 * shorter than a launch would be timed by how fast the host launches them. */
#include <time.h>

#include "kernels/cuda/device.h"

/* Cycles that the stream is held, about a microsecond per two thousand: begun small, doubled when the host was slower, up to some milliseconds. */
static int64_t       hold      = 1 << 17;
static const int64_t hold_most = 1 << 24;
static cudaEvent_t   events[2];
static double        host_begin;

KERNEL hold_kernel(int64_t cycles)
{
    for (int64_t start = clock64(); clock64() - start < cycles;) {
    }
}

static double host_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void time_begin_cuda(void)
{
    for (int i = 0; i < 2 && !events[i]; i++) CUDA_OK(cudaEventCreate(&events[i]));
    if (!cuda_failed()) CUDA_OK(cudaStreamSynchronize(cuda_stream)); /* what came before is not held against this */
    host_begin = host_seconds();
    LAUNCH(hold_kernel, 1, 1, hold);
    if (!cuda_failed()) CUDA_OK(cudaEventRecord(events[0], cuda_stream));
}

double time_end_cuda(void)
{
    float ms = 0;
    if (!cuda_failed()) CUDA_OK(cudaEventRecord(events[1], cuda_stream));
    const double host = host_seconds() - host_begin;
    if (cuda_failed() || !CUDA_OK(cudaEventSynchronize(events[1])) || !CUDA_OK(cudaEventElapsedTime(&ms, events[0], events[1]))) return NAN;
    if (host * 2e9 > (double)hold && hold < hold_most) hold *= 2;
    return 1e-3 * (double)ms;
}
