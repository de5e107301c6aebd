#include "metrics/tokens.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

struct vocabulary_entry {
    uint64_t head;     /* the whole token up to 8 bytes, a hash of a longer one */
    size_t   start, n; /* of the token, in bytes */
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

static uint64_t load(const char *s, size_t n)
{
    uint64_t x = 0;
    memcpy(&x, s, n);
    return x;
}

/* For tokens of one length up to 8, heads are equal only where tokens are: loads may overlap but
 * leave out no byte. */
static inline uint64_t head_of(const char *s, size_t n)
{
    uint64_t h = 0;
    if (n == 0) return 0;
    if (n < 4)
        return (uint64_t)(unsigned char)s[0] | (uint64_t)(unsigned char)s[n / 2] << 8 |
               (uint64_t)(unsigned char)s[n - 1] << 16;
    if (n <= 8) return load(s, 4) | load(s + n - 4, 4) << 32;
    for (size_t i = 0; i + 8 < n; i += 8) h = (h ^ load(s + i, 8)) * 0x9E3779B97F4A7C15u;
    return (h ^ load(s + n - 8, 8)) * 0x9E3779B97F4A7C15u;
}

static inline size_t first_slot(const vocabulary *v, uint64_t head, size_t n)
{
    uint64_t h = (head + n) * 0x9E3779B97F4A7C15u;
    return (size_t)(h ^ h >> 32) & (v->n_slots - 1);
}

static void place(vocabulary *v, int64_t entry, size_t at)
{
    while (v->slots[at]) at = (at + 1) & (v->n_slots - 1);
    v->slots[at]           = (int32_t)entry + 1;
    v->entries[entry].slot = at;
}

static void grow(vocabulary *v)
{
    v->entries = mem_grow(v->entries, &v->cap, sizeof *v->entries);
    free(v->slots);
    v->n_slots = 4 * v->cap;
    v->slots   = mem_alloc(v->n_slots, sizeof *v->slots);
    for (int64_t i = 0; i < v->n; i++) place(v, i, first_slot(v, v->entries[i].head, v->entries[i].n));
}

int32_t vocabulary_add(vocabulary *v, const char *s, size_t n)
{
    if ((size_t)v->n == v->cap) grow(v);
    uint64_t head = head_of(s, n);
    size_t   at   = first_slot(v, head, n);
    for (; v->slots[at]; at = (at + 1) & (v->n_slots - 1)) {
        const struct vocabulary_entry *e = &v->entries[v->slots[at] - 1];
        if (e->head == head && e->n == n && (n <= 8 || !memcmp(v->bytes.s + e->start, s, n))) return v->slots[at] - 1;
    }
    v->entries[v->n] = (struct vocabulary_entry) { .head = head, .start = v->bytes.n, .n = n };
    str_add(&v->bytes, s, n);
    place(v, v->n, at);
    return (int32_t)v->n++;
}

slice vocabulary_token(const vocabulary *v, int32_t id)
{
    const struct vocabulary_entry *e = &v->entries[id];
    return (slice) { v->bytes.s + e->start, e->n };
}

void vocabulary_split(vocabulary *v, slice text, token_list *out)
{
    for (size_t i = 0, len = 0; i < text.n; i += len) {
        size_t start = i;
        while (i < text.n && !py_starts_blank(text.s + i, text.n - i, &len)) i += len;
        if (i > start) tokens_add(out, vocabulary_add(v, text.s + start, i - start));
    }
}

void vocabulary_clear(vocabulary *v)
{
    for (int64_t i = 0; i < v->n; i++) v->slots[v->entries[i].slot] = 0;
    v->n = 0;
    str_clear(&v->bytes);
}
