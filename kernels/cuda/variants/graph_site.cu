/* The variant `graph`: the launches of another row's plan, captured once for a call's arrays and
 * replayed. Contract: kernels/variant.h.
 *
 * A graph knows its arrays by address. What was captured for a call is kept here, found again by
 * the call's work, and made anew where the call names other arrays than before or memory has
 * moved; other contents of the same arrays need nothing, so SITE_ADAPT is free. */
#include <stdlib.h>

#include "kernels/cuda/variants/site.h"

typedef struct {
    site_call      call;
    backend_graph *graphs[2]; /* forward, backward */
} kept_site;

static struct {
    kept_site *sites;
    int        count, room;
} kept;

static void forget(kept_site *k)
{
    for (int i = 0; i < 2; i++) {
        graph_free_cuda(k->graphs[i]);
        k->graphs[i] = NULL;
    }
}

/* What is kept for this work, if for this very call; else emptied for it. NULL where the host
 * has no memory: then nothing is kept. */
static kept_site *kept_for(const site_call *c)
{
    int i = 0;
    while (i < kept.count && kept.sites[i].call.work != c->work) i++;
    if (i == kept.room) {
        const int  room  = 2 * kept.room + 16;
        kept_site *grown = (kept_site *)realloc(kept.sites, (size_t)room * sizeof *grown);
        if (!grown) return NULL;
        kept.sites = grown;
        kept.room  = room;
    }
    if (i == kept.count) kept.sites[kept.count++] = {};
    kept_site *k = &kept.sites[i];
    if (memcmp(&k->call, c, sizeof *c) != 0) forget(k);
    k->call = *c;
    return k;
}

static void release(const site_call *c)
{
    for (int i = 0; i < kept.count; i++) {
        if (kept.sites[i].call.work != c->work) continue;
        forget(&kept.sites[i]);
        kept.sites[i--] = kept.sites[--kept.count];
    }
}

static int64_t bytes_of_A(const site_call *c) { return (c->r * c->in * (int64_t)sizeof(float) + 255) / 256 * 256; }
static int64_t bytes_of_B(const site_call *c) { return c->r * c->out * (int64_t)sizeof(float); }

int64_t site_graph_work_bytes(const site_variant *v, const site_call *c)
{
    return (site_work_bytes(v, c) + 255) / 256 * 256 + bytes_of_A(c) + bytes_of_B(c);
}

static void copy(void *to, const void *from, int64_t bytes)
{
    if (!cuda_failed()) CUDA_OK(cudaMemcpyAsync(to, from, (size_t)bytes, cudaMemcpyDeviceToDevice, cuda->stream));
}

/* The steps run once first, since a capture may neither load kernels nor allocate scratch;
 * gradients, which they add to, are put back. */
static backend_graph *capture(const site_variant *v, site_stage stage, const site_call *c)
{
    void *dA = c->dA, *dB = c->dB;
    char *at_A = (char *)c->work + (site_work_bytes(v, c) + 255) / 256 * 256, *at_B = at_A + bytes_of_A(c);
    for (int back = 0; back < 2; back++) {
        if (c->dA && stage == SITE_BACKWARD)
            copy(back ? dA : at_A, back ? at_A : dA, c->r * c->in * (int64_t)sizeof(float));
        if (c->dB && stage == SITE_BACKWARD) copy(back ? dB : at_B, back ? at_B : dB, bytes_of_B(c));
        if (!back) site_run(v, stage, c);
    }
    graph_begin_cuda();
    site_run(v, stage, c);
    return graph_end_cuda();
}

void site_graph_run(const site_variant *v, site_stage stage, const site_call *c)
{
    if (stage == SITE_RELEASE) release(c);
    if (stage == SITE_RELEASE || c->n == 0 || cuda_failed()) return;
    kept_site *k = kept_for(c);
    if (!k) {
        site_run(v, stage, c);
    } else if (stage == SITE_PREPARE || stage == SITE_ADAPT) {
        if (!k->graphs[0] && c->y) k->graphs[0] = capture(v, SITE_FORWARD, c);
        if (!k->graphs[1] && c->dx) k->graphs[1] = capture(v, SITE_BACKWARD, c);
    } else {
        backend_graph **g = &k->graphs[stage == SITE_BACKWARD];
        if (*g && graph_run_cuda(*g)) return;
        graph_free_cuda(*g);
        *g = capture(v, stage, c);
        if (*g) graph_run_cuda(*g);
    }
}
