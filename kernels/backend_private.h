/* How handles on the host are opened, for backend.c alone: everyone else asks backend_find or
 * backend_open. */
#ifndef TIEBREAK_KERNELS_BACKEND_PRIVATE_H
#define TIEBREAK_KERNELS_BACKEND_PRIVATE_H
#include "kernels/variant.h"

/* Without their doors (kernels/door.c). */
backend *ref_open(void);
backend *cpu_open(void); /* as many threads as OMP_NUM_THREADS or the machine says */

/* Puts the doors before the ops that be->inner brings, so that be->x can be called. */
void hang_doors(backend *be);

/* The variant of hosts: base-first alone, which does to the bit what their linear and pair do
 * (kernels/adapted.c). */
extern const adapted_variant adapted_base_first[];

/* Memory of a handle whose arrays are the host's, but for the conversions, which depend on the
 * type. */
void *host_alloc(const backend *be, int64_t count);
void *host_alloc_bytes(const backend *be, int64_t bytes);
void  host_release(const backend *be, void *p);
void  host_put(const backend *be, void *dst, const void *host, int64_t bytes);
void  host_get(const backend *be, void *host, const void *src, int64_t bytes);
void  host_copy(const backend *be, void *dst, const void *src, int64_t count);
void  host_zero(const backend *be, void *dst, int64_t count);
int   host_sync(const backend *be);
#define HOST_MEMORY                                                                                                    \
    .host = true, .alloc = host_alloc, .alloc_bytes = host_alloc_bytes, .release = host_release, .put = host_put,      \
    .get = host_get, .copy = host_copy, .zero = host_zero, .sync = host_sync
#endif
