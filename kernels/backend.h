/* A backend is a handle on a device: its ops, its memory, and a state of its own (threads,
 * scratch, a stream). `ref` (f64, plain C) defines every op; `cpu` (f32), `cuda` (f32) and
 * `cuda-bf16` are the fast ones.
 *
 *     const backend *be = backend_find("cpu");
 *     real *y = be->alloc(be, n * d);
 *     be->rmsnorm_fwd(be, y, rstd, x, g, (norm_dims){ .n = n, .d = d }, 1e-5);
 *     be->download(be, host, y, n * d);
 *
 * Model, training and benchmarks are written once over it. The ops are listed in kernels/ops.h,
 * and each has its contract in the header that is named there. A slot that is NULL means "not
 * here": callers report SKIP with the reason, and nothing falls back silently.
 *
 * Conventions for every op:
 *   - The handle comes first, then outputs, inputs, dims and scalars.
 *   - `real *` is an array of the working type, `param *` one of the parameter type
 *     (kernels/real.h), on the backend's device. Integer arrays are int32, on the device too: put
 *     them there with alloc_bytes and put. Only `double` and struct arguments live on the host.
 *   - Row-major. A row stride ld* counts elements; 0 in a dims struct means contiguous, the row's
 *     width. kernels/door.c settles that before an implementation is reached.
 *   - No output overlaps an input or another output unless the op says so.
 *   - Any n >= 0 and any other dimension >= 1 (rank r >= 0): tails are the op's job. Ops never
 *     allocate in a timed path after their first call at a size. Sums over rows or tokens run in
 *     one fixed order: the same call gives the same bits, whatever the number of threads.
 *   - NaN and Inf pass through; nothing is clamped.
 *   - One thread at a time calls a handle. Different handles may be called side by side. */
#ifndef TIEBREAK_KERNELS_BACKEND_H
#define TIEBREAK_KERNELS_BACKEND_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/adapted.h"
#include "kernels/ops.h"
#include "kernels/real.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a device says of itself, as text: "driver", "580.65.06". */
typedef struct {
    const char *name, *value;
} device_fact;

/* rmsnorm_fwd_op *rmsnorm_fwd; and so on. */
#define SLOT(op) op##_op *op;
typedef struct {
    BACKEND_OPS(SLOT, SLOT, SLOT, SLOT)
} backend_ops;

struct adapted_variant;
typedef struct backend_graph backend_graph; /* a backend's own */
typedef struct backend_state backend_state; /* a backend's own */
enum { BACKEND_MARKS = 64 };
struct backend {
    const char *name, *about;
    const char *dtype; /* of one real: "f64", "f32" or "bf16" */
    size_t      elem;  /* its bytes */
    /* The backend of the same device and state whose reals are this one's params: its memory
     * calls count in params. Where both types are one, this handle itself. Its name is the
     * device's. */
    const backend *params;
    /* Arrays are the host's memory: values of the same type, in a mapped file say, can be used
     * where they lie. */
    bool host;
    /* Attention takes windows and soft caps (kernels/attention.h). */
    bool windows;
    /* Lists that a row without a name ends: what a device that is not the host says of itself
     * (kernels/facts.h), or NULL; and its variants of an adapted linear, one at least
     * (kernels/variant.h). */
    const device_fact            *facts;
    const struct adapted_variant *adapted;
    backend_state                *state;

    /* --- Memory. alloc returns zeroed arrays and never NULL (core/memory.h). Counts are of reals,
     * bytes are bytes; the arrays may be of params where the handle is some backend's params. */
    void *(*alloc)(const backend *be, int64_t count);
    void *(*alloc_bytes)(const backend *be, int64_t bytes);
    void (*release)(const backend *be, void *p); /* NULL is fine */
    void (*put)(const backend *be, void *dst, const void *host, int64_t bytes);
    void (*get)(const backend *be, void *host, const void *src, int64_t bytes);
    void (*upload)(const backend *be, void *dst, const double *host, int64_t count);
    void (*upload_f32)(const backend *be, void *dst, const float *host, int64_t count);
    void (*download)(const backend *be, double *host, const void *src, int64_t count);
    void (*copy)(const backend *be, void *dst, const void *src, int64_t count);
    void (*zero)(const backend *be, void *dst, int64_t count);
    /* OK, or the first error since the last sync with its text recorded. */
    int (*sync)(const backend *be);

