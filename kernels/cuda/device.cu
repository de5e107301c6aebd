/* What the CUDA ops share on the host: the stream, the first error, memory kept between calls. */
#include "kernels/cuda/device.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/open.h"

thread_local backend_state *cuda;

/* What NVIDIA recommends for sm_90; the emulator's cuBLAS uses none. */
#ifdef __CUDACC__
static constexpr size_t BLAS_WORKSPACE = 32 << 20;
#else
static constexpr size_t BLAS_WORKSPACE = 256;
#endif

/* What to do after an error. The last row answers for all errors that are not listed. */
static const struct {
    cudaError_t code;
    const char *advice;
} advices[] = {
    { cudaErrorNoDevice,
      "no CUDA device is visible: look at nvidia-smi and CUDA_VISIBLE_DEVICES, or use the device `cpu`" },
    { cudaErrorInsufficientDriver,
      "the NVIDIA driver is absent or older than this CUDA: install a newer driver, or use the device `cpu`" },
    { cudaErrorNoKernelImageForDevice,
      "this GPU's kind was not built for: `make cuda CUDA_ARCH=...` with its architecture" },
    { cudaErrorIllegalAddress,
      "a kernel left its arrays, and this process cannot use the GPU any more: run it again under compute-sanitizer" },
    { cudaErrorMemoryAllocation, "use a smaller batch, rank or model, or a GPU with more memory" },
    { cudaErrorStreamCaptureUnsupported,
      "between graph_begin and graph_end nothing may wait, allocate or read pageable memory: do it before or after" },
    { cudaErrorStreamCaptureInvalidated,
      "something between graph_begin and graph_end is not possible there: see what it was asked to do" },
    { cudaSuccess, "run it again under compute-sanitizer, or use the device `cpu`" },
};

static const char *advice_for(cudaError_t e)
{
    int i = 0;
    while (advices[i].code != cudaSuccess && advices[i].code != e) i++;
    return advices[i].advice;
}

__attribute__((format(printf, 1, 2))) static void keep_first(const char *format, ...)
{
    va_list args;
    if (cuda->errors.failed) return;
    cuda->errors.failed = true;
    va_start(args, format);
    vsnprintf(cuda->errors.text, sizeof cuda->errors.text, format, args);
    va_end(args);
}

bool cuda_ok(cudaError_t e, const char *call, const char *file, int line)
{
    if (e == cudaSuccess) return true;
    keep_first("%s:%d: %s: %s (%s); %s", file, line, call, cudaGetErrorString(e), cudaGetErrorName(e), advice_for(e));
    /* CUDA remembers the error too, and libraries that ask after their own launches would take it
     * for theirs: forget it. */
    cudaGetLastError();
    return false;
}

bool cuda_blas_ok(cublasStatus_t s, const char *call, const char *file, int line)
{
    cuda->launches++;
    if (s != CUBLAS_STATUS_SUCCESS)
        keep_first(
            "%s:%d: %s: %s; this is cuBLAS's word: see that its version is that of the CUDA Toolkit this was built with",
            file, line, call, cublasGetStatusString(s));
    return s == CUBLAS_STATUS_SUCCESS;
}

bool cuda_launch_ok(cudaError_t e, const char *kernel, const char *file, int line)
{
    char call[96];
    if (e == cudaSuccess) return true;
    snprintf(call, sizeof call, "launch of %s", kernel);
    return cuda_ok(e, call, file, line);
}

#ifdef __CUDACC__
bool cuda_allow_shared(const void *kernel, int64_t bytes, const char *file, int line)
{
    auto *allowed = cuda->allowed;
    int   i       = 0;
    /* 48 KiB need no asking; static shared memory may take 8 of them. */
    if (bytes <= 40 << 10) return true;
    while (i < 63 && allowed[i].kernel && allowed[i].kernel != kernel) i++;
    if (allowed[i].kernel == kernel && allowed[i].bytes >= bytes) return true;
    if (!cuda_ok(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes),
                 "shared memory for a kernel", file, line))
        return false;
    /* Table full: kernels that share the last slot ask CUDA at each launch. */
    allowed[i] = { kernel, bytes };
    return true;
}

/* Code built for older GPUs than sm_90 (CUDA_ARCH=...) runs on newer ones too, but has no waits in
 * it. All kernels are built alike, so the first one that asks answers for all. */
bool cuda_overlaps_launches(const void *kernel)
{
    if (cuda->overlaps_launches < 0) {
        cudaFuncAttributes built = {};
        if (!CUDA_OK(cudaFuncGetAttributes(&built, kernel))) return false;
        cuda->overlaps_launches = cuda->capability >= 90 && built.ptxVersion >= 90;
    }
    return cuda->overlaps_launches > 0;
}
#endif

bool cuda_failed(void) { return cuda->errors.failed; }

int cuda_tell(void)
{
    if (!cuda->errors.failed) return 0;
    cuda->errors.failed = false;
    return cuda->errors.report("%s: %s", CUDA_BACKEND_NAME, cuda->errors.text);
}

void cuda_release(void *p)
{
    auto known = cuda->held.find(p);
    if (known != cuda->held.end()) {
        cuda->held_bytes -= known->second;
        cuda->held.erase(known);
    }
    if (!p) return;
    /* cudaFree waits, which ends a capture with an error; this one says whose fault it is. */
    cuda_refused("giving memory back");
    CUDA_OK(cudaFree(p));
    cuda->released++;
}

