/* The state of one CUDA handle. Two handles share nothing: each has its own stream, cuBLAS,
 * scratch and errors, on the same device or on another.
 *
 * As CUDA has a current device for each thread, a thread has a current handle: every slot of a
 * backend makes its handle the current one before it does anything (backend.cu), and the code
 * behind it says `cuda->stream`. */
#ifndef TIEBREAK_KERNELS_CUDA_STATE_H
#define TIEBREAK_KERNELS_CUDA_STATE_H
#include <unordered_map>

#include "kernels/backend.h"
#include "kernels/library.h"

#ifdef __CUDACC__
#include <cublas_v2.h>
#include <cuda_runtime.h>
#else
#include "kernels/cuda/emulator/emulate.h"
#endif

/* What cuda_scratch keeps apart. */
typedef enum { SCRATCH_PARTS, SCRATCH_LISTS, SCRATCH_DELTA, SCRATCH_SPLITS, SCRATCH_STAMPS, SCRATCH_COUNT } scratch_use;

struct cuda_memory {
    void   *p;
    int64_t bytes;
};

/* Slots of pinned memory that uploads go through (upload.cu). */
static constexpr int     UPLOAD_SLOTS      = 256; /* more than a training step of a large model sends */
static constexpr int64_t UPLOAD_SLOT_BYTES = 32 << 10;

static constexpr int FACTS_MOST = 20, FACT_LENGTH = 96;

struct captured_graphs {
    backend_graph *forward, *backward; /* NULL: not yet, or no more */
};

struct backend_state {
    int            device;                      /* its number in CUDA */
    int            capability, multiprocessors; /* 90 for compute capability 9.0 */
    int64_t        l2_bytes, shared_most;       /* shared memory of a block, what is static included */
    int            overlaps_launches = -1;      /* -1: not yet asked */
    cudaStream_t   stream;
    cublasHandle_t blas;
    void          *blas_workspace;
    int64_t        launches; /* kernels so far, a call of cuBLAS counted as one */

    /* The first error since the last sync. */
    struct {
        backend_report report;
        bool           failed;
        char           text[1024];
    } errors;

    /* Memory. `held` is what was allocated and not released: cudaFree does not say how large it
     * was. `released` counts what was given back: a graph that was captured before may hold its
     * address. */
    std::unordered_map<void *, int64_t> held;
    int64_t                             held_bytes, peak_bytes, released;
    cuda_memory                         scratch[SCRATCH_COUNT];
    /* Kernels that were allowed more shared memory than needs no asking. */
    struct {
        const void *kernel;
        int64_t     bytes;
    } allowed[64];

    struct {
        char       *pinned; /* [UPLOAD_SLOTS][UPLOAD_SLOT_BYTES] */
        cudaEvent_t copied[UPLOAD_SLOTS];
        bool        used[UPLOAD_SLOTS];
        int         next;
        cuda_memory pageable; /* large lists; and after an error lists that nobody will send */
        void       *list;     /* what cuda_list gave: a slot, or `pageable` */
    } upload;

    struct {
        int64_t     hold = 1 << 17;            /* cycles that the stream is held */
        cudaEvent_t events[2 + BACKEND_MARKS]; /* begin, end, marks */
        int         marks;                     /* since time_begin */
        double      host_begin, clock_hz;
        int64_t     launches; /* since time_begin */
    } timing;

    struct {
        bool    on;
        int64_t launches, released; /* as they were at the beginning */
    } capture;

    /* What the variant `graph` has captured, by the copies of the call it belongs to. */
    std::unordered_map<const void *, captured_graphs> captured;

    device_fact facts[FACTS_MOST + 1];
    char        fact_values[FACTS_MOST][FACT_LENGTH];
    int         n_facts;
    char        about[2][256]; /* of the f32 handle, of the bf16 one */
};

extern thread_local backend_state *cuda; /* the current handle's */
#endif
