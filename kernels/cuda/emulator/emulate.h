/* As much of CUDA as the .cu files here use, on the host: their logic runs in tests on machines
 * without a GPU. Tests alone load what is built with it (libtiebreak-cuda-emulated.so); it says
 * nothing about speed, and little about a GPU's memory model.
 *
 * The threads of a block are fibers, which switch at barriers and warp exchanges. The emulator is
 * made to expose mistakes:
 *   - Every other launch runs its blocks and threads in the opposite order. In every other pair of
 *     launches a warp runs as far as it can before the next one does. So a race or a missing
 *     barrier gives other bits when the call is repeated.
 *   - Shared memory holds NaN when a block begins, and so does new device memory. Guard bands
 *     around device arrays are checked.
 *   - Device memory cannot be touched between a synchronization and the next launch or copy, so
 *     host code that uses a device pointer as its own stops.
 *   - Pointers given to kernels and copies have to lie in device memory. A barrier that not all
 *     threads reach stops the program with the kernel's name.
 *   - The stream is as late as CUDA allows. Work that is put on it runs when the host waits for
 *     it, or when more than a thousand items wait. Memory that a copy reads is read then, so a
 *     pinned slot that is written again too early shows. */
#ifndef TIEBREAK_KERNELS_CUDA_EMULATOR_EMULATE_H
#define TIEBREAK_KERNELS_CUDA_EMULATOR_EMULATE_H
#include <functional>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define __global__
#define __host__
#define __device__
#define __shared__ static __attribute__((section("emulated_shared")))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(bytes) __attribute__((aligned(bytes)))

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct float2 {
    float x, y;
};
extern dim3 threadIdx, blockIdx, blockDim, gridDim;

void __syncthreads(void);
void __syncwarp(void);
int  __syncthreads_or(int any);
/* The bytes of `value` from the lane whose number differs by the bits of `mask`. All lanes of
 * the warp take part. */
void                 emulate_exchange(void *value, size_t bytes, int mask);
template <class T> T __shfl_xor_sync(unsigned, T value, int mask)
{
    emulate_exchange(&value, sizeof value, mask);
    return value;
}
int emulate_thread_number(void); /* in the block */
/* Every lane shows `bytes` at `value`; all[l] is then what lane l showed, until the caller's
 * next exchange. All 32 lanes have to take part. */
void emulate_gather(const void *value, size_t bytes, const void *all[32]);
/* The value of lane `lane` of one's own `width` lanes, a power of two. */
template <class T> T __shfl_sync(unsigned, T value, int lane, int width = 32)
{
    const void *all[32];
    emulate_gather(&value, sizeof value, all);
    memcpy(&value, all[emulate_thread_number() % 32 / width * width + lane % width], sizeof value);
    return value;
}
/* Stops with the kernel's name. */
[[noreturn]] void emulate_stop(const char *what);
/* Stops unless p is aligned and the bytes lie in the block's shared memory, or in one array on
 * the device. */
void emulate_check_shared(const void *p, size_t bytes, size_t alignment);
void emulate_check_device(const void *p, size_t bytes, size_t alignment);

/* What cp.async does, kernels/cuda/mma.h: the bytes at `to` are NaN from here until a wait has
 * let the copy happen. */
void emulate_copy_begin(void *to, const void *from, size_t bytes);
void emulate_copy_commit(void);
void emulate_copy_wait(size_t groups_left);
void emulate_copy_end_of_thread(void); /* copies still under way are a mistake */

enum { EMULATE_SHARED_BYTES = 227 << 10 }; /* the most a block gets on any GPU so far */
unsigned char *emulate_dynamic_shared(void);
void           emulate_cluster(int blocks); /* of the next launch, along x */
int64_t        clock64(void);               /* grows with every call */
int64_t        sm_cycles(void);             /* a clock of 1 GHz */
int64_t        global_ns(void);
int64_t        sm_number(void);
struct alignas(16) uint4 {
    uint32_t x, y, z, w;
};
template <class T> T min(T a, T b) { return b < a ? b : a; }
template <class T> T max(T a, T b) { return a < b ? b : a; }

/* Stops unless p is NULL or device memory. */
void                    emulate_check_pointer(const char *kernel, const void *p);
template <class T> void emulate_check(const char *, const T &) {}
template <class T> void emulate_check(const char *kernel, T *const &p) { emulate_check_pointer(kernel, p); }

/* check: of the arguments, when the launch is asked for and again when it runs, which in a graph
 * may be after somebody freed them. */
void emulate_run(const char *name, dim3 grid, dim3 block, int64_t shared_bytes, const std::function<void()> &thread,
                 const std::function<void()> &check);
template <class... P, class... A>
void emulate_launch(const char *name, dim3 grid, dim3 block, int64_t shared_bytes, void (*kernel)(P...), A... args)
{
    emulate_run(
        name, grid, block, shared_bytes, [=] { kernel(args...); }, [=] { (emulate_check(name, args), ...); });
}

