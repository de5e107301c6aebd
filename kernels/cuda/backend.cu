/* The handles of the CUDA backend, one for each working type, their memory, and the door through
 * which the program gets them (kernels/library.h). */
#include <stdio.h>

#include "kernels/cuda/device.h"
#include "kernels/cuda/open.h"

/* Values that are converted at a time between the host's type and the device's. */
static constexpr int CHUNK = 1 << 16;

/* From an error until sync reports it, allocations return this address, which no kernel sees;
 * copies do nothing, and what is read back is NaN. */
static char nowhere[1];

static void *alloc_bytes(int64_t bytes)
{
    void *p = cuda_allocate(bytes);
    if (!p) return nowhere;
    CUDA_OK(cudaMemsetAsync(p, 0, (size_t)bytes, cuda->stream));
    return p;
}

static void release(void *p)
{
    if (p != nowhere) cuda_release(p);
}

static bool fetch(void *host, const void *src, int64_t bytes)
{
    return bytes == 0 || (!cuda_failed() && !cuda_refused("a copy to the host") &&
                          CUDA_OK(cudaMemcpyAsync(host, src, (size_t)bytes, cudaMemcpyDeviceToHost, cuda->stream)) &&
                          CUDA_OK(cudaStreamSynchronize(cuda->stream)));
}

static void get(void *host, const void *src, int64_t bytes)
{
    /* NaN in f32 and f64, -1 in integers */
    if (!fetch(host, src, bytes)) memset(host, 0xff, (size_t)bytes);
}

/* From f64 or f32 on the host: rounded to f32, then to E. */
template <class E, class FROM> static void upload_of(void *dst, const FROM *host, int64_t count)
{
    static thread_local E chunk[CHUNK];
    for (int64_t at = 0, n; at < count; at += n) {
        n = count - at < CHUNK ? count - at : CHUNK;
        for (int64_t i = 0; i < n; i++) chunk[i] = (float)host[at + i];
        cuda_put((E *)dst + at, chunk, n * (int64_t)sizeof(E));
    }
}

template <class E> static void download_of(double *host, const void *src, int64_t count)
{
    static thread_local E chunk[CHUNK];
    for (int64_t at = 0, n; at < count; at += n) {
        n = count - at < CHUNK ? count - at : CHUNK;
        get(chunk, (const E *)src + at, n * (int64_t)sizeof(E));
        for (int64_t i = 0; i < n; i++) host[at + i] = (float)chunk[i];
    }
}

static void copy_bytes(void *dst, const void *src, int64_t bytes)
{
    if (bytes > 0 && !cuda_failed())
        CUDA_OK(cudaMemcpyAsync(dst, src, (size_t)bytes, cudaMemcpyDeviceToDevice, cuda->stream));
}

static void zero_bytes(void *dst, int64_t bytes)
{
    if (bytes > 0 && !cuda_failed()) CUDA_OK(cudaMemsetAsync(dst, 0, (size_t)bytes, cuda->stream));
}

static int sync_stream()
{
    CUDA_OK(cudaStreamSynchronize(cuda->stream));
    return cuda_tell();
}

static int64_t peak_bytes_cuda() { return cuda->peak_bytes; }
static int64_t cache_bytes_cuda() { return cuda->l2_bytes; }

static int  threads() { return 1; }
static void set_threads(int) {} /* of the CPU */

/* Makes be's state the thread's current one, and its device CUDA's. */
static void enter(const backend *be)
{
    if (cuda == be->state) return;
    cuda = be->state;
    CUDA_OK(cudaSetDevice(cuda->device));
}

