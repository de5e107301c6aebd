/* A growing byte string, always NUL-terminated; a zeroed struct is the empty string. Free with
 * str_free. */
#ifndef TIEBREAK_CORE_STR_H
#define TIEBREAK_CORE_STR_H
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct {
    char  *s; /* NULL only while nothing was ever added: use str_c() */
    size_t n, cap;
} str;

void str_add(str *b, const char *bytes, size_t n);
void str_puts(str *b, const char *s);
void str_putc(str *b, char c);
void str_printf(str *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Adds an item to a list: after `between`, unless b is still empty. */
void str_item(str *b, const char *between, const char *item);
/* Room for n more bytes and the final NUL; where they go. The caller writes them, then adds
 * their number to b->n and puts the NUL. */
char       *str_reserve(str *b, size_t n);
void        str_clear(str *b); /* empty, memory kept */
void        str_free(str *b);
const char *str_c(const str *b); /* never NULL */

/* Text rules. All on bytes that are valid UTF-8 unless said otherwise. */

/* Decode one code point at s (n bytes left, n >= 1): its length 1..4 with *cp set, or 0 when s
 * does not start a valid UTF-8 sequence
 * (overlong forms, surrogates and values past U+10FFFF are invalid). */
int utf8_decode(const char *s, size_t n, unsigned *cp);
int utf8_encode(unsigned cp, char out[4]); /* length */
/* Offset of the first byte that is not valid UTF-8, or n. */
size_t utf8_valid_prefix(const char *s, size_t n);
size_t utf8_length(const char *s, size_t n); /* code points */
/* Python 3's str.isspace set (29 code points). */
bool is_space_py(unsigned cp);
#endif
