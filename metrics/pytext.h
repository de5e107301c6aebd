/* Text as Python 3 sees it: the metrics' reference tools are in Python, so its rules for case,
 * words and blanks decide the last digit.
 *
 * Character classes come from utf8proc's Unicode tables. Two rules are in no table of characters
 * and are written here: the final sigma and U+0130. All functions take valid UTF-8; an invalid byte
 * is treated as a character that belongs to no class. */
#ifndef TIEBREAK_METRICS_PYTEXT_H
#define TIEBREAK_METRICS_PYTEXT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

/* A run of bytes owned by somebody else; it may hold NUL. */
typedef struct {
    const char *s;
    size_t      n;
} slice;

slice slice_of(const char *text); /* a NUL-terminated string */
bool  slice_equal(slice a, slice b);

/* Reads the code point at s, of which n >= 1 bytes are left, and returns its length. An invalid
 * byte has length 1 and *cp = 0xFFFFFFFF. */
int py_next(const char *s, size_t n, unsigned *cp);

/* Whether the text of n >= 1 bytes begins with one of Python's blanks. *len receives the bytes of
 * its first character. */
static inline bool py_starts_blank(const char *s, size_t n, size_t *len)
{
    unsigned cp = (unsigned char)*s;
    *len        = 1;
    if (cp < 0x80) return cp == ' ' || cp - 0x09 < 5 || cp - 0x1C < 4;
    *len = (size_t)py_next(s, n, &cp);
    return is_space_py(cp);
}

/* A code point's general category by utf8proc's tables, as one bit of a set: CATEGORY(LU) is that
 * of capital letters. What is no character has CATEGORY(CN). */
#define CATEGORY(name) (1u << UTF8PROC_CATEGORY_##name)
unsigned py_category(unsigned cp);

void  py_lower(slice text, str *out); /* str.lower(), appended */
bool  py_is_word(unsigned cp);        /* \w of re: str.isalnum() or underscore */
int   py_digit(unsigned cp);          /* 0..9 for a decimal digit of any script, else -1 */
slice py_strip(slice text);           /* str.strip() */
slice py_rstrip(slice text);
/* str.split(): takes the next word off *rest; false when only blanks are left. */
bool    py_next_word(slice *rest, slice *word);
int64_t py_length(slice text); /* len(): code points */
/* len(re.split(r"\s+", text)): a blank at either end counts as one more word */
int64_t py_resplit_words(slice text);
#endif
