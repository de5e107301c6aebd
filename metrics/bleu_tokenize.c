#include "metrics/bleu_tokenize.h"

#include <string.h>
#include <utf8proc.h>

/* The classes of characters that the rules ask for. OTHER marks a control character that may be a
 * blank. The high bit of a byte of a longer character is the same bit: both mark what only the slow
 * way through Python's split() can tell. */
enum { DIGIT = 1, POINT = 2, DASH = 4, SPACED = 8, NUMBER = 16, PUNCTUATION = 32, SYMBOL = 64, OTHER = 128 };

/* ASCII for both tokenizers. 13a puts blanks around these:
 *     { | } ~ [ \ ] ^ _ ` blank ! " # $ % & ( ) * + : ; < = > ? @ /
 * and leaves these to the rules of their neighbours: ' , - . */
/* clang-format off */
enum { FIGURE = DIGIT | NUMBER, MARK = SPACED | PUNCTUATION, SIGN = SPACED | SYMBOL };
static const unsigned char ascii[256] = {
    ['\t'] = OTHER, ['\n'] = OTHER, ['\v'] = OTHER, ['\f'] = OTHER, ['\r'] = OTHER, [0x1C] = OTHER,
    [0x1D] = OTHER, [0x1E] = OTHER, [0x1F] = OTHER,
    [' '] = SPACED, ['\''] = PUNCTUATION, ['-'] = DASH | PUNCTUATION, ['.'] = POINT | PUNCTUATION,
    [','] = POINT | PUNCTUATION,
    ['0'] = FIGURE, ['1'] = FIGURE, ['2'] = FIGURE, ['3'] = FIGURE, ['4'] = FIGURE, ['5'] = FIGURE,
    ['6'] = FIGURE, ['7'] = FIGURE, ['8'] = FIGURE, ['9'] = FIGURE,
    ['!'] = MARK, ['"'] = MARK, ['#'] = MARK, ['%'] = MARK, ['&'] = MARK, ['('] = MARK, [')'] = MARK,
    ['*'] = MARK, ['/'] = MARK, [':'] = MARK, [';'] = MARK, ['?'] = MARK, ['@'] = MARK, ['['] = MARK,
    ['\\'] = MARK, [']'] = MARK, ['_'] = MARK, ['{'] = MARK, ['}'] = MARK,
    ['$'] = SIGN, ['+'] = SIGN, ['<'] = SIGN, ['='] = SIGN, ['>'] = SIGN, ['^'] = SIGN, ['`'] = SIGN,
    ['|'] = SIGN, ['~'] = SIGN,
};
/* clang-format on */

static int class_of(unsigned cp)
{
    static const unsigned numbers     = CATEGORY(ND) | CATEGORY(NL) | CATEGORY(NO),
                          punctuation = CATEGORY(PC) | CATEGORY(PD) | CATEGORY(PS) | CATEGORY(PE) | CATEGORY(PI) |
                                        CATEGORY(PF) | CATEGORY(PO),
                          symbols = CATEGORY(SM) | CATEGORY(SC) | CATEGORY(SK) | CATEGORY(SO);
    unsigned category             = py_category(cp);
    return category & numbers ? NUMBER : category & punctuation ? PUNCTUATION : category & symbols ? SYMBOL : 0;
}

/* The bytes and the class of the character at s. 13a looks at ASCII only, so for it (wide: false)
 * bytes do as well as characters. */
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

/* Puts a blank on both sides of every symbol. */
static void pass_symbols(const str *in, str *out)
{
    size_t len;
    str_clear(out);
    char *to = str_reserve(out, 3 * in->n);
    for (size_t i = 0; i < in->n; i += len) {
        bool symbol = character(in->s + i, in->n - i, true, &len) & SYMBOL;
        if (symbol) *to++ = ' ';
        to = put(to, in->s + i, len);
        if (symbol) *to++ = ' ';
    }
    end(out, to);
}

