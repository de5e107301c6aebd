/* The table of the CUDA backend, its memory, and the door through which the program gets it (kernels/library.h). */
#include "kernels/cuda/device.h"
#include "kernels/cuda/open.h"

/* Values converted at a time between f64 on the host and f32 on the device. */
static constexpr int CHUNK = 1 << 16;

/* After an error, and until sync tells it, allocations give an address that no kernel gets to see, copies do nothing, and what is read back is NaN.
 */
static char nowhere[1];

static void *alloc_bytes_cuda(int64_t bytes)
{
    void *p = cuda_allocate(bytes);
    if (!p) return nowhere;
    CUDA_OK(cudaMemsetAsync(p, 0, (size_t)bytes, cuda_stream));
    return p;
}

static real *alloc_cuda(int64_t count) { return alloc_bytes_cuda(count * (int64_t)sizeof(float)); }

static void release_cuda(void *p)
{
    if (p && p != nowhere) CUDA_OK(cudaFree(p));
}

/* Pageable memory: CUDA has read it, or copied it aside, when this returns. */
static void put_cuda(void *dst, const void *host, int64_t bytes)
{
    if (bytes > 0 && !cuda_failed()) CUDA_OK(cudaMemcpyAsync(dst, host, (size_t)bytes, cudaMemcpyHostToDevice, cuda_stream));
}

static bool fetch(void *host, const void *src, int64_t bytes)
{
    return bytes == 0 || (!cuda_failed() && CUDA_OK(cudaMemcpyAsync(host, src, (size_t)bytes, cudaMemcpyDeviceToHost, cuda_stream)) &&
                          CUDA_OK(cudaStreamSynchronize(cuda_stream)));
}

static void get_cuda(void *host, const void *src, int64_t bytes)
{
    if (!fetch(host, src, bytes)) memset(host, 0xff, (size_t)bytes); /* NaN in f32 and f64, -1 in integers */
}

static void upload_f32_cuda(real *dst, const float *host, int64_t count) { put_cuda(dst, host, count * (int64_t)sizeof(float)); }

static void upload_cuda(real *dst, const double *host, int64_t count)
{
    static float chunk[CHUNK];
    for (int64_t at = 0, n; at < count; at += n) {
        n = count - at < CHUNK ? count - at : CHUNK;
        for (int64_t i = 0; i < n; i++) chunk[i] = (float)host[at + i];
        upload_f32_cuda((float *)dst + at, chunk, n);
    }
}

static void download_cuda(double *host, const real *src, int64_t count)
{
    static float chunk[CHUNK];
    for (int64_t at = 0, n; at < count; at += n) {
        n = count - at < CHUNK ? count - at : CHUNK;
        get_cuda(chunk, (const float *)src + at, n * (int64_t)sizeof(float));
        for (int64_t i = 0; i < n; i++) host[at + i] = chunk[i];
    }
}

static void copy_cuda(real *dst, const real *src, int64_t count)
{
    if (count > 0 && !cuda_failed()) CUDA_OK(cudaMemcpyAsync(dst, src, (size_t)count * sizeof(float), cudaMemcpyDeviceToDevice, cuda_stream));
}

static void zero_cuda(real *dst, int64_t count)
{
    if (count > 0 && !cuda_failed()) CUDA_OK(cudaMemsetAsync(dst, 0, (size_t)count * sizeof(float), cuda_stream));
}

static void linear_fwd_wide_cuda(param *y, const real *x, const real *W, linear_dims d) { linear_fwd_cuda(y, x, W, NULL, d, false); }

static void set_threads_cuda(int threads) { (void)threads; } /* of the CPU */

static int sync_cuda(void)
{
    CUDA_OK(cudaStreamSynchronize(cuda_stream));
    return cuda_tell();
}

static char about[256];

static const backend table = {
    .name             = CUDA_BACKEND_NAME,
    .about            = about,
    .dtype            = "f32",
    .elem             = sizeof(float),
    .params           = &table,
    .threads          = 1,
    .host             = false,
    .alloc            = alloc_cuda,
    .alloc_bytes      = alloc_bytes_cuda,
    .release          = release_cuda,
    .put              = put_cuda,
    .get              = get_cuda,
    .upload           = upload_cuda,
    .upload_f32       = upload_f32_cuda,
    .download         = download_cuda,
    .copy             = copy_cuda,
    .zero             = zero_cuda,
    .narrow           = copy_cuda,
    .set_threads      = set_threads_cuda,
    .sync             = sync_cuda,
    .time_begin       = time_begin_cuda,
    .time_end         = time_end_cuda,
    .linear_fwd       = linear_fwd_cuda,
    .linear_fwd_wide  = linear_fwd_wide_cuda,
    .linear_bwd_x     = linear_bwd_x_cuda,
    .linear_bwd_w     = linear_bwd_w_cuda,
    .pair_fwd         = pair_fwd_cuda,
    .pair_bwd         = pair_bwd_cuda,
    .expand_fwd       = expand_fwd_cuda,
    .expand_bwd       = expand_bwd_cuda,
    .rmsnorm_fwd      = rmsnorm_fwd_cuda,
    .rmsnorm_bwd      = rmsnorm_bwd_cuda,
    .rope             = rope_cuda,
    .attention_fwd    = attention_fwd_cuda,
    .attention_bwd    = attention_bwd_cuda,
    .swiglu_fwd       = swiglu_fwd_cuda,
    .swiglu_bwd       = swiglu_bwd_cuda,
    .xent_fwd         = xent_fwd_cuda,
    .xent_bwd         = xent_bwd_cuda,
    .gather_rows      = gather_rows_cuda,
    .scatter_add_rows = scatter_add_rows_cuda,
    .add              = add_cuda,
    .scale            = scale_cuda,
    .sum_squares      = sum_squares_cuda,
    .adamw            = adamw_cuda,
};

extern "C" const backend *tiebreak_backend_open(int version, size_t table_bytes, backend_report report)
{
    if (version != BACKEND_LIBRARY_VERSION || table_bytes != sizeof(backend)) {
        report("libtiebreak-%s.so was built for another version of this program; `make cuda` builds it again, or use the device `cpu`", CUDA_BACKEND_NAME);
        return NULL;
    }
    if (cuda_start(report, about, sizeof about)) return &table;
    cuda_tell();
    return NULL;
}
