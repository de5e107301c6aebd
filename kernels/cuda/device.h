/* What every .cu file here includes: the CUDA runtime, or the emulator in its place, and what
 * the ops share on the host side.
 *
 *     KERNEL add_kernel(float *dst, const float *src, int64_t count) { ... }
 *     LAUNCH(add_kernel, blocks_of(count, THREADS), THREADS, dst, src, count);
 *
 * LAUNCH hides CUDA's call, so the same source compiles as C++ against
 * kernels/cuda/emulator/emulate.h, and tests run its logic on machines without a GPU. A handle has
 * one stream, and everything happens in its order. After an error nothing is launched until sync
 * has reported it: what follows a failed call would only compute nonsense, or hide the first
 * message behind a second one. */
#ifndef TIEBREAK_KERNELS_CUDA_DEVICE_H
#define TIEBREAK_KERNELS_CUDA_DEVICE_H
#include <math.h>

#include "kernels/cuda/state.h"

#ifdef __CUDACC__
#define CUDA_BACKEND_NAME "cuda"
#define UNROLL _Pragma("unroll")
#define ROLLED _Pragma("unroll 1") /* a loop for what is rare stays small */
#else
#define CUDA_BACKEND_NAME "cuda-emulated"
#define UNROLL
#define ROLLED
#endif
#include "kernels/cuda/bf16.h"

/* Through a second macro, so that TYPED names (kernels/cuda/working.h) are expanded before they
 * become text. */
#define TEXT_OF(x) #x
#define LAUNCH_AS(kernel, shape, ...) cuda_launch(TEXT_OF(kernel), __FILE__, __LINE__, shape, kernel, __VA_ARGS__)
#define LAUNCH(kernel, grid, block, ...) LAUNCH_AS(kernel, (launch_shape { grid, block, 0 }), __VA_ARGS__)
/* A block gets `bytes` of shared memory more, which the kernel finds at dynamic_shared(). Up to
 * 99 KiB work on every GPU since sm_80. */
#define LAUNCH_SHARED(kernel, grid, block, bytes, ...)                                                                 \
    LAUNCH_AS(kernel, (launch_shape { grid, block, bytes }), __VA_ARGS__)
/* The same, and where the GPU can (sm_90) it may begin while the launch before it still runs: once
 * each block of that launch has called let_next_begin() or has ended. Every thread has to call
 * wait_for_previous() before it reads what that launch wrote, even if it reads nothing: only then
 * does the next launch see what both wrote. */
#define LAUNCH_BEHIND(kernel, grid, block, bytes, ...)                                                                 \
    LAUNCH_AS(kernel, (launch_shape { grid, block, bytes, true }), __VA_ARGS__)

/* Kernels have C names, so the resource table and profilers show them as they stand here. */
#define KERNEL extern "C" __global__ void

static constexpr int THREADS = 256, WARP = 32; /* of a block, of a warp */

/* True if e is success. Otherwise the message is kept, if it is the first since the last sync:
 * file, line, call, CUDA's words and what to do. */
bool cuda_ok(cudaError_t e, const char *call, const char *file, int line);
bool cuda_blas_ok(cublasStatus_t s, const char *call, const char *file, int line);
bool cuda_failed(void);
#define CUDA_OK(call) cuda_ok((call), #call, __FILE__, __LINE__)
#define BLAS_OK(call) cuda_blas_ok((call), #call, __FILE__, __LINE__)
/* The shape of a launch, as LAUNCH and its relatives make it. */
struct launch_shape {
    dim3    grid, block;
    int64_t shared_bytes;
    bool    behind  = false;
    int     cluster = 1; /* blocks along x that share their shared memory: compute capability 9.0 */
};
/* Lets a kernel have more dynamic shared memory than the 48 KiB that need no asking; asks CUDA
 * once for each kernel and size. */
bool cuda_allow_shared(const void *kernel, int64_t bytes, const char *file, int line);
bool cuda_launch_ok(cudaError_t e, const char *kernel, const char *file, int line);
/* Does the device have programmatic dependent launches, and was the kernel built to wait in
 * them? */
bool cuda_overlaps_launches(const void *kernel);

