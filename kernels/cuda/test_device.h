/* What tests of device code share: the device started, or the reason printed and the tests
 * skipped; arrays there and back. One source for the emulator (build/kernels/cuda/x_test, in
 * every test run) and for a GPU (build/cuda-test/x_test, by scripts/gpu-check). */
#ifndef TIEBREAK_KERNELS_CUDA_TEST_DEVICE_H
#define TIEBREAK_KERNELS_CUDA_TEST_DEVICE_H
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

#include "core/test.h"

#include "kernels/cuda/open.h"

static constexpr float GAP = 12416; /* a bf16: between rows, where nothing may be written */
static bool            started;

static inline int no_device(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    return 1;
}

static inline void start_device(void) { started = cuda_start(no_device, 0) != NULL; }

#define need_device()                                                                                                  \
    do {                                                                                                               \
        if (!started) skip_because("no CUDA device can be used");                                                      \
    } while (0)

/* Zeroed; the caller frees. */
template <class T> static T *host_of(int64_t n) { return (T *)calloc((size_t)n + 1, sizeof(T)); }
/* A copy of host[n] on the device; NULL: memory alone. */
template <class T> static T *put(const T *host, int64_t n)
{
    T *p = (T *)cuda_allocate(n * (int64_t)sizeof(T));
    if (host) cuda_put(p, host, n * (int64_t)sizeof(T));
    return p;
}
template <class T> static void get(T *host, const T *from, int64_t n)
{
    CUDA_OK(cudaMemcpyAsync(host, from, (size_t)n * sizeof(T), cudaMemcpyDeviceToHost, cuda->stream));
    CUDA_OK(cudaStreamSynchronize(cuda->stream));
    assert_int_equal(cuda_tell(), 0);
}
template <class T> static T *got(const T *from, int64_t n)
{
    T *host = host_of<T>(n);
    get(host, from, n);
    return host;
}
#endif
