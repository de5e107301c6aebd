/* Graphs: the launches of many ops as one. Contract: kernels/backend.h.
 *
 * The stream is captured under cudaStreamCaptureModeThreadLocal. What this thread may not do
 * meanwhile (wait, allocate, read pageable memory) is then an error that names the call; the
 * relaxed mode would silently leave it out of the graph. Other threads' calls do no harm, as they
 * would under the global mode. cuBLAS can be captured because it has a workspace of its own
 * (device.cu). */
#include <vector>

#include "kernels/cuda/device.h"

struct backend_graph {
    cudaGraphExec_t exec;
    int64_t         launches; /* in the graph, a call of cuBLAS counted as one */
    int64_t         kernels;  /* its nodes that are kernels */
    int64_t         released; /* cuda->released when the capture began */
};

bool cuda_capturing(void) { return cuda->capture.on; }

void graph_begin_cuda(void)
{
    if (cuda_failed() || cuda_refused("another graph")) return;
    cuda->capture.on       = CUDA_OK(cudaStreamBeginCapture(cuda->stream, cudaStreamCaptureModeThreadLocal));
    cuda->capture.launches = cuda->launches;
    cuda->capture.released = cuda->released;
}

/* The graph as it was captured; NULL after an error. The capture is ended in any case, since the
 * stream would otherwise stay in it. */
static cudaGraph_t end_of_capture(void)
{
    cudaGraph_t captured = NULL;
    if (!cuda->capture.on) return NULL;
    cuda->capture.on = false;
    CUDA_OK(cudaStreamEndCapture(cuda->stream, &captured));
    if (!cuda_failed() || !captured) return captured;
    CUDA_OK(cudaGraphDestroy(captured));
    return NULL;
}

static int64_t kernels_of(cudaGraph_t captured)
{
    size_t  n       = 0;
    int64_t kernels = 0;
    if (!CUDA_OK(cudaGraphGetNodes(captured, NULL, &n))) return 0;
    std::vector<cudaGraphNode_t> nodes(n);
    if (n && !CUDA_OK(cudaGraphGetNodes(captured, nodes.data(), &n))) return 0;
    for (cudaGraphNode_t node : nodes) {
        cudaGraphNodeType type;
        kernels += CUDA_OK(cudaGraphNodeGetType(node, &type)) && type == cudaGraphNodeTypeKernel;
    }
    return kernels;
}

backend_graph *graph_end_cuda(void)
{
    const cudaGraph_t captured = end_of_capture();
    if (!captured) return NULL;
    backend_graph *g = new backend_graph();
    g->launches      = cuda->launches - cuda->capture.launches; /* not done, only kept */
    g->released      = cuda->capture.released;
    g->kernels       = kernels_of(captured);
    cuda->launches   = cuda->capture.launches;
    CUDA_OK(cudaGraphInstantiate(&g->exec, captured, 0));
    CUDA_OK(cudaGraphDestroy(captured));
    if (!cuda_failed() && CUDA_OK(cudaGraphUpload(g->exec, cuda->stream))) return g;
    graph_free_cuda(g);
    return NULL;
}

bool graph_run_cuda(backend_graph *g)
{
    if (g->released != cuda->released) return false;
    if (cuda_failed()) return true; /* sync tells why nothing is done any more */
    cuda->launches += g->launches;
    CUDA_OK(cudaGraphLaunch(g->exec, cuda->stream));
    return true;
}

int64_t graph_kernels_cuda(const backend_graph *g) { return g->kernels; }

void graph_free_cuda(backend_graph *g)
{
    if (!g) return;
    CUDA_OK(cudaStreamSynchronize(cuda->stream)); /* it may be under way */
    if (g->exec) CUDA_OK(cudaGraphExecDestroy(g->exec));
    delete g;
}
