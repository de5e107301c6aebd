#include "eval/bleu_tokenize.h"

#include <string.h>
#include <utf8proc.h>

/* What the rules ask of a character. */
enum { DIGIT = 1, POINT = 2, DASH = 4, SPACED = 8, NUMBER = 16, PUNCTUATION = 32, SYMBOL = 64 };

/* ASCII for both tokenizers. 13a spaces { | } ~, [ \ ] ^ _ `, blank ! " # $ % &, ( ) * +, : ; < = > ? @, / -- not ' , - . */
/* clang-format off */
enum { FIGURE = DIGIT | NUMBER, MARK = SPACED | PUNCTUATION, SIGN = SPACED | SYMBOL };
static const unsigned char ascii[256] = {
    [' '] = SPACED, ['\''] = PUNCTUATION, ['-'] = DASH | PUNCTUATION, ['.'] = POINT | PUNCTUATION, [','] = POINT | PUNCTUATION,
    ['0'] = FIGURE, ['1'] = FIGURE, ['2'] = FIGURE, ['3'] = FIGURE, ['4'] = FIGURE, ['5'] = FIGURE, ['6'] = FIGURE, ['7'] = FIGURE,
    ['8'] = FIGURE, ['9'] = FIGURE,
    ['!'] = MARK, ['"'] = MARK, ['#'] = MARK, ['%'] = MARK, ['&'] = MARK, ['('] = MARK, [')'] = MARK, ['*'] = MARK, ['/'] = MARK, [':'] = MARK,
    [';'] = MARK, ['?'] = MARK, ['@'] = MARK, ['['] = MARK, ['\\'] = MARK, [']'] = MARK, ['_'] = MARK, ['{'] = MARK, ['}'] = MARK,
    ['$'] = SIGN, ['+'] = SIGN, ['<'] = SIGN, ['='] = SIGN, ['>'] = SIGN, ['^'] = SIGN, ['`'] = SIGN, ['|'] = SIGN, ['~'] = SIGN,
};
/* clang-format on */

static int class_of(unsigned cp)
{
    if (cp > 0x10FFFF) return 0;
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return NUMBER;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO: return PUNCTUATION;
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO: return SYMBOL;
    default: return 0;
    }
}

/* The character at s: its bytes and its class. 13a looks at ASCII only, so there bytes do as well as characters (wide: false). */
static inline int character(const char *s, size_t n, bool wide, size_t *len)
{
    unsigned cp;
    *len = 1;
    if (!wide || !(*s & 0x80)) return ascii[(unsigned char)*s];
    *len = (size_t)py_next(s, n, &cp);
    return class_of(cp);
}

static inline char *put(char *to, const char *from, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] = from[i];
    return to + n;
}

static void end(str *out, const char *at)
{
    out->n         = (size_t)(at - out->s);
    out->s[out->n] = '\0';
}

/* Every character of the class gets a blank on both sides. Returns the classes seen. */
static inline int pass_spaced(const str *in, str *out, int of, bool wide)
{
    int    seen = 0;
    size_t len;
    str_clear(out);
    char *to = str_reserve(out, 3 * in->n);
    for (size_t i = 0; i < in->n; i += len) {
        int c = character(in->s + i, in->n - i, wide, &len);
        seen |= c;
        if (c & of) *to++ = ' ';
        to = put(to, in->s + i, len);
        if (c & of) *to++ = ' ';
    }
    end(out, to);
    return seen;
}

/* A pair of neighbours that matches is written as before, first, between, second, after: blanks or nothing. */
typedef struct {
    int  first, second;         /* classes: the one must be of the class, */
    bool first_not, second_not; /* or must not */
    bool before, after;         /* between there is always one */
} pair_rule;

/* Pairs are looked for from left to right and do not overlap, as in a regular expression's substitution. */
static inline void pass_pairs(const str *in, str *out, pair_rule r, bool wide)
{
    size_t len, next_len;
    str_clear(out);
    char *to = str_reserve(out, 3 * in->n);
    for (size_t i = 0; i < in->n; i += len) {
        bool match = !!(character(in->s + i, in->n - i, wide, &len) & r.first) != r.first_not && i + len < in->n;
        match      = match && !!(character(in->s + i + len, in->n - i - len, wide, &next_len) & r.second) != r.second_not;
        if (!match) {
            to = put(to, in->s + i, len);
            continue;
        }
        if (r.before) *to++ = ' ';
        to    = put(to, in->s + i, len);
        *to++ = ' ';
        to    = put(to, in->s + i + len, next_len);
        if (r.after) *to++ = ' ';
        len += next_len;
    }
    end(out, to);
}

