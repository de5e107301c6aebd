/* The table of the CPU backend: f32 on the host, OpenMP threads. */
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "kernels/backend_private.h"
#include "kernels/cpu.h"
#include "kernels/adapted_private.h"

enum { MAX_THREADS = 256 };

static struct {
    float  *p;
    int64_t floats;
} scratch[MAX_THREADS];

float *cpu_scratch(int64_t floats)
{
    int t = omp_get_thread_num();
    if (scratch[t].floats < floats) {
        /* half as much again, so that sizes that creep up do not allocate each time */
        free(scratch[t].p);
        scratch[t].floats = floats + floats / 2;
        scratch[t].p      = mem_alloc((size_t)scratch[t].floats, sizeof(float));
    }
    return scratch[t].p;
}

static real *cpu_alloc(int64_t count) { return mem_alloc((size_t)count, sizeof(float)); }
static void *cpu_alloc_bytes(int64_t bytes) { return mem_alloc((size_t)bytes, 1); }
static void  cpu_release(void *p) { free(p); }
static void  cpu_put(void *dst, const void *host, int64_t bytes) { memmove(dst, host, (size_t)bytes); }
static void  cpu_get(void *host, const void *src, int64_t bytes) { memmove(host, src, (size_t)bytes); }
static void  cpu_upload_f32(real *dst, const float *host, int64_t count)
{
    memmove(dst, host, (size_t)count * sizeof(float));
}
static void cpu_copy(real *dst, const real *src, int64_t count) { memmove(dst, src, (size_t)count * sizeof(float)); }
static void cpu_zero(real *dst, int64_t count) { memset(dst, 0, (size_t)count * sizeof(float)); }
static int  cpu_sync(void) { return OK; }
static void cpu_linear_fwd_wide(param *y, const real *x, const real *W, linear_dims d)
{
    linear_fwd_cpu(y, x, W, NULL, d, false);
}

static void cpu_upload(real *dst_, const double *host, int64_t count)
{
    float *dst = dst_;
    for (int64_t i = 0; i < count; i++) dst[i] = (float)host[i];
}

static void cpu_download(double *host, const real *src_, int64_t count)
{
    const float *src = src_;
    for (int64_t i = 0; i < count; i++) host[i] = src[i];
}

static void cpu_set_threads(int threads)
{
    cpu_backend.threads = threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : threads;
    omp_set_num_threads(cpu_backend.threads);
}

void cpu_backend_start(void)
{
    static bool started;
    if (!started) cpu_set_threads(omp_get_max_threads());
    started = true;
}

static void cpu_adapted_fwd(real *y, real *h, const real *x, const real *W, const real *bias, const adapted_pair *pairs,
                            int64_t count, linear_dims d, bool accumulate)
{
    adapted_fwd_in_parts(&cpu_backend, y, h, x, W, bias, pairs, count, d, accumulate);
}

static void cpu_adapted_bwd(real *dx, real *dh, const real *dy, const real *x, const real *h, const real *W,
                            const adapted_pair *pairs, int64_t count, linear_dims d)
{
    adapted_bwd_in_parts(&cpu_backend, dx, dh, dy, x, h, W, pairs, count, d);
}

backend cpu_backend = {
    .name             = "cpu",
    .about            = "f32, OpenMP, own register tiles (AVX-512, AVX2 or plain C)",
    .dtype            = "f32",
    .elem             = sizeof(float),
    .params           = &cpu_backend,
    .host             = true,
    .threads          = 1,
    .alloc            = cpu_alloc,
    .alloc_bytes      = cpu_alloc_bytes,
    .release          = cpu_release,
    .put              = cpu_put,
    .get              = cpu_get,
    .upload           = cpu_upload,
    .upload_f32       = cpu_upload_f32,
    .download         = cpu_download,
    .copy             = cpu_copy,
    .zero             = cpu_zero,
    .narrow           = cpu_copy,
    .set_threads      = cpu_set_threads,
    .sync             = cpu_sync,
    .linear_fwd       = linear_fwd_cpu,
    .linear_fwd_wide  = cpu_linear_fwd_wide,
    .linear_bwd_x     = linear_bwd_x_cpu,
    .linear_bwd_w     = linear_bwd_w_cpu,
    .pair_fwd         = pair_fwd_cpu,
    .pair_bwd         = pair_bwd_cpu,
    .adapted_fwd      = cpu_adapted_fwd,
    .adapted_bwd      = cpu_adapted_bwd,
    .expand_fwd       = expand_fwd_cpu,
    .expand_bwd       = expand_bwd_cpu,
    .rmsnorm_fwd      = rmsnorm_fwd_cpu,
    .rmsnorm_bwd      = rmsnorm_bwd_cpu,
    .rope             = rope_cpu,
    .attention_fwd    = attention_fwd_cpu,
    .attention_decode = attention_decode_cpu,
    .attention_bwd    = attention_bwd_cpu,
    .swiglu_fwd       = swiglu_fwd_cpu,
    .swiglu_bwd       = swiglu_bwd_cpu,
    .xent_fwd         = xent_fwd_cpu,
    .xent_bwd         = xent_bwd_cpu,
    .best_two         = best_two_cpu,
    .gather_rows      = gather_rows_cpu,
    .scatter_rows     = scatter_rows_cpu,
    .scatter_add_rows = scatter_add_rows_cpu,
    .add              = add_cpu,
    .scale            = scale_cpu,
    .sum_squares      = sum_squares_cpu,
    .adamw            = adamw_cpu,
};
