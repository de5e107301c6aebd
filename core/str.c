#include "core/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

static void reserve(str *b, size_t more)
{
    if (b->n + more + 1 <= b->cap) return;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < b->n + more + 1) cap *= 2;
    b->s   = mem_resize(b->s, cap, 1);
    b->cap = cap;
}

char *str_reserve(str *b, size_t n)
{
    reserve(b, n);
    return b->s + b->n;
}

void str_add(str *b, const char *bytes, size_t n)
{
    reserve(b, n);
    if (n) memcpy(b->s + b->n, bytes, n);
    b->n += n;
    b->s[b->n] = '\0';
}

void str_puts(str *b, const char *s) { str_add(b, s, strlen(s)); }
void str_item(str *b, const char *between, const char *item)
{
    if (b->n) str_puts(b, between);
    str_puts(b, item);
}

void str_putc(str *b, char c) { str_add(b, &c, 1); }

void str_printf(str *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    str_vprintf(b, format, args);
    va_end(args);
}

void str_vprintf(str *b, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n > 0) {
        reserve(b, (size_t)n);
        vsnprintf(b->s + b->n, (size_t)n + 1, format, again);
        b->n += (size_t)n;
    }
    va_end(again);
}

void str_clear(str *b)
{
    b->n = 0;
    if (b->s) b->s[0] = '\0';
}

void str_free(str *b)
{
    free(b->s);
    *b = (str) { 0 };
}

const char *str_c(const str *b) { return b->s ? b->s : ""; }

int utf8_decode(const char *s, size_t n, unsigned *cp)
{
    const unsigned char *p = (const unsigned char *)s;
    if (p[0] < 0x80) {
        *cp = p[0];
        return 1;
    }
    int      len = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    unsigned low = len == 4 ? 0x10000 : len == 3 ? 0x800 : 0x80;
    if (p[0] < 0xC2 || p[0] > 0xF4 || n < (size_t)len) return 0;
    unsigned c = p[0] & (0x7Fu >> len);
    for (int i = 1; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80) return 0;
        c = c << 6 | (p[i] & 0x3Fu);
    }
    if (c < low || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return 0;
    *cp = c;
    return len;
}

int utf8_encode(unsigned cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    int len = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (int i = len - 1; i > 0; i--, cp >>= 6) out[i] = (char)(0x80 | (cp & 0x3F));
    out[0] = (char)((0xF0 << (4 - len)) | cp);
    return len;
}

size_t utf8_valid_prefix(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n) {
        unsigned cp;
        int      k = utf8_decode(s + i, n - i, &cp);
        if (!k) break;
        i += (size_t)k;
    }
    return i;
}

size_t utf8_length(const char *s, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += ((unsigned char)s[i] & 0xC0) != 0x80;
    return count;
}

bool is_space_py(unsigned cp)
{
    return (cp >= 0x09 && cp <= 0x0D) || (cp >= 0x1C && cp <= 0x20) || cp == 0x85 || cp == 0xA0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 || cp == 0x202F || cp == 0x205F ||
           cp == 0x3000;
}

static bool is_control(unsigned c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

unsigned utf8_control(const char *text)
{
    unsigned c = 0;
    for (int n; text && *text; text += n > 0 ? n : 1) {
        n = utf8_decode(text, strlen(text), &c);
        if (n > 0 && is_control(c)) return c;
    }
    return 0;
}
