#include "score/id_index.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

struct id_slot {
    const char *id; /* NULL: the slot is free */
    size_t      n;
    uint64_t    hash;
    int64_t     item;
};

/* FNV-1a of 64 bits and a last mix, so that the low bits are as good as the high ones. */
static uint64_t hash_of(const char *id, size_t n)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)id[i]) * 1099511628211u;
    return h ^ h >> 32;
}

/* The slot that holds the id, or the free slot where it belongs. */
static struct id_slot *find(const id_index *ix, const char *id, size_t n, uint64_t hash)
{
    for (size_t at = hash & (ix->cap - 1);; at = (at + 1) & (ix->cap - 1)) {
        struct id_slot *s = &ix->slots[at];
        if (!s->id || (s->hash == hash && s->n == n && !memcmp(s->id, id, n))) return s;
    }
}

static void grow(id_index *ix)
{
    id_index bigger = { .cap = ix->cap ? 2 * ix->cap : 1024, .n = ix->n };
    bigger.slots    = mem_alloc(bigger.cap, sizeof *bigger.slots);
    for (size_t i = 0; i < ix->cap; i++)
        if (ix->slots[i].id) *find(&bigger, ix->slots[i].id, ix->slots[i].n, ix->slots[i].hash) = ix->slots[i];
    free(ix->slots);
    *ix = bigger;
}

int64_t id_index_put(id_index *ix, const char *id, size_t n, int64_t item)
{
    if (2 * (ix->n + 1) > ix->cap) grow(ix);
    uint64_t        hash = hash_of(id, n);
    struct id_slot *s    = find(ix, id, n, hash);
    if (s->id) return s->item;
    *s = (struct id_slot) { id, n, hash, item };
    ix->n++;
    return -1;
}

int64_t id_index_get(const id_index *ix, const char *id, size_t n)
{
    if (!ix->cap) return -1;
    const struct id_slot *s = find(ix, id, n, hash_of(id, n));
    return s->id ? s->item : -1;
}

void id_index_free(id_index *ix)
{
    free(ix->slots);
    *ix = (id_index) { 0 };
}