/* CUDA's errors as far as they are used, and its words for them. */
#define EMULATED_ERRORS(ERROR)                                                                                         \
    ERROR(cudaSuccess, "no error")                                                                                     \
    ERROR(cudaErrorMemoryAllocation, "out of memory")                                                                  \
    ERROR(cudaErrorInvalidValue, "invalid argument")                                                                   \
    ERROR(cudaErrorInsufficientDriver, "the driver is too old")                                                        \
    ERROR(cudaErrorNoDevice, "no device")                                                                              \
    ERROR(cudaErrorNoKernelImageForDevice, "no kernel image for the device")                                           \
    ERROR(cudaErrorIllegalAddress, "an illegal memory access was encountered")                                         \
    ERROR(cudaErrorIllegalState, "the operation cannot be performed in the present state")                             \
    ERROR(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing")                       \
    ERROR(cudaErrorStreamCaptureInvalidated, "operation failed due to a previous error during capture")
#define ERROR_NUMBER(name, text) name,
typedef enum { EMULATED_ERRORS(ERROR_NUMBER) } cudaError_t;
#undef ERROR_NUMBER
typedef enum { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice } cudaMemcpyKind;
typedef struct {
    char   name[64];
    int    major, minor, multiProcessorCount;
    size_t totalGlobalMem;
    int    l2CacheSize;
    size_t sharedMemPerBlockOptin;
} cudaDeviceProp;
typedef int                   *cudaStream_t;
typedef struct emulated_event *cudaEvent_t;
typedef struct emulated_graph *cudaGraph_t;
typedef struct emulated_graph *cudaGraphExec_t;
typedef struct emulated_node  *cudaGraphNode_t;
typedef enum { cudaGraphNodeTypeKernel, cudaGraphNodeTypeMemcpy, cudaGraphNodeTypeMemset } cudaGraphNodeType;
enum { cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2 };
typedef enum {
    cudaStreamCaptureModeGlobal,
    cudaStreamCaptureModeThreadLocal,
    cudaStreamCaptureModeRelaxed
} cudaStreamCaptureMode;

const char *cudaGetErrorName(cudaError_t e);
const char *cudaGetErrorString(cudaError_t e);
cudaError_t cudaGetLastError(void);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int device);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t stream);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *count);
cudaError_t cudaGraphNodeGetType(cudaGraphNode_t node, cudaGraphNodeType *type);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to);
cudaError_t cudaMalloc(void **p, size_t bytes);
cudaError_t cudaFree(void *p);
cudaError_t cudaMallocHost(void **p, size_t bytes);
cudaError_t cudaFreeHost(void *p);
cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *all_bytes);
cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void *dst, int value, size_t bytes, cudaStream_t stream);

/* There is one device, without a bus and without versions. */
template <class STATUS> STATUS emulate_answer(int *to, int value)
{
    *to = value;
    return STATUS();
}
inline cudaError_t cudaGetDeviceCount(int *count) { return emulate_answer<cudaError_t>(count, 1); }
inline cudaError_t cudaDriverGetVersion(int *version) { return emulate_answer<cudaError_t>(version, 0); }
inline cudaError_t cudaRuntimeGetVersion(int *version) { return emulate_answer<cudaError_t>(version, 0); }
inline cudaError_t cudaDeviceGetPCIBusId(char *, int, int) { return cudaErrorInvalidValue; }
inline cudaError_t cudaSetDevice(int) { return cudaSuccess; }
inline cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) { return cudaGraphDestroy(exec); }
inline cudaError_t cudaEventCreate(cudaEvent_t *event) { return cudaEventCreateWithFlags(event, 0); }

typedef enum { CUBLAS_STATUS_SUCCESS, CUBLAS_STATUS_INVALID_VALUE, CUBLAS_STATUS_EXECUTION_FAILED } cublasStatus_t;
typedef enum { CUBLAS_OP_N, CUBLAS_OP_T } cublasOperation_t;
typedef enum { CUBLAS_DEFAULT_MATH, CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION = 16 } cublasMath_t;
typedef enum { CUBLAS_COMPUTE_32F = 68 } cublasComputeType_t;
typedef enum { CUBLAS_GEMM_DEFAULT = -1 } cublasGemmAlgo_t;
typedef enum { CUDA_R_32F = 0, CUDA_R_16BF = 14 } cudaDataType;
typedef int *cublasHandle_t;

const char    *cublasGetStatusString(cublasStatus_t s);
cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void *workspace, size_t bytes);
cublasStatus_t cublasGemmEx_64(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b, int64_t m,
                               int64_t n, int64_t k, const void *alpha, const void *A, cudaDataType type_a, int64_t lda,
                               const void *B, cudaDataType type_b, int64_t ldb, const void *beta, void *C,
                               cudaDataType type_c, int64_t ldc, cublasComputeType_t compute, cublasGemmAlgo_t algo);

inline cublasStatus_t cublasGetVersion(cublasHandle_t, int *v) { return emulate_answer<cublasStatus_t>(v, 0); }
inline cublasStatus_t cublasCreate(cublasHandle_t *) { return CUBLAS_STATUS_SUCCESS; }
inline cublasStatus_t cublasDestroy(cublasHandle_t) { return CUBLAS_STATUS_SUCCESS; }
inline cublasStatus_t cublasSetStream(cublasHandle_t, cudaStream_t) { return CUBLAS_STATUS_SUCCESS; }
inline cublasStatus_t cublasSetMathMode(cublasHandle_t, cublasMath_t) { return CUBLAS_STATUS_SUCCESS; }
#endif
