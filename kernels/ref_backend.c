/* The reference backend: f64 on the host, one thread. */
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "kernels/backend_private.h"
#include "kernels/ref.h"

static void ref_upload(const backend *be, void *dst, const double *host, int64_t count)
{
    memmove(dst, host, (size_t)count * sizeof(double));
}

static void ref_download(const backend *be, double *host, const void *src, int64_t count)
{
    memmove(host, src, (size_t)count * sizeof(double));
}

static void ref_upload_f32(const backend *be, void *dst_, const float *host, int64_t count)
{
    double *dst = dst_;
    for (int64_t i = 0; i < count; i++) dst[i] = host[i];
}

static int  ref_threads(const backend *be) { return 1; }
static void ref_set_threads(const backend *be, int threads) {}
static void ref_close(const backend *be) { free((backend *)be); }

static const backend_ops ref_ops = {
#define SLOT(op) .op = op##_ref,
    BACKEND_OPS(SLOT, SLOT, SLOT, SLOT)
#undef SLOT
};

static const backend ref_table = {
    .name    = "ref",
    .about   = "plain C, f64, one thread: the definition of every op",
    .dtype   = "f64",
    .windows = true,
    .elem    = sizeof(double),
    HOST_MEMORY,
    .upload      = ref_upload,
    .upload_f32  = ref_upload_f32,
    .download    = ref_download,
    .threads     = ref_threads,
    .set_threads = ref_set_threads,
    .close       = ref_close,
    .adapted     = adapted_base_first,
    .inner       = &ref_ops,
};

backend *ref_open(void)
{
    backend *be = mem_alloc(1, sizeof *be);
    *be         = ref_table;
    be->params  = be;
    return be;
}
