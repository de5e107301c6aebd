/* Uploads: lists and small arrays go from the host to the device through slots of pinned memory.
 * The GPU reads a slot when the stream gets there, so the host goes on at once; a slot is written
 * again only when an event says that its last copy has run. CUDA could copy from pageable memory
 * itself, but where a GPU reads such memory in place it leaves open whether it has read it when
 * the call returns. Contract: kernels/cuda/device.h. */
#include <stdio.h>
#include <stdlib.h>

#include "kernels/cuda/device.h"

/* The number of the next slot that may be written; -1 after an error. */
static int slot_next(void)
{
    const int i = cuda->upload.next;
    if (cuda_failed()) return -1;
    if (!cuda->upload.pinned &&
        !CUDA_OK(cudaMallocHost((void **)&cuda->upload.pinned, UPLOAD_SLOTS * UPLOAD_SLOT_BYTES)))
        return -1;
    if (!cuda->upload.copied[i] && !CUDA_OK(cudaEventCreateWithFlags(&cuda->upload.copied[i], cudaEventDisableTiming)))
        return -1;
    if (cuda->upload.used[i] && !CUDA_OK(cudaEventSynchronize(cuda->upload.copied[i]))) return -1;
    cuda->upload.next    = (i + 1) % UPLOAD_SLOTS;
    cuda->upload.used[i] = false;
    return i;
}

static void slot_send(void *dst, int64_t bytes, int slot)
{
    if (cuda_failed()) return;
    const char *from = cuda->upload.pinned + slot * UPLOAD_SLOT_BYTES;
    if (!CUDA_OK(cudaMemcpyAsync(dst, from, (size_t)bytes, cudaMemcpyHostToDevice, cuda->stream))) return;
    cuda->upload.used[slot] = CUDA_OK(cudaEventRecord(cuda->upload.copied[slot], cuda->stream));
}

static void *pageable_need(int64_t bytes)
{
    if (cuda->upload.pageable.bytes >= bytes) return cuda->upload.pageable.p;
    void *grown = realloc(cuda->upload.pageable.p, (size_t)(bytes + bytes / 2));
    if (!grown) {
        fprintf(stderr, "out of memory: %lld bytes on the host for a list of jobs or spans; use a smaller batch\n",
                (long long)bytes);
        exit(1);
    }
    cuda->upload.pageable.p     = grown;
    cuda->upload.pageable.bytes = bytes + bytes / 2;
    return grown;
}

void *cuda_list(int64_t bytes)
{
    const bool large         = bytes > UPLOAD_SLOT_BYTES;
    const int  slot          = large || cuda_refused("a list of spans or jobs from the host") ? -1 : slot_next();
    return cuda->upload.list = slot < 0 ? pageable_need(bytes) : cuda->upload.pinned + slot * UPLOAD_SLOT_BYTES;
}

const char *cuda_send(int64_t bytes)
{
    char *p = (char *)cuda_scratch(SCRATCH_LISTS, bytes);
    if (cuda_failed()) return p;
    if (cuda->upload.list == cuda->upload.pageable.p)
        cuda_put(p, cuda->upload.list, bytes);
    else
        slot_send(p, bytes, (int)(((char *)cuda->upload.list - cuda->upload.pinned) / UPLOAD_SLOT_BYTES));
    return p;
}

void cuda_put(void *dst, const void *host, int64_t bytes)
{
    if (bytes <= 0 || cuda_failed() || cuda_refused("a copy from the host")) return;
    for (int64_t at = 0, n; at < bytes; at += n) {
        n              = bytes - at < UPLOAD_SLOT_BYTES ? bytes - at : UPLOAD_SLOT_BYTES;
        const int slot = slot_next();
        if (slot < 0) return;
        memcpy(cuda->upload.pinned + slot * UPLOAD_SLOT_BYTES, (const char *)host + at, (size_t)n);
        slot_send((char *)dst + at, n, slot);
    }
}
