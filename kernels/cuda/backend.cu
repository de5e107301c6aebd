/* The tables of the CUDA backend, one a working type, their memory, and the door through which
 * the program gets them (kernels/library.h). */
#include <stdio.h>

#include "kernels/cuda/device.h"
#include "kernels/cuda/open.h"

/* Values converted at a time between f64 on the host and f32 on the device. */
static constexpr int CHUNK = 1 << 16;

/* After an error, and until sync tells it, allocations give an address that no kernel gets to
 * see, copies do nothing, and what is read back is NaN. */
static char nowhere[1];

static void *alloc_bytes_cuda(int64_t bytes)
{
    void *p = cuda_allocate(bytes);
    if (!p) return nowhere;
    CUDA_OK(cudaMemsetAsync(p, 0, (size_t)bytes, cuda_stream));
    return p;
}

template <class E> static real *alloc_of(int64_t count) { return alloc_bytes_cuda(count * (int64_t)sizeof(E)); }

static void release_cuda(void *p)
{
    if (p != nowhere) cuda_release(p);
}

static bool fetch(void *host, const void *src, int64_t bytes)
{
    return bytes == 0 || (!cuda_failed() && !cuda_refused("a copy to the host") &&
                          CUDA_OK(cudaMemcpyAsync(host, src, (size_t)bytes, cudaMemcpyDeviceToHost, cuda_stream)) &&
                          CUDA_OK(cudaStreamSynchronize(cuda_stream)));
}

static void get_cuda(void *host, const void *src, int64_t bytes)
{
    /* NaN in f32 and f64, -1 in integers */
    if (!fetch(host, src, bytes)) memset(host, 0xff, (size_t)bytes);
}

/* From f64 or f32 on the host: rounded to f32, then to E. */
template <class E, class FROM> static void upload_of(real *dst, const FROM *host, int64_t count)
{
    static E chunk[CHUNK];
    for (int64_t at = 0, n; at < count; at += n) {
        n = count - at < CHUNK ? count - at : CHUNK;
        for (int64_t i = 0; i < n; i++) chunk[i] = (float)host[at + i];
        cuda_put((E *)dst + at, chunk, n * (int64_t)sizeof(E));
    }
}

static void upload_f32_cuda(real *dst, const float *host, int64_t count)
{
    cuda_put(dst, host, count * (int64_t)sizeof(float));
}

template <class E> static void download_of(double *host, const real *src, int64_t count)
{
    static E chunk[CHUNK];
    for (int64_t at = 0, n; at < count; at += n) {
        n = count - at < CHUNK ? count - at : CHUNK;
        get_cuda(chunk, (const E *)src + at, n * (int64_t)sizeof(E));
        for (int64_t i = 0; i < n; i++) host[at + i] = (float)chunk[i];
    }
}

template <class E> static void copy_of(real *dst, const real *src, int64_t count)
{
    if (count > 0 && !cuda_failed())
        CUDA_OK(cudaMemcpyAsync(dst, src, (size_t)count * sizeof(E), cudaMemcpyDeviceToDevice, cuda_stream));
}

template <class E> static void zero_of(real *dst, int64_t count)
{
    if (count > 0 && !cuda_failed()) CUDA_OK(cudaMemsetAsync(dst, 0, (size_t)count * sizeof(E), cuda_stream));
}

static void set_threads_cuda(int threads) { (void)threads; } /* of the CPU */

static int sync_cuda(void)
{
    CUDA_OK(cudaStreamSynchronize(cuda_stream));
    return cuda_tell();
}

