/* Memory of a handle whose arrays are the host's. Contracts: kernels/backend.h. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "kernels/backend_private.h"

void *host_alloc(const backend *be, int64_t count) { return mem_alloc((size_t)count, be->elem); }
void *host_alloc_bytes(const backend *be, int64_t bytes) { return mem_alloc((size_t)bytes, 1); }
void  host_release(const backend *be, void *p) { free(p); }
void  host_put(const backend *be, void *dst, const void *host, int64_t bytes) { memmove(dst, host, (size_t)bytes); }
void  host_get(const backend *be, void *host, const void *src, int64_t bytes) { memmove(host, src, (size_t)bytes); }
void  host_copy(const backend *be, void *dst, const void *src, int64_t count)
{
    memmove(dst, src, (size_t)count * be->elem);
}
void host_zero(const backend *be, void *dst, int64_t count) { memset(dst, 0, (size_t)count * be->elem); }
int  host_sync(const backend *be) { return OK; }