static void swap(bleu_tokenizer_scratch *s)
{
    str t   = s->text;
    s->text = s->next;
    s->next = t;
}

/* In place: `by` is never longer than `what`. */
static void replace_all(str *text, const char *what, const char *by)
{
    if (!text->n) return;
    size_t k = strlen(what), b = strlen(by);
    char  *from = memmem(text->s, text->n, what, k), *to = from, *stop = text->s + text->n;
    while (from) {
        to          = put(to, by, b);
        char  *rest = from + k, *next = memmem(rest, (size_t)(stop - rest), what, k);
        size_t n = (size_t)((next ? next : stop) - rest);
        memmove(to, rest, n);
        to += n;
        from = next;
    }
    if (to) end(text, to);
}

static void tokenize_13a(bleu_tokenizer_scratch *s)
{
    replace_all(&s->text, "<skipped>", "");
    replace_all(&s->text, "-\n", "");
    replace_all(&s->text, "\n", " ");
    if (s->text.n && memchr(s->text.s, '&', s->text.n)) {
        /* In this order and once each: "&amp;quot;" becomes "&quot;". */
        replace_all(&s->text, "&quot;", "\"");
        replace_all(&s->text, "&amp;", "&");
        replace_all(&s->text, "&lt;", "<");
        replace_all(&s->text, "&gt;", ">");
    }
    str_clear(&s->next);
    str_putc(&s->next, ' ');
    str_add(&s->next, s->text.s, s->text.n);
    str_putc(&s->next, ' ');
    int seen = pass_spaced(&s->next, &s->text, SPACED, false);
    if (seen & POINT) {
        pass_pairs(&s->text, &s->next, (pair_rule) { .first = DIGIT, .first_not = true, .second = POINT, .after = true }, false);
        pass_pairs(&s->next, &s->text, (pair_rule) { .first = POINT, .second = DIGIT, .second_not = true, .before = true }, false);
    }
    if (seen & DASH && seen & DIGIT) {
        pass_pairs(&s->text, &s->next, (pair_rule) { .first = DIGIT, .second = DASH, .after = true }, false);
        swap(s);
    }
}

static void tokenize_intl(bleu_tokenizer_scratch *s)
{
    pass_pairs(&s->text, &s->next, (pair_rule) { .first = NUMBER, .first_not = true, .second = PUNCTUATION, .after = true }, true);
    pass_pairs(&s->next, &s->text, (pair_rule) { .first = PUNCTUATION, .second = NUMBER, .second_not = true, .before = true }, true);
    pass_spaced(&s->text, &s->next, SYMBOL, true);
    swap(s);
}

static void tokenize_char(bleu_tokenizer_scratch *s)
{
    size_t len;
    str_clear(&s->next);
    char *to = str_reserve(&s->next, 2 * s->text.n);
    for (size_t i = 0; i < s->text.n; i += len) {
        character(s->text.s + i, s->text.n - i, true, &len);
        to    = put(to, s->text.s + i, len);
        *to++ = ' ';
    }
    end(&s->next, to);
    swap(s);
}

slice bleu_tokenize(bleu_tokenizer_scratch *s, slice segment, bleu_tokenizer tokenizer, bool lowercase)
{
    str_clear(&s->text);
    if (lowercase) {
        str_reserve(&s->text, segment.n);
        py_lower(segment, &s->text);
        end(&s->text, s->text.s + py_rstrip((slice) { s->text.s, s->text.n }).n);
    } else {
        segment = py_rstrip(segment);
        str_add(&s->text, segment.s, segment.n);
    }
    switch (tokenizer) {
    case BLEU_13A: tokenize_13a(s); break;
    case BLEU_INTL: tokenize_intl(s); break;
    case BLEU_CHAR: tokenize_char(s); break;
    case BLEU_NONE: break;
    }
    return (slice) { str_c(&s->text), s->text.n };
}

void bleu_tokenizer_free(bleu_tokenizer_scratch *s)
{
    str_free(&s->text);
    str_free(&s->next);
}