/* Everything but a table's name, type and memory. */
#define MEMORY(E, upload_f32_, narrow_)                                                                                \
    .threads = 1, .host = false, .alloc = alloc_of<E>, .alloc_bytes = alloc_bytes_cuda, .release = release_cuda,       \
    .put = cuda_put, .get = get_cuda, .upload = upload_of<E, double>, .upload_f32 = upload_f32_,                       \
    .download = download_of<E>, .copy = copy_of<E>, .zero = zero_of<E>, .narrow = narrow_,                             \
    .set_threads = set_threads_cuda, .sync = sync_cuda, .time_begin = time_begin_cuda, .time_end = time_end_cuda,      \
    .time_clock_hz = time_clock_hz_cuda, .time_launches = time_launches_cuda, .peak_bytes = peak_bytes_cuda,           \
    .facts = cuda_facts, .cache_bytes = cache_bytes_cuda, .graph_begin = graph_begin_cuda,                             \
    .graph_end = graph_end_cuda, .graph_run = graph_run_cuda, .graph_free = graph_free_cuda
#define OPS(OF)                                                                                                        \
    .linear_fwd = OF(linear_fwd_cuda), .linear_fwd_wide = OF(linear_fwd_wide_cuda),                                    \
    .linear_bwd_x = OF(linear_bwd_x_cuda), .linear_bwd_w = OF(linear_bwd_w_cuda), .pair_fwd = OF(pair_fwd_cuda),       \
    .pair_bwd = OF(pair_bwd_cuda), .adapted_fwd = OF(adapted_fwd_cuda), .adapted_bwd = OF(adapted_bwd_cuda),           \
    .expand_fwd = OF(expand_fwd_cuda), .expand_bwd = expand_bwd_cuda, .rmsnorm_fwd = OF(rmsnorm_fwd_cuda),             \
    .rmsnorm_bwd = OF(rmsnorm_bwd_cuda), .rope = OF(rope_cuda), .attention_fwd = OF(attention_fwd_cuda),               \
    .attention_bwd = OF(attention_bwd_cuda), .attention_decode = OF(attention_decode_cuda),                            \
    .swiglu_fwd = OF(swiglu_fwd_cuda), .swiglu_bwd = OF(swiglu_bwd_cuda), .xent_fwd = xent_fwd_cuda,                   \
    .xent_bwd = OF(xent_bwd_cuda), .best_two = best_two_cuda, .gather_rows = OF(gather_rows_cuda),                     \
    .scatter_rows = OF(scatter_rows_cuda), .scatter_add_rows = OF(scatter_add_rows_cuda), .add = add_cuda,             \
    .scale = scale_cuda, .sum_squares = sum_squares_cuda, .adamw = adamw_cuda, .site_variants = OF(site_variants_cuda)

static char about_f32[256], about_bf16[256];

static const backend table_f32 = { .name   = CUDA_BACKEND_NAME,
                                   .about  = about_f32,
                                   .dtype  = "f32",
                                   .elem   = sizeof(float),
                                   .params = &table_f32,
                                   MEMORY(float, upload_f32_cuda, copy_of<float>),
                                   OPS(OF_F32) };

static const backend table_bf16 = { .name   = CUDA_BACKEND_NAME "-bf16",
                                    .about  = about_bf16,
                                    .dtype  = "bf16",
                                    .elem   = sizeof(bf16),
                                    .params = &table_f32,
                                    MEMORY(bf16, (upload_of<bf16, float>), narrow_cuda_bf16),
                                    OPS(OF_BF16) };

extern "C" const backend *tiebreak_backend_open(int version, size_t table_bytes, backend_report report,
                                                const char *dtype)
{
    static char device[192]; /* empty: not started */
    if (version != BACKEND_LIBRARY_VERSION || table_bytes != sizeof(backend)) {
        report(
            "libtiebreak-%s.so was built for another version of this program; `make cuda` builds it again, or use the device `cpu`",
            CUDA_BACKEND_NAME);
        return NULL;
    }
    if (!device[0] && !cuda_start(report, device, sizeof device)) {
        cuda_tell();
        device[0] = 0;
        return NULL;
    }
    snprintf(about_f32, sizeof about_f32, "f32 on %s", device);
    snprintf(about_bf16, sizeof about_bf16, "bf16, parameters and sums in f32, on %s", device);
    return strcmp(dtype, "bf16") == 0 ? &table_bf16 : &table_f32;
}
