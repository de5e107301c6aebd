#include "core/string_table.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

struct string_slot {
    const char *s; /* NULL: the slot is free */
    uint32_t    n, hash;
    int64_t     value;
};

enum { FIRST_CAP = 64 };

static uint32_t hash_of(const char *s, size_t n)
{
    uint64_t h = 0x9E3779B97F4A7C15u ^ n, word;
    for (; n >= 8; s += 8, n -= 8) {
        memcpy(&word, s, 8);
        h = (h ^ word) * 0xFF51AFD7ED558CCDu;
        h ^= h >> 32;
    }
    word = 0;
    memcpy(&word, s, n);
    h = (h ^ word) * 0xFF51AFD7ED558CCDu;
    return (uint32_t)(h >> 32);
}

/* The slot that holds the text, or the free slot where it belongs. */
static struct string_slot *find(const string_table *t, const char *s, size_t n, uint32_t hash)
{
    for (size_t at = hash & (t->cap - 1);; at = (at + 1) & (t->cap - 1)) {
        struct string_slot *k = &t->slots[at];
        if (!k->s || (k->hash == hash && k->n == n && !memcmp(k->s, s, n))) return k;
    }
}

static void grow(string_table *t)
{
    string_table bigger = { .n = t->n, .cap = t->cap ? 2 * t->cap : FIRST_CAP };
    bigger.slots        = mem_alloc(bigger.cap, sizeof *bigger.slots);
    for (size_t i = 0; i < t->cap; i++) {
        const struct string_slot *k = &t->slots[i];
        if (k->s) *find(&bigger, k->s, k->n, k->hash) = *k;
    }
    free(t->slots);
    *t = bigger;
}

int64_t string_table_put(string_table *t, const char *s, size_t n, int64_t value)
{
    if (2 * (t->n + 1) > t->cap) grow(t);
    uint32_t            hash = hash_of(s, n);
    struct string_slot *k    = find(t, s, n, hash);
    if (k->s) return k->value;
    *k = (struct string_slot) { s, (uint32_t)n, hash, value };
    t->n++;
    return -1;
}

int64_t string_table_get(const string_table *t, const char *s, size_t n)
{
    if (!t->cap) return -1;
    const struct string_slot *k = find(t, s, n, hash_of(s, n));
    return k->s ? k->value : -1;
}

void string_table_clear(string_table *t)
{
    if (t->slots) memset(t->slots, 0, t->cap * sizeof *t->slots);
    t->n = 0;
}

void string_table_free(string_table *t)
{
    free(t->slots);
    *t = (string_table) { 0 };
}
