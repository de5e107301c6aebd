#include "core/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct arena_block {
    struct arena_block *next;
    unsigned char      *bytes;
};

static void (*at_failure)(void);
void mem_at_failure(void (*call)(void)) { at_failure = call; }

static void out_of_memory(size_t count, size_t size)
{
    void (*call)(void) = at_failure;
    at_failure         = NULL;
    fprintf(stderr, "out of memory: %zu items of %zu bytes could not be had; use a smaller batch, rank or model\n",
            count, size);
    if (call) call();
    exit(1);
}

void *mem_alloc(size_t count, size_t size)
{
    if (size && count > (SIZE_MAX - 128) / size) out_of_memory(count, size);
    size_t bytes = (count * size + 64) & ~(size_t)63;
    void  *p     = NULL;
    if (posix_memalign(&p, 64, bytes)) out_of_memory(count, size);
    memset(p, 0, bytes);
    return p;
}

void *mem_resize(void *p, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size) out_of_memory(count, size);
    void *q = realloc(p, count > 0 && size > 0 ? count * size : 1);
    if (!q) out_of_memory(count, size);
    return q;
}

char *mem_strndup(const char *s, size_t n)
{
    char *p = mem_alloc(n + 1, 1);
    memcpy(p, s, n);
    return p;
}

char *mem_strdup(const char *s) { return mem_strndup(s, strlen(s)); }

void *mem_grow(void *p, size_t *cap, size_t size)
{
    *cap = *cap ? 2 * *cap : 16;
    return mem_resize(p, *cap, size);
}

void *mem_scratch(void *p, size_t *cap, size_t n, size_t size)
{
    if (n <= *cap) return p;
    free(p);
    *cap = n < 256 ? 256 : n + n / 2;
    return mem_alloc(*cap, size);
}

void *arena_alloc(arena *a, size_t count, size_t size)
{
    if (size && count > (SIZE_MAX - 128) / size) out_of_memory(count, size);
    size_t bytes = (count * size + 63) & ~(size_t)63;
    if (!a->blocks || a->cap - a->used < bytes) {
        struct arena_block *b = mem_alloc(1, sizeof *b);
        a->cap                = bytes > (1u << 20) ? bytes : (1u << 20);
        a->used               = 0;
        b->bytes              = mem_alloc(a->cap, 1);
        b->next               = a->blocks;
        a->blocks             = b;
    }
    void *p = a->blocks->bytes + a->used;
    a->used += bytes;
    return p;
}

char *arena_strndup(arena *a, const char *s, size_t n)
{
    char *p = arena_alloc(a, n + 1, 1);
    memcpy(p, s, n);
    return p;
}

void arena_free(arena *a)
{
    for (struct arena_block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        free(b->bytes);
        free(b);
    }
    *a = (arena) { 0 };
}

int64_t mem_peak_bytes(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (int64_t)u.ru_maxrss * 1024;
}