/* A pair of neighbours that matches is written as [blank] first, blank, second [blank]. */
typedef struct {
    int  first, second;         /* the class that each must have, */
    bool first_not, second_not; /* or must not have */
    bool before, after;         /* whether a blank goes there; one always goes between */
} pair_rule;

/* Looks for pairs from left to right; they do not overlap, as in a regular expression's
 * substitution. */
static inline void pass_pairs(const str *in, str *out, pair_rule r, bool wide)
{
    size_t n = in->n, len = 0, next_len = 0;
    str_clear(out);
    char *to   = str_reserve(out, 3 * n);
    int   here = n ? character(in->s, n, wide, &len) : 0, next = 0;
    for (size_t i = 0; i < n; i += len, len = next_len, here = next) {
        const char *first = in->s + i, *second = first + len;
        size_t      left = n - i - len;
        next             = left ? character(second, left, wide, &next_len) : 0;
        bool match       = left && !!(here & r.first) != r.first_not && !!(next & r.second) != r.second_not;
        if (match && r.before) *to++ = ' ';
        to = put(to, first, len);
        if (!match) continue;
        *to++ = ' ';
        to    = put(to, second, next_len);
        if (r.after) *to++ = ' ';
        len += next_len;
        left -= next_len;
        next = left ? character(second + next_len, left, wide, &next_len) : 0;
    }
    end(out, to);
}

static void copy(str *to, slice text)
{
    str_clear(to);
    str_add(to, text.s, text.n);
}

/* Adds a text that is one token or empty, or, where `seen` says that it may hold blanks,
 * several. */
static inline void tokens_of(vocabulary *words, slice text, int seen, token_list *out)
{
    if (seen & OTHER)
        vocabulary_split(words, text, out);
    else if (text.n)
        tokens_add(out, vocabulary_add(words, text.s, text.n));
}

/* Works in place: `by` is never longer than `what`. */
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

/* The language-independent part of mteval-v13a. */
static slice unescape_13a(bleu_tokenizer_scratch *s, slice text)
{
    /* They are replaced in this order and once each: "&amp;quot;" becomes "&quot;". */
    static const char *const entity[4][2] = { { "&quot;", "\"" }, { "&amp;", "&" }, { "&lt;", "<" }, { "&gt;", ">" } };
    bool tags = text.n && memchr(text.s, '<', text.n), newlines = text.n && memchr(text.s, '\n', text.n),
         entities = text.n && memchr(text.s, '&', text.n);
    if (!tags && !newlines && !entities) return text;
    copy(&s->text, text);
    if (tags) replace_all(&s->text, "<skipped>", "");
    if (newlines) replace_all(&s->text, "-\n", "");
    if (newlines) replace_all(&s->text, "\n", " ");
    for (size_t i = 0; entities && i < 4; i++) replace_all(&s->text, entity[i][0], entity[i][1]);
    return (slice) { s->text.s, s->text.n };
}

/* Adds the tokens of a stretch between spaced characters. The rules for points and dashes look at
 * neighbours, and the neighbours of a stretch's ends are blanks, so they apply to each stretch
 * alone. seen: the classes of its characters; before: the classes of all but the last. */
static void add_stretch(bleu_tokenizer_scratch *s, slice stretch, int seen, int before, vocabulary *words,
                        token_list *out)
{
    bool points = seen & POINT, dashes = seen & DASH && seen & DIGIT;
    if (points && !(before & POINT) && !dashes) {
        /* The only point is the last character: it is split off whatever stands before it. */
        tokens_of(words, (slice) { stretch.s, stretch.n - 1 }, before, out);
        tokens_add(out, vocabulary_add(words, stretch.s + stretch.n - 1, 1));
        return;
    }
    if (points || dashes) {
        str_clear(&s->next);
        str_putc(&s->next, ' ');
        str_add(&s->next, stretch.s, stretch.n);
        str_putc(&s->next, ' ');
        pass_pairs(&s->next, &s->pass,
                   (pair_rule) { .first = DIGIT, .first_not = true, .second = POINT, .after = true }, false);
        pass_pairs(&s->pass, &s->next,
                   (pair_rule) { .first = POINT, .second = DIGIT, .second_not = true, .before = true }, false);
        pass_pairs(&s->next, &s->pass, (pair_rule) { .first = DIGIT, .second = DASH, .after = true }, false);
        stretch = (slice) { s->pass.s, s->pass.n };
        seen    = OTHER;
    }
    tokens_of(words, stretch, seen, out);
}

