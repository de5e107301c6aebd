/* Finds the item an id belongs to: a hash table from texts to numbers.
 *
 *     id_index ix = { 0 };
 *     int64_t before = id_index_put(&ix, "q-17", 4, 17);   // -1: new
 *     int64_t item   = id_index_get(&ix, "q-17", 4);       // 17; -1: not there
 *     id_index_free(&ix); */
#ifndef TIEBREAK_SCORE_ID_INDEX_H
#define TIEBREAK_SCORE_ID_INDEX_H
#include <stddef.h>
#include <stdint.h>

typedef struct {
    struct id_slot *slots;
    size_t          n, cap;
} id_index;

/* Ids are borrowed. An id that is there already keeps its number, which is returned; -1: it is
 * new. */
int64_t id_index_put(id_index *ix, const char *id, size_t n, int64_t item);
int64_t id_index_get(const id_index *ix, const char *id, size_t n);
void    id_index_free(id_index *ix);
#endif
