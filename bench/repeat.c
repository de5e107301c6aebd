/* Whether the case gives the same bits when it is run again on the same arrays. */
#include <stdlib.h>
#include <string.h>

#include "bench/check.h"
#include "core/memory.h"

enum { CHUNK = 1 << 20 };
/* Only the first and the last so many bytes of an array are hashed; most arrays are no longer. */
static const int64_t hashed_end = INT64_C(32) << 20;

/* Two texts that differ in one word have different values: each step is one to one in h. */
static uint64_t mix(uint64_t h, const unsigned char *bytes, int64_t n)
{
    for (int64_t i = 0; i < n; i += 8) {
        uint64_t word = 0;
        memcpy(&word, bytes + i, n - i < 8 ? (size_t)(n - i) : 8);
        h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 29;
    }
    return h;
}

static uint64_t hash_of(const backend *be, const void *p, int64_t bytes, uint64_t h)
{
    unsigned char *chunk = mem_alloc(CHUNK, 1);
    for (int64_t at = 0, n; at < bytes; at += n) {
        if (at >= hashed_end && at < bytes - hashed_end) at = bytes - hashed_end;
        n = bytes - at < CHUNK ? bytes - at : CHUNK;
        be->get(be, chunk, (const unsigned char *)p + at, n);
        h = mix(h, chunk, n);
    }
    free(chunk);
    return h;
}

static uint64_t run_once(bench_state *s)
{
    const backend *be  = s->be;
    bench_set     *t   = &s->sets[0];
    int64_t        row = s->dims.n * (int64_t)be->elem;
    uint64_t       h   = 1;
    adapter_zero_grad(t->adapter);
    bench_run_case(s, 0);
    if (s->spec->op->forward) h = hash_of(be, t->y, row * s->dims.out, h);
    if (!s->spec->op->backward) return h;
    h = hash_of(be, t->dx, row * s->dims.in, h);
    return hash_of(be->params, t->adapter->grad, t->adapter->theta_count * (int64_t)be->params->elem, h);
}

int bench_repeats(bench_state *s, bool *same)
{
    uint64_t first = run_once(s);
    *same          = first == run_once(s);
    return s->be->sync(s->be);
}
