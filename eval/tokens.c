#include "eval/tokens.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

struct vocabulary_entry {
    size_t   start, n; /* of the token in bytes */
    uint64_t hash;
    size_t   slot;
};

void tokens_reserve(token_list *t, size_t n)
{
    if (n <= t->cap) return;
    while (t->cap < n) t->cap = t->cap ? 2 * t->cap : 64;
    t->ids = mem_resize(t->ids, t->cap, sizeof *t->ids);
}

void tokens_add(token_list *t, int32_t id)
{
    tokens_reserve(t, (size_t)t->n + 1);
    t->ids[t->n++] = id;
}

void tokens_clear(token_list *t) { t->n = 0; }

void tokens_free(token_list *t)
{
    free(t->ids);
    *t = (token_list) { 0 };
}

/* FNV-1a: short strings, one multiplication a byte; the last mix brings the high bits down to where slots are taken from. */
static const uint64_t HASH_SEED = 0xCBF29CE484222325u;
static uint64_t       hash_byte(uint64_t h, char c) { return (h ^ (unsigned char)c) * 0x100000001B3u; }
static uint64_t       hash_end(uint64_t h) { return h ^ h >> 32; }

static void place(vocabulary *v, int64_t entry)
{
    size_t mask = v->n_slots - 1, at = v->entries[entry].hash & mask;
    while (v->slots[at]) at = (at + 1) & mask;
    v->slots[at]           = (int32_t)entry + 1;
    v->entries[entry].slot = at;
}

static void grow(vocabulary *v)
{
    v->entries = mem_grow(v->entries, &v->cap, sizeof *v->entries);
    free(v->slots);
    v->n_slots = 4 * v->cap;
    v->slots   = mem_alloc(v->n_slots, sizeof *v->slots);
    for (int64_t i = 0; i < v->n; i++) place(v, i);
}

static int32_t add_hashed(vocabulary *v, const char *s, size_t n, uint64_t hash)
{
    if ((size_t)v->n == v->cap) grow(v);
    size_t mask = v->n_slots - 1;
    for (size_t at = hash & mask; v->slots[at]; at = (at + 1) & mask) {
        const struct vocabulary_entry *e = &v->entries[v->slots[at] - 1];
        if (e->hash == hash && e->n == n && !memcmp(v->bytes.s + e->start, s, n)) return v->slots[at] - 1;
    }
    v->entries[v->n] = (struct vocabulary_entry) { .start = v->bytes.n, .n = n, .hash = hash };
    str_add(&v->bytes, s, n);
    place(v, v->n);
    return (int32_t)v->n++;
}

int32_t vocabulary_add(vocabulary *v, const char *s, size_t n)
{
    uint64_t h = HASH_SEED;
    for (size_t i = 0; i < n; i++) h = hash_byte(h, s[i]);
    return add_hashed(v, s, n, hash_end(h));
}

slice vocabulary_token(const vocabulary *v, int32_t id)
{
    const struct vocabulary_entry *e = &v->entries[id];
    return (slice) { v->bytes.s + e->start, e->n };
}

void vocabulary_split(vocabulary *v, slice text, token_list *out)
{
    slice word;
    while (py_next_word(&text, &word)) tokens_add(out, vocabulary_add(v, word.s, word.n));
}

void vocabulary_clear(vocabulary *v)
{
    for (int64_t i = 0; i < v->n; i++) v->slots[v->entries[i].slot] = 0;
    v->n = 0;
    str_clear(&v->bytes);
}

void vocabulary_free(vocabulary *v)
{
    free(v->entries);
    free(v->slots);
    str_free(&v->bytes);
    *v = (vocabulary) { 0 };
}
