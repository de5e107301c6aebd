/* The table of the reference backend: f64 on the host, one thread. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "kernels/backend_private.h"
#include "kernels/adapted_private.h"
#include "kernels/ref.h"

static real *ref_alloc(int64_t count) { return mem_alloc((size_t)count, sizeof(double)); }
static void *ref_alloc_bytes(int64_t bytes) { return mem_alloc((size_t)bytes, 1); }
static void  ref_release(void *p) { free(p); }
static void  ref_put(void *dst, const void *host, int64_t bytes) { memmove(dst, host, (size_t)bytes); }
static void  ref_get(void *host, const void *src, int64_t bytes) { memmove(host, src, (size_t)bytes); }
static void  ref_upload(real *dst, const double *host, int64_t count)
{
    memmove(dst, host, (size_t)count * sizeof(double));
}
static void ref_download(double *host, const real *src, int64_t count)
{
    memmove(host, src, (size_t)count * sizeof(double));
}
static void ref_copy(real *dst, const real *src, int64_t count) { memmove(dst, src, (size_t)count * sizeof(double)); }
static void ref_zero(real *dst, int64_t count) { memset(dst, 0, (size_t)count * sizeof(double)); }
static void ref_set_threads(int threads) { (void)threads; }
static int  ref_sync(void) { return OK; }
static void ref_linear_fwd_wide(param *y, const real *x, const real *W, linear_dims d)
{
    linear_fwd_ref(y, x, W, NULL, d, false);
}

static void ref_upload_f32(real *dst_, const float *host, int64_t count)
{
    double *dst = dst_;
    for (int64_t i = 0; i < count; i++) dst[i] = host[i];
}

static void ref_adapted_fwd(real *y, real *h, const real *x, const real *W, const real *bias, const adapted_pair *pairs,
                            int64_t count, linear_dims d, bool accumulate)
{
    adapted_fwd_in_parts(&ref_backend, y, h, x, W, bias, pairs, count, d, accumulate);
}

static void ref_adapted_bwd(real *dx, real *dh, const real *dy, const real *x, const real *h, const real *W,
                            const adapted_pair *pairs, int64_t count, linear_dims d)
{
    adapted_bwd_in_parts(&ref_backend, dx, dh, dy, x, h, W, pairs, count, d);
}

backend ref_backend = {
    .name             = "ref",
    .about            = "plain C, f64, one thread: the definition of every op",
    .dtype            = "f64",
    .elem             = sizeof(double),
    .params           = &ref_backend,
    .host             = true,
    .threads          = 1,
    .alloc            = ref_alloc,
    .alloc_bytes      = ref_alloc_bytes,
    .release          = ref_release,
    .put              = ref_put,
    .get              = ref_get,
    .upload           = ref_upload,
    .upload_f32       = ref_upload_f32,
    .download         = ref_download,
    .copy             = ref_copy,
    .zero             = ref_zero,
    .narrow           = ref_copy,
    .set_threads      = ref_set_threads,
    .sync             = ref_sync,
    .linear_fwd       = linear_fwd_ref,
    .linear_fwd_wide  = ref_linear_fwd_wide,
    .linear_bwd_x     = linear_bwd_x_ref,
    .linear_bwd_w     = linear_bwd_w_ref,
    .pair_fwd         = pair_fwd_ref,
    .pair_bwd         = pair_bwd_ref,
    .adapted_fwd      = ref_adapted_fwd,
    .adapted_bwd      = ref_adapted_bwd,
    .expand_fwd       = expand_fwd_ref,
    .expand_bwd       = expand_bwd_ref,
    .rmsnorm_fwd      = rmsnorm_fwd_ref,
    .rmsnorm_bwd      = rmsnorm_bwd_ref,
    .rope             = rope_ref,
    .attention_fwd    = attention_fwd_ref,
    .attention_decode = attention_decode_ref,
    .attention_bwd    = attention_bwd_ref,
    .swiglu_fwd       = swiglu_fwd_ref,
    .swiglu_bwd       = swiglu_bwd_ref,
    .xent_fwd         = xent_fwd_ref,
    .xent_bwd         = xent_bwd_ref,
    .best_two         = best_two_ref,
    .gather_rows      = gather_rows_ref,
    .scatter_rows     = scatter_rows_ref,
    .scatter_add_rows = scatter_add_rows_ref,
    .add              = add_ref,
    .scale            = scale_ref,
    .sum_squares      = sum_squares_ref,
    .adamw            = adamw_ref,
};
