/* A hash table from texts to numbers.
 *
 *     string_table t = { 0 };
 *     int64_t before = string_table_put(&t, "q-17", 4, 17);   // -1: new
 *     int64_t item   = string_table_get(&t, "q-17", 4);       // 17; -1: not there
 *     string_table_free(&t);
 *
 * Texts are borrowed: their bytes stay where they are as long as the table holds them. */
#ifndef TIEBREAK_CORE_STRING_TABLE_H
#define TIEBREAK_CORE_STRING_TABLE_H
#include <stddef.h>
#include <stdint.h>

/* A zeroed struct is the empty table. */
typedef struct {
    struct string_slot *slots; /* open addressing */
    size_t              n, cap;
} string_table;

/* Enters a text of n < 2^32 bytes with a number >= 0. A text that is there already keeps its
 * number, which is returned; -1: it is new. */
int64_t string_table_put(string_table *t, const char *s, size_t n, int64_t value);
int64_t string_table_get(const string_table *t, const char *s, size_t n); /* -1: not there */
void    string_table_clear(string_table *t);                              /* empties it and keeps the memory */
void    string_table_free(string_table *t);
#endif