    /* Worker threads of the CPU; other devices have one and leave it. */
    int (*threads)(const backend *be);
    void (*set_threads)(const backend *be, int threads);

    /* --- Time. Each of these is NULL where ops are done when they return: the host's clock is
     * right there. time_end waits, and gives the seconds that the device spent on the ops since
     * time_begin by its own clock, without the host's part of a launch. The other two are about
     * that interval: cycles per second of the device's clock (NaN: unknown; 0: the host stalled,
     * discard the sample) and kernels launched, a call of a library counted as one. */
    void (*time_begin)(const backend *be);
    double (*time_end)(const backend *be);
    double (*time_clock_hz)(const backend *be);
    int64_t (*time_launches)(const backend *be);
    /* Marks within that interval, for ops that follow one another without a wait: time_mark notes
     * when the ops before it are done, at most BACKEND_MARKS times. After time_end, time_between
     * gives the seconds from mark i, counted from 0, to the next. */
    void (*time_mark)(const backend *be);
    double (*time_between)(const backend *be, int i);
    /* Most bytes of the device that this handle's arrays and scratch took at one time. NULL where
     * host is true. */
    int64_t (*peak_bytes)(const backend *be);
    /* Bytes of the cache that all of the device shares (a GPU's L2). NULL where nobody measures
     * cold. */
    int64_t (*cache_bytes)(const backend *be);

    /* --- Graphs. Ops between begin and end are kept instead of done; each run does them on what
     * the arrays hold then, at the price of one launch on the host. Each slot is NULL where ops
     * are done when they return. Between begin and end only ops on device arrays are possible:
     * those that take no list from the host (spans, jobs), put and get nothing and allocate
     * nothing, so each has to have run at its size before.
     * graph_end: NULL after an error, which sync tells.
     * graph_run: false, and nothing is done, where an array or scratch was released since begin,
     * whose address the graph may hold: free the graph and capture anew. */
    void (*graph_begin)(const backend *be);
    backend_graph *(*graph_end)(const backend *be);
    bool (*graph_run)(const backend *be, backend_graph *g);
    void (*graph_free)(const backend *be, backend_graph *g); /* NULL is fine */
    /* How many kernels a run launches, those that a library chose too. */
    int64_t (*graph_kernels)(const backend *be, const backend_graph *g);

    void (*close)(const backend *be); /* backend_close's */

    /* --- Ops. Those that take strides are doors, which settle them and call the same op of
     * `inner`; the others are inner's own. */
    BACKEND_OPS(SLOT, SLOT, SLOT, SLOT)
    const backend_ops *inner;
};
#undef SLOT

/* A new handle on "ref", "cpu", "cuda" or "cuda-bf16", with a state of its own; NULL with a
 * recorded reason when it cannot be had here. "cuda:1" is the second of the visible devices.
 * Arrays belong to the handle that made them and are released before it is closed. */
const backend *backend_open(const char *name);
void           backend_close(const backend *be); /* NULL is fine */
/* The handle of that name which the whole program shares: opened on the first call, never
 * closed. */
const backend *backend_find(const char *name);
/* The shared handle for --device and --dtype, each NULL where it was not given: cpu, and what the
 * device computes in unless told otherwise (ref f64, cpu f32, cuda f32, or bf16). NULL with a
 * message that names the options. */
const backend *backend_for(const char *device, const char *dtype);

/* Address of element i of an array of reals, of params. */
static inline real *real_at(const backend *be, const real *p, int64_t i)
{
    return (real *)((uintptr_t)p + (size_t)i * be->elem);
}
static inline param *param_at(const backend *be, const param *p, int64_t i)
{
    return (param *)((uintptr_t)p + (size_t)i * be->params->elem);
}

/* The same array under its other type: right where both types are one, and for the gradient that
 * xent_bwd leaves in the place of logits. */
static inline real  *reals_of(const param *p) { return (real *)(uintptr_t)p; }
static inline param *params_of(const real *p) { return (param *)(uintptr_t)p; }

/* The values of an array where they lie, of the type that be->dtype (be->params->dtype) names;
 * NULL where arrays are not the host's memory. */
static inline const void *host_values(const backend *be, const void *p) { return be->host ? p : NULL; }

/* Row stride in reals of rows of `width` params. */
static inline int64_t wide_ld(const backend *be, int64_t width)
{
    return width * (int64_t)(be->params->elem / be->elem);
}

#ifdef __cplusplus
}
#endif
#endif
