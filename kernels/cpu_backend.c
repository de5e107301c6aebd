/* The CPU backend: f32 on the host, OpenMP threads. */
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "kernels/backend_private.h"
#include "kernels/cpu.h"

enum { MAX_THREADS = 256 };

struct backend_state {
    int threads;
    struct {
        float  *p;
        int64_t floats;
    } scratch[MAX_THREADS]; /* of each OpenMP thread */
};

int cpu_threads(const backend *be) { return be->state->threads; }

float *cpu_scratch(const backend *be, int64_t floats)
{
    int            t = omp_get_thread_num();
    backend_state *s = be->state;
    if (s->scratch[t].floats < floats) {
        /* half as much again, so that sizes that creep up do not allocate each time */
        free(s->scratch[t].p);
        s->scratch[t].floats = floats + floats / 2;
        s->scratch[t].p      = mem_alloc((size_t)s->scratch[t].floats, sizeof(float));
    }
    return s->scratch[t].p;
}

static void cpu_upload(const backend *be, void *dst_, const double *host, int64_t count)
{
    float *dst = dst_;
    for (int64_t i = 0; i < count; i++) dst[i] = (float)host[i];
}

static void cpu_upload_f32(const backend *be, void *dst, const float *host, int64_t count)
{
    memmove(dst, host, (size_t)count * sizeof(float));
}

static void cpu_download(const backend *be, double *host, const void *src_, int64_t count)
{
    const float *src = src_;
    for (int64_t i = 0; i < count; i++) host[i] = src[i];
}

static void cpu_set_threads(const backend *be, int threads)
{
    be->state->threads = threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : threads;
}

static void cpu_close(const backend *be)
{
    for (int t = 0; t < MAX_THREADS; t++) free(be->state->scratch[t].p);
    free(be->state);
    free((backend *)be);
}

static const backend_ops cpu_ops = {
#define SLOT(op) .op = op##_cpu,
    BACKEND_OPS(SLOT, SLOT, SLOT, SLOT)
#undef SLOT
};

static const backend cpu_table = {
    .name    = "cpu",
    .about   = "f32, OpenMP, own register tiles (AVX-512, AVX2 or plain C)",
    .dtype   = "f32",
    .windows = true,
    .elem    = sizeof(float),
    HOST_MEMORY,
    .upload      = cpu_upload,
    .upload_f32  = cpu_upload_f32,
    .download    = cpu_download,
    .threads     = cpu_threads,
    .set_threads = cpu_set_threads,
    .close       = cpu_close,
    .adapted     = adapted_base_first,
    .inner       = &cpu_ops,
};

backend *cpu_open(void)
{
    backend *be = mem_alloc(1, sizeof *be);
    *be         = cpu_table;
    be->params  = be;
    be->state   = mem_alloc(1, sizeof *be->state);
    cpu_set_threads(be, omp_get_max_threads());
    return be;
}
