#include <stdlib.h>
#include <string.h>

#include "tokenizer/tokenizer_private.h"

uint64_t hash_text(const char *s, size_t n)
{
    uint64_t h = 0x9E3779B97F4A7C15u ^ n;
    for (; n >= 8; s += 8, n -= 8) {
        uint64_t w;
        memcpy(&w, s, 8);
        h = (h ^ w) * 0xFF51AFD7ED558CCDu;
        h ^= h >> 32;
    }
    uint64_t w = 0;
    memcpy(&w, s, n);
    h = (h ^ w) * 0xFF51AFD7ED558CCDu;
    return h ^ h >> 29;
}

static size_t table_size(size_t count)
{
    size_t size = 64;
    while (size < 2 * count) size *= 2;
    return size;
}

void text_map_init(text_map *m, size_t count)
{
    size_t size = table_size(count);
    *m          = (text_map) { mem_alloc(size, sizeof *m->keys), mem_alloc(size, sizeof *m->values), size - 1 };
    for (size_t i = 0; i < size; i++) m->values[i] = -1;
}

void text_map_free(text_map *m)
{
    free(m->keys);
    free(m->values);
}

static size_t text_slot(const text_map *m, const char *s, size_t n)
{
    size_t i = hash_text(s, n) & m->mask;
    while (m->values[i] >= 0 && (m->keys[i].n != n || memcmp(m->keys[i].s, s, n))) i = (i + 1) & m->mask;
    return i;
}

bool text_map_put(text_map *m, span key, int32_t value)
{
    size_t i = text_slot(m, key.s, key.n);
    if (m->values[i] >= 0) return false;
    m->keys[i]   = key;
    m->values[i] = value;
    return true;
}

int32_t text_map_get(const text_map *m, const char *s, size_t n)
{
    return m->values ? m->values[text_slot(m, s, n)] : -1;
}

static size_t merge_slot_of(const tokenizer *t, uint64_t pair)
{
    size_t i = (pair * 0x9E3779B97F4A7C15u >> 20) & t->merge_mask;
    while (t->merges[i].pair != pair && t->merges[i].pair != UINT64_MAX) i = (i + 1) & t->merge_mask;
    return i;
}

void merges_init(tokenizer *t, size_t count)
{
    size_t size   = table_size(count);
    t->merges     = mem_alloc(size, sizeof *t->merges);
    t->merge_mask = size - 1;
    for (size_t i = 0; i < size; i++) t->merges[i].pair = UINT64_MAX;
}

static uint64_t pair_of(int32_t left, int32_t right) { return (uint64_t)(uint32_t)left << 32 | (uint32_t)right; }

void merges_put(tokenizer *t, int32_t left, int32_t right, int32_t rank, int32_t id)
{
    t->merges[merge_slot_of(t, pair_of(left, right))] = (merge_slot) { pair_of(left, right), rank, id };
}

const merge_slot *merges_get(const tokenizer *t, int32_t left, int32_t right)
{
    const merge_slot *m = &t->merges[merge_slot_of(t, pair_of(left, right))];
    return m->pair == UINT64_MAX ? NULL : m;
}
