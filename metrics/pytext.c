#include "metrics/pytext.h"

#include <string.h>
#include <utf8proc.h>

slice slice_of(const char *text) { return (slice) { text, strlen(text) }; }

bool slice_equal(slice a, slice b) { return a.n == b.n && (!a.n || !memcmp(a.s, b.s, a.n)); }

int py_next(const char *s, size_t n, unsigned *cp)
{
    int len = utf8_decode(s, n, cp);
    if (len) return len;
    *cp = 0xFFFFFFFFu;
    return 1;
}

/* The code point that ends at byte `end` > 0; *start receives where it begins. */
static unsigned previous(const char *s, size_t end, size_t *start)
{
    size_t   at = end - 1;
    unsigned cp;
    while (at > 0 && end - at < 4 && ((unsigned char)s[at] & 0xC0) == 0x80) at--;
    if (utf8_decode(s + at, end - at, &cp) == (int)(end - at)) {
        *start = at;
        return cp;
    }
    *start = end - 1;
    return 0xFFFFFFFFu;
}

unsigned py_category(unsigned cp)
{
    return cp > 0x10FFFF ? CATEGORY(CN) : 1u << utf8proc_category((utf8proc_int32_t)cp);
}

/* Unicode's Cased: letters with case, and those of Other_Lowercase and Other_Uppercase that are not
 * case-ignorable, which is asked first. */
static bool is_cased(unsigned cp)
{
    static const unsigned other[][2] = { { 0xAA, 0xAA },      { 0xBA, 0xBA },       { 0x2160, 0x217F },
                                         { 0x24B6, 0x24E9 },  { 0x1F130, 0x1F149 }, { 0x1F150, 0x1F169 },
                                         { 0x1F170, 0x1F189 } };
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (cp >= other[i][0] && cp <= other[i][1]) return true;
    return py_category(cp) & (CATEGORY(LU) | CATEGORY(LL) | CATEGORY(LT));
}

/* Unicode's Case_Ignorable: marks, format characters, modifiers, and the punctuation inside words
 * (Word_Break MidLetter, MidNumLet, Single_Quote). */
static bool is_case_ignorable(unsigned cp)
{
    static const unsigned inside_words[] = { 0x27,   0x2E,   0x3A,   0xB7,   0x387,  0x55F,  0x5F4,  0x2018, 0x2019,
                                             0x2024, 0x2027, 0xFE13, 0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A };
    for (size_t i = 0; i < sizeof inside_words / sizeof *inside_words; i++)
        if (cp == inside_words[i]) return true;
    return py_category(cp) & (CATEGORY(MN) | CATEGORY(ME) | CATEGORY(CF) | CATEGORY(LM) | CATEGORY(SK));
}

/* Unicode's Final_Sigma (SpecialCasing): a cased letter stands before it and none after it, where
 * case-ignorable characters are skipped. at: where the sigma starts. */
static bool is_final_sigma(slice text, size_t at)
{
    unsigned cp    = 0;
    size_t   i     = at;
    bool     cased = false;
    while (i > 0) {
        cp = previous(text.s, i, &i);
        if (is_case_ignorable(cp)) continue;
        cased = is_cased(cp);
        break;
    }
    if (!cased) return false;
    for (i = at + 2; i < text.n;) {
        i += (size_t)py_next(text.s + i, text.n - i, &cp);
        if (!is_case_ignorable(cp)) return !is_cased(cp);
    }
    return true;
}

/* Writes the lower case of cp, which starts at byte `at` of text; returns its bytes. */
static int lower_wide(slice text, size_t at, unsigned cp, int len, char *to)
{
    enum { CAPITAL_SIGMA = 0x3A3, SMALL_SIGMA = 0x3C3, FINAL_SIGMA = 0x3C2, CAPITAL_I_WITH_DOT = 0x130 };
    if (cp == CAPITAL_I_WITH_DOT) {
        /* i + U+0307 is the one full mapping that is longer than one character */
        memcpy(to, "i\xCC\x87", 3);
        return 3;
    }
    if (cp == CAPITAL_SIGMA) return utf8_encode(is_final_sigma(text, at) ? FINAL_SIGMA : SMALL_SIGMA, to);
    if (cp <= 0x10FFFF) return utf8_encode((unsigned)utf8proc_tolower((utf8proc_int32_t)cp), to);
    memcpy(to, text.s + at, (size_t)len);
    return len;
}

void py_lower(slice text, str *out)
{
    /* At worst two bytes become three. */
    char *to = str_reserve(out, text.n + text.n / 2 + 4), *start = to;
    for (size_t i = 0; i < text.n;) {
        char c = text.s[i];
        if (!(c & 0x80)) {
            *to++ = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
            i++;
        } else {
            unsigned cp;
            int      len = py_next(text.s + i, text.n - i, &cp);
            to += lower_wide(text, i, cp, len, to);
            i += (size_t)len;
        }
    }
    out->n += (size_t)(to - start);
    *to = '\0';
}

bool py_is_word(unsigned cp)
{
    if (cp < 0x80) return (cp >= '0' && cp <= '9') || (cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z') || cp == '_';
    return py_category(cp) & (CATEGORY(LU) | CATEGORY(LL) | CATEGORY(LT) | CATEGORY(LM) | CATEGORY(LO) | CATEGORY(ND) |
                              CATEGORY(NL) | CATEGORY(NO));
}

int py_digit(unsigned cp)
{
    if (cp < 0x80) return cp >= '0' && cp <= '9' ? (int)cp - '0' : -1;
    if (py_category(cp) != CATEGORY(ND)) return -1;
    /* Unicode's decimal digits come in tens, in order. Where runs touch, as mathematical digits do,
     * they still are tens. */
    unsigned first = cp;
    while (py_category(first - 1) == CATEGORY(ND)) first--;
    return (int)((cp - first) % 10);
}

slice py_rstrip(slice text)
{
    while (text.n) {
        size_t start;
        /* the common case: the last character is ASCII and no blank */
        if ((unsigned char)text.s[text.n - 1] > ' ' && !(text.s[text.n - 1] & 0x80)) break;
        if (!is_space_py(previous(text.s, text.n, &start))) break;
        text.n = start;
    }
    return text;
}

slice py_strip(slice text)
{
    while (text.n) {
        unsigned cp;
        int      len = py_next(text.s, text.n, &cp);
        if (!is_space_py(cp)) break;
        text.s += len;
        text.n -= (size_t)len;
    }
    return py_rstrip(text);
}

bool py_next_word(slice *rest, slice *word)
{
    const char *s = rest->s;
    size_t      n = rest->n, i = 0, len = 0;
    while (i < n && py_starts_blank(s + i, n - i, &len)) i += len;
    size_t start = i;
    while (i < n && !py_starts_blank(s + i, n - i, &len)) i += len;
    *word = (slice) { s + start, i - start };
    *rest = (slice) { s + i, n - i };
    return word->n > 0;
}

int64_t py_length(slice text) { return (int64_t)utf8_length(text.s, text.n); }

int64_t py_resplit_words(slice text)
{
    int64_t blanks = 0;
    bool    inside = false;
    for (size_t i = 0; i < text.n;) {
        unsigned cp;
        i += (size_t)py_next(text.s + i, text.n - i, &cp);
        bool blank = is_space_py(cp);
        blanks += blank && !inside;
        inside = blank;
    }
    return blanks + 1;
}
