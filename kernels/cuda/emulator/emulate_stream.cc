/* The emulator's stream: what is put on it runs as late as CUDA allows, in order. Copies,
 * events, graphs.
 *
 * Between cudaStreamBeginCapture and cudaStreamEndCapture items go into a graph instead. What
 * would wait, allocate or read pageable memory there is refused and spoils the capture, as under
 * cudaStreamCaptureModeThreadLocal. */
#include <deque>
#include <map>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <vector>

#include "kernels/cuda/emulator/emulate_memory.h"

typedef std::function<void()> item;

struct emulated_node {
    item              run;
    cudaGraphNodeType type;
};
struct emulated_graph {
    std::vector<emulated_node> nodes;
};
struct emulated_event {
    double  ms;     /* on the host's clock, when the stream came by */
    int64_t behind; /* items that the stream had been given by then */
};

enum { MOST_WAITING = 1024 }; /* a GPU's queue has an end too */

static struct {
    std::deque<item> waiting;
    int64_t          given, done;
    emulated_graph  *captured; /* NULL: no capture */
    bool             spoiled;
    bool             lost; /* the device, for this process */
    cudaError_t      last_error;
} stream;

static std::map<const void *, size_t> pinned; /* address -> bytes */

static void do_next(void)
{
    item next = std::move(stream.waiting.front());
    stream.waiting.pop_front();
    next();
    stream.done++;
}

void emulate_lose_device(void) { stream.lost = true; }

cudaError_t emulate_enqueue(const std::function<void()> &work, cudaGraphNodeType type)
{
    if (stream.lost) return cudaErrorIllegalAddress;
    if (stream.captured && stream.spoiled) return cudaErrorStreamCaptureInvalidated;
    if (stream.captured) {
        stream.captured->nodes.push_back({ work, type });
        return cudaSuccess;
    }
    stream.waiting.push_back(work);
    stream.given++;
    if (stream.waiting.size() > MOST_WAITING) do_next();
    return cudaSuccess;
}

bool emulate_allowed(void)
{
    if (stream.captured) stream.spoiled = true;
    return !stream.captured;
}

bool emulate_wait(void)
{
    if (!emulate_allowed()) return false;
    while (!stream.waiting.empty()) do_next();
    return true;
}

void emulate_launched(cudaError_t e)
{
    if (e != cudaSuccess) stream.last_error = e;
}
cudaError_t cudaGetLastError(void)
{
    cudaError_t e     = stream.last_error;
    stream.last_error = cudaSuccess;
    return e;
}

/* All streams are this one queue: what each of them promises, in the order of the calls. */
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *made, unsigned)
{
    static int all;
    *made = &all;
    return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t)
{
    if (!emulate_wait()) return cudaErrorStreamCaptureUnsupported;
    emulate_memory_close();
    return stream.lost ? cudaErrorIllegalAddress : cudaSuccess;
}

/* --- copies */

cudaError_t cudaMallocHost(void **p, size_t bytes)
{
    if (!emulate_allowed()) return cudaErrorStreamCaptureUnsupported;
    *p = malloc(bytes);
    if (!*p) return cudaErrorMemoryAllocation;
    pinned[*p] = bytes;
    return cudaSuccess;
}
cudaError_t cudaFreeHost(void *p)
{
    pinned.erase(p);
    free(p);
    return cudaSuccess;
}

static bool is_pinned(const void *p, size_t bytes)
{
    auto next = pinned.upper_bound(p);
    if (next == pinned.begin()) return false;
    auto at = std::prev(next);
    return (const char *)p + bytes <= (const char *)at->first + at->second;
}

static void need_device(const void *p, size_t bytes)
{
    if (emulate_on_device(p, bytes)) return;
    fprintf(stderr, "emulated CUDA: a copy or memset of %zu bytes at %p, which is no device memory any more\n", bytes,
            p);
    abort();
}

static item copy_of(void *dst, const void *src, size_t bytes, cudaMemcpyKind kind)
{
    return [=] {
        emulate_memory_open();
        if (kind != cudaMemcpyDeviceToHost) need_device(dst, bytes);
        if (kind != cudaMemcpyHostToDevice) need_device(src, bytes);
        memmove(dst, src, bytes);
    };
}

cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t bytes, cudaMemcpyKind kind, cudaStream_t)
{
    const item  copy     = copy_of(dst, src, bytes, kind);
    const void *host     = kind == cudaMemcpyHostToDevice ? src : dst;
    const bool  pageable = kind != cudaMemcpyDeviceToDevice && !is_pinned(host, bytes);
    if (kind != cudaMemcpyDeviceToHost && !emulate_on_device(dst, bytes)) return cudaErrorInvalidValue;
    if (kind != cudaMemcpyHostToDevice && !emulate_on_device(src, bytes)) return cudaErrorInvalidValue;
    if (!pageable) return emulate_enqueue(copy, cudaGraphNodeTypeMemcpy);
    if (!emulate_allowed()) return cudaErrorStreamCaptureUnsupported;
    /* as where a GPU reads such memory in place; others read it at once */
    if (kind == cudaMemcpyHostToDevice) return emulate_enqueue(copy, cudaGraphNodeTypeMemcpy);
    emulate_wait();
    copy();
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *dst, int value, size_t bytes, cudaStream_t)
{
    if (!emulate_on_device(dst, bytes)) return cudaErrorInvalidValue;
    const item set = [=] {
        emulate_memory_open();
        need_device(dst, bytes);
        memset(dst, value, bytes);
    };
    return emulate_enqueue(set, cudaGraphNodeTypeMemset);
}

/* --- events */

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned)
{
    *event = new emulated_event();
    return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    delete event;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t)
{
    const item look = [=] {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        event->ms = 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
    };
    const cudaError_t e = emulate_enqueue(look, cudaGraphNodeTypeMemcpy);
    event->behind       = stream.given;
    return e;
}

/* No further than the event. */
cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    if (!emulate_allowed()) return cudaErrorStreamCaptureUnsupported;
    while (stream.done < event->behind) do_next();
    return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to)
{
    *ms = (float)(to->ms - from->ms);
    return cudaSuccess;
}

/* --- graphs */

cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode)
{
    if (stream.captured) return cudaErrorIllegalState;
    stream.captured = new emulated_graph();
    stream.spoiled  = false;
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t *graph)
{
    if (!stream.captured) return cudaErrorIllegalState;
    if (stream.spoiled) delete stream.captured;
    *graph          = stream.spoiled ? NULL : stream.captured;
    stream.captured = NULL;
    return *graph ? cudaSuccess : cudaErrorStreamCaptureInvalidated;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long)
{
    *exec = new emulated_graph(*graph);
    return cudaSuccess;
}
cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t)
{
    return stream.captured ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t)
{
    for (const emulated_node &node : exec->nodes) {
        cudaError_t e = emulate_enqueue(node.run, node.type);
        if (e != cudaSuccess) return e;
    }
    return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    delete graph;
    return cudaSuccess;
}

/* As CUDA does: nodes of NULL asks how many there are. */
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *count)
{
    *count = graph->nodes.size();
    for (size_t i = 0; nodes && i < *count; i++) nodes[i] = &graph->nodes[i];
    return cudaSuccess;
}
cudaError_t cudaGraphNodeGetType(cudaGraphNode_t node, cudaGraphNodeType *type)
{
    *type = node->type;
    return cudaSuccess;
}
