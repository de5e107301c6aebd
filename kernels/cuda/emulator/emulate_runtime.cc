/* The emulator's runtime: device memory in one region of its own, errors, and cuBLAS's product
 * written out. */
#include <map>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "kernels/cuda/emulator/emulate_memory.h"

#include "kernels/cuda/bf16.h"

enum { GUARD = 256, GUARD_BYTE = 0xa5, FRESH_BYTE = 0xff };
static const size_t region_bytes = (size_t)1 << 30;

static struct {
    unsigned char           *base;
    std::map<size_t, size_t> used; /* offset -> bytes, guards left out */
    size_t                   top;  /* no allocation ever reached further */
    size_t                   bytes;
    bool                     open; /* may be touched */
} memory;

static const size_t large_page = (size_t)2 << 20;
static size_t       pages(size_t bytes) { return (bytes + large_page - 1) / large_page * large_page; }

unsigned char *emulate_region(size_t bytes, int protection)
{
    void *p = mmap(NULL, bytes + large_page, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        perror("emulated CUDA: memory");
        abort();
    }
    p = (void *)pages((uintptr_t)p);
    madvise(p, bytes, MADV_HUGEPAGE);
    return (unsigned char *)p;
}

static void make_region(void)
{
    if (!memory.base) memory.base = emulate_region(region_bytes, PROT_NONE);
}
void emulate_memory_open(void)
{
    if (!memory.open) mprotect(memory.base, pages(memory.top), PROT_READ | PROT_WRITE);
    memory.open = true;
}
static void protect(void)
{
    if (memory.open) mprotect(memory.base, pages(memory.top), PROT_NONE);
    memory.open = false;
}

/* The allocation that holds [p, p + bytes), or NULL. */
static const std::pair<const size_t, size_t> *owner(const void *p, size_t bytes)
{
    uintptr_t at = (uintptr_t)p - (uintptr_t)memory.base;
    if (!memory.base || at >= region_bytes) return NULL;
    auto next = memory.used.upper_bound(at);
    if (next == memory.used.begin()) return NULL;
    auto it = std::prev(next);
    return at + bytes <= it->first + it->second ? &*it : NULL;
}

void emulate_check_pointer(const char *kernel, const void *p)
{
    if (!p || owner(p, 0)) return;
    fprintf(stderr, "emulated CUDA: %s: is given %p, which is no device memory\n", kernel, p);
    abort();
}

void emulate_check_device(const void *p, size_t bytes, size_t alignment)
{
    if ((uintptr_t)p % alignment) emulate_stop("an address in device memory is not aligned");
    if (!owner(p, bytes)) emulate_stop("reads what is no device memory");
}

static void check_guards(size_t offset, size_t bytes)
{
    const unsigned char *p = memory.base + offset;
    for (size_t i = 1; i <= GUARD; i++)
        if (p[-(ptrdiff_t)i] != GUARD_BYTE || p[bytes + i - 1] != GUARD_BYTE) {
            fprintf(stderr, "emulated CUDA: an array of %zu bytes was overrun: byte %zu %s it was written\n", bytes,
                    i - 1, p[-(ptrdiff_t)i] != GUARD_BYTE ? "before" : "after");
            abort();
        }
}

cudaError_t cudaMalloc(void **p, size_t bytes)
{
    make_region();
    size_t whole = (bytes + 255) / 256 * 256, offset = GUARD;
    if (!emulate_allowed()) return cudaErrorStreamCaptureUnsupported;
    if (bytes == 0 || whole > region_bytes) return cudaErrorMemoryAllocation;
    for (auto &a : memory.used) { /* first gap that fits */
        if (a.first - GUARD >= offset + whole + GUARD) break;
        offset = a.first + (a.second + 255) / 256 * 256 + 2 * GUARD;
    }
    if (offset + whole + GUARD > region_bytes) return cudaErrorMemoryAllocation;
    memory.used[offset] = bytes;
    memory.bytes += bytes;
    if (offset + whole + GUARD > memory.top) {
        protect();
        memory.top = offset + whole + GUARD;
    }
    emulate_memory_open();
    memset(memory.base + offset - GUARD, GUARD_BYTE, GUARD + whole + GUARD);
    memset(memory.base + offset, FRESH_BYTE, bytes);
    *p = memory.base + offset;
    return cudaSuccess;
}

