/* A growing byte string, always NUL-terminated. A zeroed struct is the empty string. Free with
 * str_free. */
#ifndef TIEBREAK_CORE_STR_H
#define TIEBREAK_CORE_STR_H
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct {
    char  *s; /* NULL until something is added: read it with str_c() */
    size_t n, cap;
} str;

void str_add(str *b, const char *bytes, size_t n);
void str_puts(str *b, const char *s);
void str_putc(str *b, char c);
void str_printf(str *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void str_vprintf(str *b, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
/* Adds an item to a list, with `between` before it unless b is empty. */
void str_item(str *b, const char *between, const char *item);
/* Makes room for n more bytes and the final NUL and returns where they go. The caller writes them,
 * adds their number to b->n and writes the NUL. */
char       *str_reserve(str *b, size_t n);
void        str_clear(str *b); /* empties it and keeps the memory */
void        str_free(str *b);
const char *str_c(const str *b); /* never NULL */

/* Rules of text. All take valid UTF-8 unless they say otherwise. */

/* Decodes the code point at s, of which n >= 1 bytes are left: returns its length 1..4 and sets
 * *cp, or returns 0 where no valid UTF-8 sequence begins. Overlong forms, surrogates and values
 * past U+10FFFF are invalid. */
int utf8_decode(const char *s, size_t n, unsigned *cp);
int utf8_encode(unsigned cp, char out[4]); /* returns the length */
/* The offset of the first byte that is not valid UTF-8, or n. */
size_t utf8_valid_prefix(const char *s, size_t n);
size_t utf8_length(const char *s, size_t n); /* in code points */
/* The first control character of a text: one that ends a line, is not shown, or turns the direction
 * of writing; 0: there is none. NULL has none. */
unsigned utf8_control(const char *text);
/* Whether Python 3's str.isspace is true for it (29 code points). */
bool is_space_py(unsigned cp);
#endif
