/* The variants graph and decode-graph: the launches of base-first and of decode, captured once and
 * replayed.
 *
 * A graph knows its arrays by address, and the caller has promised the same ones in every call.
 * The handle keeps what was captured and finds it by the call's copies. It is captured anew where
 * memory has moved. Other contents of the arrays need nothing. */
#include "kernels/cuda/variants/steps.h"

typedef enum { FORWARD, BACKWARD } direction;

/* The steps that are captured. */
static void go_through(adapted_walk *w, const adapted_linear *l, direction d)
{
    const bool     bf16     = w->be->elem == 2;
    variant_stage *forward  = bf16 ? base_first_forward_bf16 : base_first_forward,
                  *backward = bf16 ? base_first_backward_bf16 : base_first_backward;
    if (w->variant->forward_only) forward = decode_forward;
    (d == FORWARD ? forward : backward)(w, l);
}

/* The same steps, run, whatever this walk is for. */
static void run(const adapted_walk *w, const adapted_linear *l, direction d)
{
    adapted_walk inner = { w->be, w->variant, true, {}, {} };
    go_through(&inner, l, d);
}

static void copy(void *to, const void *from, int64_t bytes)
{
    if (!cuda_failed()) CUDA_OK(cudaMemcpyAsync(to, from, (size_t)bytes, cudaMemcpyDeviceToDevice, cuda->stream));
}

/* Every gradient to its place in the copies, or back. */
static void save_gradients(const adapted_linear *l, bool back)
{
    char *to = (char *)l->copies;
    for (const adapted_pair *a = l->pairs; a < l->pairs + l->count; a++) {
        param        *grads[2] = { a->p.dA, a->p.dB };
        const int64_t bytes[2] = { a->p.r * l->in * (int64_t)sizeof(float), a->p.r * a->out * (int64_t)sizeof(float) };
        for (int i = 0; i < 2; to += bytes[i++])
            if (grads[i]) back ? copy(grads[i], to, bytes[i]) : copy(to, grads[i], bytes[i]);
    }
}

/* The steps run once first, since a capture may neither load kernels nor allocate scratch;
 * gradients, which they add to, are put back. */
static backend_graph *capture(const adapted_walk *w, const adapted_linear *l, direction d)
{
    if (d == BACKWARD) save_gradients(l, false);
    run(w, l, d);
    if (d == BACKWARD) save_gradients(l, true);
    graph_begin_cuda();
    run(w, l, d);
    return graph_end_cuda();
}

void graph_prepare(adapted_walk *w, const adapted_linear *l)
{
    for (const adapted_pair *a = l->pairs; a < l->pairs + l->count; a++)
        w->used.copies += a->p.r * (l->in + a->out) * (int64_t)sizeof(float);
    if (!w->runs || cuda_failed()) return;
    captured_graphs *c = &cuda->captured[l->copies];
    if (!c->forward && l->y) c->forward = capture(w, l, FORWARD);
    if (!c->backward && l->dx) c->backward = capture(w, l, BACKWARD);
}

static void replay(adapted_walk *w, const adapted_linear *l, direction d)
{
    /* Within somebody else's capture the steps are a part of it. */
    if (!w->runs || cuda_capturing()) go_through(w, l, d);
    if (!w->runs || cuda_failed() || cuda_capturing()) return;
    captured_graphs *c     = &cuda->captured[l->copies];
    backend_graph  **graph = d == FORWARD ? &c->forward : &c->backward;
    if (*graph && graph_run_cuda(*graph)) return;
    graph_free_cuda(*graph);
    *graph = capture(w, l, d);
    if (*graph) graph_run_cuda(*graph);
}

void graph_forward(adapted_walk *w, const adapted_linear *l) { replay(w, l, FORWARD); }
void graph_backward(adapted_walk *w, const adapted_linear *l) { replay(w, l, BACKWARD); }

void graph_release(adapted_walk *w, const adapted_linear *l)
{
    auto known = cuda->captured.find(l->copies);
    if (!w->runs || known == cuda->captured.end()) return;
    graph_free_cuda(known->second.forward);
    graph_free_cuda(known->second.backward);
    cuda->captured.erase(known);
}
