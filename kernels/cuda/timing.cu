/* Time on the device: events around the ops, on a stream that is held back until the host has
 * put everything on it. Without that, kernels that are shorter than a launch would be timed by
 * how fast the host launches them. The device's clock is read over the same stretch and the hold
 * before it, which makes it long enough for a timer that may step by a microsecond. */
#include <time.h>

#include "kernels/cuda/device.h"

/* The hold begins small and is doubled when the host was slower, up to some milliseconds: a
 * microsecond is about two thousand cycles. */
static const int64_t hold_most = 1 << 24;

/* The clock of a fast GPU, as a guess: the device's own is known only afterwards. A guess that is
 * too fast makes the hold longer than needed, which does no harm. */
static const double fast_hz = 3e9;

/* The time on one multiprocessor. Cycles compare only within one multiprocessor, so its number is
 * kept. */
typedef struct {
    int64_t ns, cycles, multiprocessor;
} stamp;

#ifdef __CUDACC__
static __device__ int64_t sm_cycles() { return clock64(); }
static __device__ int64_t global_ns()
{
    int64_t t;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t));
    return t;
}
static __device__ int64_t sm_number()
{
    int n;
    asm volatile("mov.u32 %0, %%smid;" : "=r"(n));
    return n;
}
#endif

KERNEL hold_kernel(int64_t cycles)
{
    for (int64_t start = clock64(); clock64() - start < cycles;) {
    }
}

KERNEL stamp_kernel(stamp *at)
{
    at->ns             = global_ns();
    at->cycles         = sm_cycles();
    at->multiprocessor = sm_number();
}

static stamp *stamps(void) { return (stamp *)cuda_scratch(SCRATCH_STAMPS, 2 * (int64_t)sizeof(stamp)); }

/* The clock is NaN where the two stamps come from different multiprocessors, or where the global
 * timer, which may step by a microsecond, has not moved. */
static void read_clock(void)
{
    stamp s[2];
    cuda->timing.clock_hz = NAN;
    if (cuda_failed() || !CUDA_OK(cudaMemcpyAsync(s, stamps(), sizeof s, cudaMemcpyDeviceToHost, cuda->stream)) ||
        !CUDA_OK(cudaStreamSynchronize(cuda->stream)))
        return;
    if (s[0].multiprocessor == s[1].multiprocessor && s[1].ns > s[0].ns)
        cuda->timing.clock_hz = 1e9 * (double)(s[1].cycles - s[0].cycles) / (double)(s[1].ns - s[0].ns);
}

double  time_clock_hz_cuda(void) { return cuda->timing.clock_hz; }
int64_t time_launches_cuda(void) { return cuda->timing.launches; }

static double host_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void time_begin_cuda(void)
{
    for (int i = 0; i < 2 && !cuda->timing.events[i]; i++) CUDA_OK(cudaEventCreate(&cuda->timing.events[i]));
    /* earlier work does not count */
    if (!cuda_failed()) CUDA_OK(cudaStreamSynchronize(cuda->stream));
    cuda->timing.clock_hz   = NAN;
    cuda->timing.marks      = 0;
    cuda->timing.host_begin = host_seconds();
    LAUNCH(stamp_kernel, 1, 1, stamps());
    LAUNCH(hold_kernel, 1, 1, cuda->timing.hold);
    cuda->timing.launches = cuda->launches;
    if (!cuda_failed()) CUDA_OK(cudaEventRecord(cuda->timing.events[0], cuda->stream));
}

void time_mark_cuda(void)
{
    cudaEvent_t *mark = &cuda->timing.events[2 + cuda->timing.marks++];
    if (!*mark) CUDA_OK(cudaEventCreate(mark));
    if (!cuda_failed()) CUDA_OK(cudaEventRecord(*mark, cuda->stream));
}

double time_between_cuda(int i)
{
    const cudaEvent_t *mark = &cuda->timing.events[2 + i];
    float              ms   = 0;
    return cuda_failed() || !CUDA_OK(cudaEventElapsedTime(&ms, mark[0], mark[1])) ? NAN : 1e-3 * (double)ms;
}

/* Whether the device may have waited for the host. Without marks the host has to be done before the
 * hold ends. With marks it goes on while the device works, and may take that long too. */
static bool host_was_slower(double host, double device)
{
    return (host - (cuda->timing.marks ? device : 0)) * fast_hz > (double)cuda->timing.hold;
}

double time_end_cuda(void)
{
    float ms = 0;
    if (!cuda_failed()) CUDA_OK(cudaEventRecord(cuda->timing.events[1], cuda->stream));
    const double host     = host_seconds() - cuda->timing.host_begin;
    cuda->timing.launches = cuda->launches - cuda->timing.launches;
    LAUNCH(stamp_kernel, 1, 1, stamps() + 1);
    if (cuda_failed() || !CUDA_OK(cudaEventSynchronize(cuda->timing.events[1])) ||
        !CUDA_OK(cudaEventElapsedTime(&ms, cuda->timing.events[0], cuda->timing.events[1])))
        return NAN;
    read_clock();
    if (host_was_slower(host, 1e-3 * (double)ms) && cuda->timing.hold < hold_most) {
        cuda->timing.hold *= 2;
        cuda->timing.clock_hz = 0; /* discard what was timed */
    }
    return 1e-3 * (double)ms;
}
