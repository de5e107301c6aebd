/* Memory: zeroed allocations that never return NULL, and an arena whose contents are freed
 * together. When memory runs out, that is reported and the process ends; sizes that come from a
 * file are checked against the file before they get here. */
#ifndef TIEBREAK_CORE_MEMORY_H
#define TIEBREAK_CORE_MEMORY_H
#include <stddef.h>
#include <stdint.h>

/* count * size zeroed bytes, 64-byte aligned; free with free(). Zero bytes give a valid pointer. */
void *mem_alloc(size_t count, size_t size);
/* A realloc that never fails. It keeps the contents; new bytes are NOT zeroed. */
void *mem_resize(void *p, size_t count, size_t size);
/* The caller frees the copies. */
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n);

/* Makes room in a growing array: `if (n == cap) items = mem_grow(items, &cap, sizeof *items);`
 * doubles cap, starting from 16. */
void *mem_grow(void *p, size_t *cap, size_t size);

/* Scratch that is kept between uses: makes room for n items. What was there may be lost; new room
 * is zeroed. p and *cap start as NULL and 0; free with free(). */
void *mem_scratch(void *p, size_t *cap, size_t n, size_t size);

/* An arena holds many small things with one lifetime. A zeroed struct is a valid empty arena. */
typedef struct arena {
    struct arena_block *blocks;
    size_t              used, cap; /* bytes of the newest block */
} arena;

void *arena_alloc(arena *a, size_t count, size_t size); /* zeroed, 64-byte aligned */
char *arena_strndup(arena *a, const char *s, size_t n);
void  arena_free(arena *a); /* frees everything; the arena can be used again */

/* What is called before the process ends for want of memory: to print what is done so far. NULL:
 * nothing. */
void mem_at_failure(void (*call)(void));

/* The peak resident memory of this process in bytes. */
int64_t mem_peak_bytes(void);
#endif