cudaError_t cudaFree(void *p)
{
    if (!emulate_wait()) return cudaErrorStreamCaptureUnsupported;
    if (!p) return cudaSuccess;
    auto a = owner(p, 0);
    if (!a || memory.base + a->first != p) return cudaErrorInvalidValue;
    emulate_memory_open();
    check_guards(a->first, a->second);
    memory.bytes -= a->second;
    memory.used.erase(a->first);
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *all_bytes)
{
    *all_bytes  = region_bytes;
    *free_bytes = region_bytes - memory.bytes;
    return cudaSuccess;
}

bool emulate_on_device(const void *p, size_t bytes) { return owner(p, bytes) != NULL; }

/* Where a GPU would only now have done its work: the guards of every array. */
void emulate_memory_close(void)
{
    emulate_memory_open();
    for (auto &a : memory.used) check_guards(a.first, a.second);
    protect();
}

int64_t clock64(void)
{
    static int64_t cycles;
    return cycles += 1 << 16;
}
int64_t global_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
int64_t sm_cycles(void) { return global_ns(); }
int64_t sm_number(void) { return 0; }
static const struct {
    const char *name, *text;
} errors[] = {
#define ERROR_TEXT(name, text) { #name, text },
    EMULATED_ERRORS(ERROR_TEXT)
};
const char *cudaGetErrorName(cudaError_t e) { return errors[e].name; }
const char *cudaGetErrorString(cudaError_t e) { return errors[e].text; }
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int)
{
    *p = { "the host, emulated", 9, 0, 4, region_bytes, 1 << 18, EMULATE_SHARED_BYTES };
    return cudaSuccess;
}

const char *cublasGetStatusString(cublasStatus_t s)
{
    return s == CUBLAS_STATUS_SUCCESS         ? "success"
           : s == CUBLAS_STATUS_INVALID_VALUE ? "an invalid argument"
                                              : "the GPU program failed to execute";
}
cublasStatus_t cublasSetWorkspace(cublasHandle_t, void *p, size_t bytes)
{
    return owner(p, bytes) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

/* Column-major: C [m, n] = alpha op(A) op(B) + beta C, with cuBLAS's rules for leading
 * dimensions and its types; beta 0 does not read C. */
template <class IN, class OUT>
static void product(bool at, bool bt, int64_t m, int64_t n, int64_t k, float alpha, const IN *A, int64_t lda,
                    const IN *B, int64_t ldb, float beta, OUT *C, int64_t ldc)
{
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < m; i++) {
            float sum = 0;
            for (int64_t l = 0; l < k; l++)
                sum += (at ? A[i * lda + l] : A[l * lda + i]) * (bt ? B[l * ldb + j] : B[j * ldb + l]);
            C[j * ldc + i] = alpha * sum + (beta != 0 ? beta * C[j * ldc + i] : 0);
        }
}

cublasStatus_t cublasGemmEx_64(cublasHandle_t, cublasOperation_t op_a, cublasOperation_t op_b, int64_t m, int64_t n,
                               int64_t k, const void *alpha_, const void *A, cudaDataType type_a, int64_t lda,
                               const void *B, cudaDataType type_b, int64_t ldb, const void *beta_, void *C,
                               cudaDataType type_c, int64_t ldc, cublasComputeType_t, cublasGemmAlgo_t)
{
    const bool  at = op_a == CUBLAS_OP_T, bt = op_b == CUBLAS_OP_T, wide = type_c == CUDA_R_32F;
    const float alpha = *(const float *)alpha_, beta = *(const float *)beta_;
    if (m < 0 || n < 0 || k < 0 || lda < (at ? k : m) || ldb < (bt ? n : k) || ldc < m)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (type_a != type_b || (type_a == CUDA_R_32F && !wide)) return CUBLAS_STATUS_INVALID_VALUE;
    const auto run = [=] {
        emulate_memory_open();
        for (const void *p : { A, B, (const void *)C }) emulate_check_pointer("cublasGemmEx_64", p);
        if (type_a == CUDA_R_32F)
            product(at, bt, m, n, k, alpha, (const float *)A, lda, (const float *)B, ldb, beta, (float *)C, ldc);
        else if (wide)
            product(at, bt, m, n, k, alpha, (const bf16 *)A, lda, (const bf16 *)B, ldb, beta, (float *)C, ldc);
        else
            product(at, bt, m, n, k, alpha, (const bf16 *)A, lda, (const bf16 *)B, ldb, beta, (bf16 *)C, ldc);
    };
    const cudaError_t e = emulate_enqueue(run, cudaGraphNodeTypeKernel);
    return e == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}