static void tokenize_13a(bleu_tokenizer_scratch *s, slice text, vocabulary *words, token_list *out)
{
    text = unescape_13a(s, text);
    for (size_t i = 0; i < text.n; i++) {
        size_t        start = i;
        unsigned char seen = 0, before = 0, c = 0;
        for (; i < text.n && !((c = ascii[(unsigned char)text.s[i]]) & SPACED); i++) {
            before = seen;
            seen |= c | (text.s[i] & OTHER);
        }
        if (i > start) add_stretch(s, (slice) { text.s + start, i - start }, seen, before, words, out);
        if (i < text.n && text.s[i] != ' ') tokens_add(out, vocabulary_add(words, text.s + i, 1));
    }
}

/* The classes of all characters of a stretch. */
static int classes_of(slice stretch)
{
    int    seen = 0;
    size_t len;
    for (size_t i = 0; i < stretch.n; i += len) seen |= character(stretch.s + i, stretch.n - i, true, &len);
    return seen;
}

/* As for 13a, what stands between blanks can be looked at alone. Only a line's ends are no blanks
 * here: a rule finds no neighbour there. */
static void tokenize_intl(bleu_tokenizer_scratch *s, slice text, vocabulary *words, token_list *out)
{
    for (size_t i = 0; i < text.n; i++) {
        size_t start = i;
        int    seen  = 0;
        for (; i < text.n && text.s[i] != ' '; i++) seen |= ascii[(unsigned char)text.s[i]] | (text.s[i] & OTHER);
        slice stretch = { text.s + start, i - start };
        if (seen & OTHER) seen = OTHER | classes_of(stretch);
        if (!(seen & (PUNCTUATION | SYMBOL))) {
            tokens_of(words, stretch, seen, out);
            continue;
        }
        size_t from = start - (start > 0), to = i + (i < text.n);
        copy(&s->text, (slice) { text.s + from, to - from });
        if (seen & PUNCTUATION) {
            pass_pairs(&s->text, &s->next,
                       (pair_rule) { .first = NUMBER, .first_not = true, .second = PUNCTUATION, .after = true }, true);
            pass_pairs(&s->next, &s->text,
                       (pair_rule) { .first = PUNCTUATION, .second = NUMBER, .second_not = true, .before = true },
                       true);
        }
        if (seen & SYMBOL) {
            pass_symbols(&s->text, &s->next);
            copy(&s->text, (slice) { s->next.s, s->next.n });
        }
        vocabulary_split(words, (slice) { s->text.s, s->text.n }, out);
    }
}

static void tokenize_char(slice text, vocabulary *words, token_list *out)
{
    unsigned cp;
    for (size_t i = 0, len; i < text.n; i += len) {
        len = (size_t)py_next(text.s + i, text.n - i, &cp);
        if (!is_space_py(cp)) tokens_add(out, vocabulary_add(words, text.s + i, len));
    }
}

void bleu_tokenize(bleu_tokenizer_scratch *s, slice segment, bleu_tokenizer tokenizer, bool lowercase,
                   vocabulary *words, token_list *out)
{
    if (lowercase) {
        str_clear(&s->lower);
        py_lower(segment, &s->lower);
        segment = (slice) { str_c(&s->lower), s->lower.n };
    }
    segment = py_rstrip(segment);
    switch (tokenizer) {
    case BLEU_13A: tokenize_13a(s, segment, words, out); break;
    case BLEU_INTL: tokenize_intl(s, segment, words, out); break;
    case BLEU_CHAR: tokenize_char(segment, words, out); break;
    case BLEU_NONE: vocabulary_split(words, segment, out); break;
    }
}