/* What a slot holds: F, which runs in the handle's state. */
template <auto F> struct entry;
template <class R, class... P, R (*F)(P...)> struct entry<F> {
    static R call(const backend *be, P... p)
    {
        enter(be);
        return F(p...);
    }
};
/* The same where F takes bytes for the slot's count of reals. */
static void *alloc(const backend *be, int64_t count) { return entry<alloc_bytes>::call(be, count * (int64_t)be->elem); }
static void  copy(const backend *be, void *dst, const void *src, int64_t count)
{
    entry<copy_bytes>::call(be, dst, src, count * (int64_t)be->elem);
}
static void zero(const backend *be, void *dst, int64_t count)
{
    entry<zero_bytes>::call(be, dst, count * (int64_t)be->elem);
}

static void close(const backend *be)
{
    enter(be);
    cuda_stop();
    if (be->params != be) delete be->params;
    delete be;
}

static const backend_ops ops_f32 = {
#define SLOT(op) .op = entry<op##_cuda>::call,
#define NO_SLOT(op)
    BACKEND_OPS(SLOT, SLOT, SLOT, NO_SLOT)
};
static const backend_ops ops_bf16 = {
#define SLOT_BF16(op) .op = entry<op##_cuda_bf16>::call,
    BACKEND_OPS(SLOT_BF16, SLOT_BF16, SLOT, NO_SLOT)
#undef SLOT
#undef NO_SLOT
#undef SLOT_BF16
};

/* A handle in E on the current state. */
template <class E> static backend *new_handle()
{
    const bool is_bf16 = sizeof(E) == sizeof(bf16);
    backend   *be      = new backend();
    be->name           = is_bf16 ? CUDA_BACKEND_NAME "-bf16" : CUDA_BACKEND_NAME;
    be->about          = cuda->about[is_bf16];
    be->dtype          = is_bf16 ? "bf16" : "f32";
    be->elem           = sizeof(E);
    be->params         = is_bf16 ? new_handle<float>() : be;
    be->adapted        = is_bf16 ? adapted_cuda_bf16 : adapted_cuda;
    be->facts          = cuda->facts;
    be->state          = cuda;
    be->inner          = is_bf16 ? &ops_bf16 : &ops_f32;
    be->alloc          = alloc;
    be->alloc_bytes    = entry<alloc_bytes>::call;
    be->release        = entry<release>::call;
    be->put            = entry<cuda_put>::call;
    be->get            = entry<get>::call;
    be->upload         = entry<upload_of<E, double>>::call;
    be->upload_f32     = entry<upload_of<E, float>>::call;
    be->download       = entry<download_of<E>>::call;
    be->copy           = copy;
    be->zero           = zero;
    be->sync           = entry<sync_stream>::call;
    be->threads        = entry<threads>::call;
    be->set_threads    = entry<set_threads>::call;
    be->time_begin     = entry<time_begin_cuda>::call;
    be->time_end       = entry<time_end_cuda>::call;
    be->time_clock_hz  = entry<time_clock_hz_cuda>::call;
    be->time_launches  = entry<time_launches_cuda>::call;
    be->time_mark      = entry<time_mark_cuda>::call;
    be->time_between   = entry<time_between_cuda>::call;
    be->peak_bytes     = entry<peak_bytes_cuda>::call;
    be->cache_bytes    = entry<cache_bytes_cuda>::call;
    be->graph_begin    = entry<graph_begin_cuda>::call;
    be->graph_end      = entry<graph_end_cuda>::call;
    be->graph_run      = entry<graph_run_cuda>::call;
    be->graph_free     = entry<graph_free_cuda>::call;
    be->graph_kernels  = entry<graph_kernels_cuda>::call;
    be->close          = close;
    return be;
}

extern "C" backend *tiebreak_backend_open(int version, size_t table_bytes, backend_report report, const char *dtype,
                                          int device)
{
    if (version != BACKEND_LIBRARY_VERSION || table_bytes != sizeof(backend)) {
        report(
            "libtiebreak-%s.so was built for another version of this program; `make cuda` builds it again, or use the device `cpu`",
            CUDA_BACKEND_NAME);
        return NULL;
    }
    if (!cuda_start(report, device)) return NULL;
    return strcmp(dtype, "bf16") == 0 ? new_handle<bf16>() : new_handle<float>();
}
