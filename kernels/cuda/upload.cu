/* From the host to the device: lists and small arrays by way of pinned memory, which a GPU reads
 * when the stream gets there, so that the host goes on at once. A slot of it is written again
 * only when an event says that its last copy has run. CUDA could copy from the host's memory
 * itself, but whether it has read that when its call returns is left open where a GPU reads such
 * memory in place; and where it has not, nobody would know. Contract: kernels/cuda/device.h. */
#include <stdio.h>
#include <stdlib.h>

#include "kernels/cuda/device.h"

/* more than a training step of a large model sends, so that timing one never waits */
static constexpr int     SLOTS      = 256;
static constexpr int64_t SLOT_BYTES = 32 << 10; /* more than that goes in pieces */

static struct {
    char       *pinned; /* [SLOTS][SLOT_BYTES] */
    cudaEvent_t copied[SLOTS];
    bool        used[SLOTS];
    int         next;
} ring;

/* Large lists; and where lists go that nobody will send, after an error. */
static struct {
    void   *p;
    int64_t bytes;
} pageable;
static void *list; /* what cuda_list gave: a slot, or `pageable` */

/* The next slot, free to be written; -1 after an error. */
static int slot_next(void)
{
    const int i = ring.next;
    if (cuda_failed()) return -1;
    if (!ring.pinned && !CUDA_OK(cudaMallocHost((void **)&ring.pinned, SLOTS * SLOT_BYTES))) return -1;
    if (!ring.copied[i] && !CUDA_OK(cudaEventCreateWithFlags(&ring.copied[i], cudaEventDisableTiming))) return -1;
    if (ring.used[i] && !CUDA_OK(cudaEventSynchronize(ring.copied[i]))) return -1;
    ring.next    = (i + 1) % SLOTS;
    ring.used[i] = false;
    return i;
}

static void slot_send(void *dst, int64_t bytes, int slot)
{
    if (cuda_failed()) return;
    const char *from = ring.pinned + slot * SLOT_BYTES;
    if (!CUDA_OK(cudaMemcpyAsync(dst, from, (size_t)bytes, cudaMemcpyHostToDevice, cuda_stream))) return;
    ring.used[slot] = CUDA_OK(cudaEventRecord(ring.copied[slot], cuda_stream));
}

static void *pageable_need(int64_t bytes)
{
    if (pageable.bytes >= bytes) return pageable.p;
    void *grown = realloc(pageable.p, (size_t)(bytes + bytes / 2));
    if (!grown) {
        fprintf(stderr, "out of memory: %lld bytes on the host for a list of jobs or spans; use a smaller batch\n",
                (long long)bytes);
        exit(1);
    }
    pageable.p     = grown;
    pageable.bytes = bytes + bytes / 2;
    return grown;
}

void *cuda_list(int64_t bytes)
{
    const int slot = bytes > SLOT_BYTES || cuda_refused("a list of spans or jobs from the host") ? -1 : slot_next();
    return list    = slot < 0 ? pageable_need(bytes) : ring.pinned + slot * SLOT_BYTES;
}

const char *cuda_send(int64_t bytes)
{
    char *p = (char *)cuda_scratch(SCRATCH_LISTS, bytes);
    if (cuda_failed()) return p;
    if (list == pageable.p)
        cuda_put(p, list, bytes);
    else
        slot_send(p, bytes, (int)(((char *)list - ring.pinned) / SLOT_BYTES));
    return p;
}

void cuda_put(void *dst, const void *host, int64_t bytes)
{
    if (bytes <= 0 || cuda_failed() || cuda_refused("a copy from the host")) return;
    for (int64_t at = 0, n; at < bytes; at += n) {
        n              = bytes - at < SLOT_BYTES ? bytes - at : SLOT_BYTES;
        const int slot = slot_next();
        if (slot < 0) return;
        memcpy(ring.pinned + slot * SLOT_BYTES, (const char *)host + at, (size_t)n);
        slot_send((char *)dst + at, n, slot);
    }
}