void *cuda_allocate(int64_t bytes)
{
    void  *p     = NULL;
    size_t free_ = 0, all = 0;
    if (cuda->errors.failed || cuda_refused("an allocation")) return NULL;
    cudaError_t e = cudaMalloc(&p, bytes > 0 ? (size_t)bytes : 1);
    if (e == cudaSuccess) {
        cuda->held[p] = bytes;
        cuda->held_bytes += bytes;
        if (cuda->held_bytes > cuda->peak_bytes) cuda->peak_bytes = cuda->held_bytes;
        return p;
    }
    cudaGetLastError(); /* an allocation that failed leaves the device as it was: forget it */
    cudaMemGetInfo(&free_, &all);
    keep_first("out of memory: %.1f MiB were asked for, %.1f of %.1f MiB are free (%s); %s", (double)bytes / 1048576,
               (double)free_ / 1048576, (double)all / 1048576, cudaGetErrorName(e),
               advice_for(cudaErrorMemoryAllocation));
    return NULL;
}

void *cuda_scratch(scratch_use use, int64_t bytes)
{
    if (cuda->scratch[use].bytes >= bytes) return cuda->scratch[use].p;
    if (cuda->errors.failed || cuda_refused("scratch memory that grows: the same ops have to have run before; and it"))
        return NULL;
    cuda_release(cuda->scratch[use].p);           /* waits for what still uses it */
    cuda->scratch[use].bytes = bytes + bytes / 2; /* sizes that creep up do not allocate each time */
    cuda->scratch[use].p     = cuda_allocate(cuda->scratch[use].bytes);
    if (!cuda->scratch[use].p) cuda->scratch[use].bytes = 0;
    return cuda->scratch[use].p;
}

bool cuda_refused(const char *what)
{
    if (cuda_capturing())
        keep_first("%s is not possible between graph_begin and graph_end: do it before or after", what);
    return cuda_capturing();
}

/* cuBLAS gives bits that do not depend on what ran before: its workspace is its own instead of a
 * pool's, and no sum is coarser than f32 (TF32 stays off). */
static bool start_blas(void)
{
    if (!BLAS_OK(cublasCreate(&cuda->blas)) || !BLAS_OK(cublasSetStream(cuda->blas, cuda->stream))) return false;
    cuda->blas_workspace = cuda_allocate(BLAS_WORKSPACE); /* after the stream, which resets it */
    if (!cuda->blas_workspace || !BLAS_OK(cublasSetWorkspace(cuda->blas, cuda->blas_workspace, BLAS_WORKSPACE)))
        return false;
    return BLAS_OK(cublasSetMathMode(cuda->blas, CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION));
}

/* The device, the stream and cuBLAS. Devices are counted among the visible ones:
 * CUDA_VISIBLE_DEVICES picks them. */
static bool start(int number)
{
    cudaDeviceProp device;
    int            count = 0, driver = 0;
    cudaError_t    found = cudaGetDeviceCount(&count);
    if (found != cudaSuccess) {
        keep_first("no GPU can be used: %s (%s); %s", cudaGetErrorString(found), cudaGetErrorName(found),
                   advice_for(found));
        return false;
    }
    cuda->device = number;
    if (!CUDA_OK(cudaGetDeviceProperties(&device, number))) return false;
    if (device.major < 8) {
        keep_first("%s has compute capability %d.%d; 8.0 or newer is needed (A100, RTX 30, ...). Use the device `cpu`",
                   device.name, device.major, device.minor);
        return false;
    }
    cuda->capability      = 10 * device.major + device.minor;
    cuda->multiprocessors = device.multiProcessorCount;
    cuda->l2_bytes        = device.l2CacheSize;
    cuda->shared_most     = (int64_t)device.sharedMemPerBlockOptin;
    if (!CUDA_OK(cudaSetDevice(number)) || !CUDA_OK(cudaStreamCreateWithFlags(&cuda->stream, cudaStreamNonBlocking)))
        return false;
    if (!start_blas()) return false;
    cudaDriverGetVersion(&driver);
    cuda_facts_find(&device);
    for (int bf16 = 0; bf16 < 2; bf16++)
        snprintf(cuda->about[bf16], sizeof cuda->about[bf16],
                 "%s on %s, compute capability %d.%d, %d multiprocessors, %.1f GiB, driver for CUDA %d.%d",
                 bf16 ? "bf16, parameters and sums in f32," : "f32", device.name, device.major, device.minor,
                 device.multiProcessorCount, (double)device.totalGlobalMem / 1073741824, driver / 1000,
                 driver % 1000 / 10);
    return true;
}

backend_state *cuda_start(backend_report report, int number)
{
    cuda                = new backend_state();
    cuda->errors.report = report;
    if (start(number)) return cuda;
    cuda_tell();
    cuda_stop();
    return NULL;
}

void cuda_stop(void)
{
    if (cuda->stream) cudaStreamSynchronize(cuda->stream);
    for (auto &c : cuda->captured) graph_free_cuda(c.second.forward), graph_free_cuda(c.second.backward);
    for (cuda_memory &s : cuda->scratch) cuda_release(s.p);
    cuda_release(cuda->blas_workspace);
    for (cudaEvent_t e : cuda->upload.copied)
        if (e) cudaEventDestroy(e);
    for (cudaEvent_t e : cuda->timing.events)
        if (e) cudaEventDestroy(e);
    if (cuda->upload.pinned) cudaFreeHost(cuda->upload.pinned);
    free(cuda->upload.pageable.p);
    if (cuda->blas) cublasDestroy(cuda->blas);
    if (cuda->stream) cudaStreamDestroy(cuda->stream);
    cudaGetLastError();
    delete cuda;
    cuda = NULL;
}
