/* Graphs: the launches of many ops as one. Contract: kernels/backend.h.
 *
 * The stream is captured under cudaStreamCaptureModeThreadLocal: what this thread may not do
 * meanwhile (wait, allocate, read pageable memory) is an error that names the call, where the
 * relaxed mode would leave it out of the graph without a word; and other threads' calls do no
 * harm, which under the global mode they would. cuBLAS can be captured because its workspace is
 * ours (device.cu). */
#include "kernels/cuda/device.h"

struct backend_graph {
    cudaGraphExec_t exec;
    int64_t         launches, released; /* in it; cuda_released when it was begun */
};

static struct {
    bool    on;
    int64_t launches, released; /* as they were at the beginning */
} capture;

bool cuda_capturing(void) { return capture.on; }

void graph_begin_cuda(void)
{
    if (cuda_failed() || cuda_refused("another graph")) return;
    capture.on       = CUDA_OK(cudaStreamBeginCapture(cuda_stream, cudaStreamCaptureModeThreadLocal));
    capture.launches = cuda_launches;
    capture.released = cuda_released;
}

/* The graph as it was captured, NULL after an error. Without an end the stream would stay in
 * capture, so it is ended in any case. */
static cudaGraph_t end_of_capture(void)
{
    cudaGraph_t captured = NULL;
    if (!capture.on) return NULL;
    capture.on = false;
    CUDA_OK(cudaStreamEndCapture(cuda_stream, &captured));
    if (!cuda_failed() || !captured) return captured;
    CUDA_OK(cudaGraphDestroy(captured));
    return NULL;
}

backend_graph *graph_end_cuda(void)
{
    const cudaGraph_t captured = end_of_capture();
    if (!captured) return NULL;
    backend_graph *g = new backend_graph();
    g->launches      = cuda_launches - capture.launches; /* not done, only kept */
    g->released      = capture.released;
    cuda_launches    = capture.launches;
    CUDA_OK(cudaGraphInstantiate(&g->exec, captured, 0));
    CUDA_OK(cudaGraphDestroy(captured));
    if (!cuda_failed() && CUDA_OK(cudaGraphUpload(g->exec, cuda_stream))) return g;
    graph_free_cuda(g);
    return NULL;
}

bool graph_run_cuda(backend_graph *g)
{
    if (g->released != cuda_released) return false;
    if (cuda_failed()) return true; /* sync tells why nothing is done any more */
    cuda_launches += g->launches;
    CUDA_OK(cudaGraphLaunch(g->exec, cuda_stream));
    return true;
}

void graph_free_cuda(backend_graph *g)
{
    if (!g) return;
    CUDA_OK(cudaStreamSynchronize(cuda_stream)); /* it may be under way */
    if (g->exec) CUDA_OK(cudaGraphExecDestroy(g->exec));
    delete g;
}
