/* Memory: zeroed allocations that never return NULL, and an arena whose contents die together.
 * Sizes that come from a file are checked against the file before they get here; running out is
 * reported and ends the process. */
#ifndef TIEBREAK_CORE_MEMORY_H
#define TIEBREAK_CORE_MEMORY_H
#include <stddef.h>
#include <stdint.h>

/* count * size zeroed bytes, 64-byte aligned; free with free(). Zero bytes give a valid pointer. */
void *mem_alloc(size_t count, size_t size);
/* realloc that never fails; contents kept, new bytes are NOT zeroed. */
void *mem_resize(void *p, size_t count, size_t size);
/* Copies owned by the caller. */
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n);

/* Growing array idiom: `if (n == cap) items = mem_grow(items, &cap, sizeof *items);` doubles cap
 * (from 16). */
void *mem_grow(void *p, size_t *cap, size_t size);

/* Scratch kept between uses: room for n items, what was there may be lost; new room is zeroed. p
 * and *cap start as NULL and 0; free with free(). */
void *mem_scratch(void *p, size_t *cap, size_t n, size_t size);

/* Many small things with one lifetime. A zeroed struct is a valid empty arena. */
typedef struct arena {
    struct arena_block *blocks;
    size_t              used, cap; /* of the newest block */
} arena;

void *arena_alloc(arena *a, size_t count, size_t size); /* zeroed, 64-byte aligned */
char *arena_strndup(arena *a, const char *s, size_t n);
void  arena_free(arena *a); /* everything; the arena is empty and usable again */

/* Peak resident memory of this process, bytes. */
int64_t mem_peak_bytes(void);
#endif