template <class... P, class... A>
static inline void cuda_launch(const char *name, const char *file, int line, launch_shape s, void (*kernel)(P...),
                               A... args)
{
    if (cuda_failed()) return;
#ifdef __CUDACC__
    if (!cuda_allow_shared((const void *)kernel, s.shared_bytes, file, line)) return;
    cudaLaunchConfig_t config         = {};
    config.gridDim                    = s.grid;
    config.blockDim                   = s.block;
    config.dynamicSmemBytes           = (size_t)s.shared_bytes;
    config.stream                     = cuda->stream;
    cudaLaunchAttribute attributes[2] = {};
    config.attrs                      = attributes;
    if (s.behind && cuda_overlaps_launches((const void *)kernel)) {
        attributes[config.numAttrs].id = cudaLaunchAttributeProgrammaticStreamSerialization;
        attributes[config.numAttrs++].val.programmaticStreamSerializationAllowed = 1;
    }
    if (s.cluster > 1) {
        attributes[config.numAttrs].id               = cudaLaunchAttributeClusterDimension;
        attributes[config.numAttrs++].val.clusterDim = { (unsigned)s.cluster, 1, 1 };
    }
    cuda->launches++;
    cuda_launch_ok(cudaLaunchKernelEx(&config, kernel, args...), name, file, line);
#else
    cuda->launches++;
    emulate_cluster(s.cluster);
    emulate_launch(name, s.grid, s.block, s.shared_bytes, kernel, args...);
    cuda_launch_ok(cudaGetLastError(), name, file, line);
#endif
}

/* A block's dynamic shared memory. CUDA promises 16-byte alignment; the declaration here asks for
 * 1024. */
static __device__ inline unsigned char *dynamic_shared(void)
{
#ifdef __CUDACC__
    extern __shared__ __align__(1024) unsigned char dynamic_shared_bytes[];
    return dynamic_shared_bytes;
#else
    return emulate_dynamic_shared();
#endif
}

/* Programmatic dependent launch (PTX ISA, "griddepcontrol"): the next launch may begin once every
 * block of this one has called the first function or has ended, and it sees what this one wrote
 * after it has called the second. Before sm_90, and on the emulator, a launch begins when the one
 * before it has ended, and both functions do nothing. */
static __device__ inline void let_next_begin(void)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
static __device__ inline void wait_for_previous(void)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

/* Records the message of the first error where the program looks for it (core/error.h); OK if there
 * was none. */
int cuda_tell(void);

/* Device memory that is kept between calls and grown when a call needs more. Its contents are
 * undefined. Each has one use at a time, which the stream orders. */
void *cuda_scratch(scratch_use use, int64_t bytes);
/* cudaMalloc whose error says what was asked for and what was free; NULL after an error. */
void *cuda_allocate(int64_t bytes);
/* cudaFree, counted in `released`; NULL is fine. */
void cuda_release(void *p);
/* Lists that kernels read (jobs, spans) are written into host memory that cuda_list gives, and
 * cuda_send copies them into SCRATCH_LISTS; after that the host memory is not the caller's any
 * more. Neither is possible while a graph is captured, since the graph would read that memory
 * later. */
void       *cuda_list(int64_t bytes);
const char *cuda_send(int64_t bytes);
/* Has read the host's bytes when it returns; the copy itself is asynchronous, by pinned slots
 * (kernels/cuda/upload.cu). */
void cuda_put(void *dst, const void *host, int64_t bytes);

/* Is a graph being captured? cuda_refused also keeps an error that `what` is not possible then. */
bool cuda_capturing(void);
bool cuda_refused(const char *what);

static inline unsigned blocks_of(int64_t count, int64_t per_block)
{
    return (unsigned)((count + per_block - 1) / per_block);
}

void    time_begin_cuda(void);
double  time_end_cuda(void);
double  time_clock_hz_cuda(void);
int64_t time_launches_cuda(void);
void    time_mark_cuda(void);
double  time_between_cuda(int i);

void           graph_begin_cuda(void);
backend_graph *graph_end_cuda(void);
bool           graph_run_cuda(backend_graph *g);
void           graph_free_cuda(backend_graph *g);
int64_t        graph_kernels_cuda(const backend_graph *g);

/* Ops, one file each, written without the handle that the table's entry takes (backend.cu). Those
 * that touch the working type exist twice, named by type. */
#define OF_F32(name) name
#define OF_BF16(name) name##_bf16
template <class OP> struct without_handle;
template <class R, class... P> struct without_handle<R(const backend *, P...)> {
    typedef R type(P...);
};
#define DECLARE_ONE(op) without_handle<op##_op>::type op##_cuda;
#define DECLARE_BOTH(op) without_handle<op##_op>::type op##_cuda, op##_cuda_bf16;
#define DECLARE_NONE(op)
BACKEND_OPS(DECLARE_BOTH, DECLARE_BOTH, DECLARE_ONE, DECLARE_NONE)
#undef DECLARE_NONE
#undef DECLARE_ONE
#undef DECLARE_BOTH
/* kernels/variant.h */
extern const struct adapted_variant adapted_cuda[], adapted_cuda_bf16[];
#endif
