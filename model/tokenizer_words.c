/* Normaliser and pre-tokenizer: a piece of text to words. */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "core/error.h"
#include "model/tokenizer_parts.h"

/* Letters (L) and numbers (N) that came with Unicode 15, 15.1 and 16 (UnicodeData.txt): the patterns' reference engine knows them, PCRE2 10.42 does
 * not. */
static const struct {
    unsigned first, last;
    char     kind;
} after_unicode_14[] = {
    { 0x1C89, 0x1C8A, 'L' },   { 0xA7CB, 0xA7CD, 'L' },   { 0xA7DA, 0xA7DC, 'L' },   { 0x105C0, 0x105F3, 'L' }, { 0x10D40, 0x10D49, 'N' },
    { 0x10D4A, 0x10D65, 'L' }, { 0x10D6F, 0x10D85, 'L' }, { 0x10EC2, 0x10EC4, 'L' }, { 0x1123F, 0x11240, 'L' }, { 0x11380, 0x11389, 'L' },
    { 0x1138B, 0x1138B, 'L' }, { 0x1138E, 0x1138E, 'L' }, { 0x11390, 0x113B5, 'L' }, { 0x113B7, 0x113B7, 'L' }, { 0x113D1, 0x113D1, 'L' },
    { 0x113D3, 0x113D3, 'L' }, { 0x116D0, 0x116E3, 'N' }, { 0x11BC0, 0x11BE0, 'L' }, { 0x11BF0, 0x11BF9, 'N' }, { 0x11F02, 0x11F02, 'L' },
    { 0x11F04, 0x11F10, 'L' }, { 0x11F12, 0x11F33, 'L' }, { 0x11F50, 0x11F59, 'N' }, { 0x1342F, 0x1342F, 'L' }, { 0x13441, 0x13446, 'L' },
    { 0x13460, 0x143FA, 'L' }, { 0x16100, 0x1611D, 'L' }, { 0x16130, 0x16139, 'N' }, { 0x16D40, 0x16D6C, 'L' }, { 0x16D70, 0x16D79, 'N' },
    { 0x18CFF, 0x18CFF, 'L' }, { 0x1B132, 0x1B132, 'L' }, { 0x1B155, 0x1B155, 'L' }, { 0x1CCF0, 0x1CCF9, 'N' }, { 0x1D2C0, 0x1D2D3, 'N' },
    { 0x1DF25, 0x1DF2A, 'L' }, { 0x1E030, 0x1E06D, 'L' }, { 0x1E4D0, 0x1E4EB, 'L' }, { 0x1E4F0, 0x1E4F9, 'N' }, { 0x1E5D0, 0x1E5ED, 'L' },
    { 0x1E5F0, 0x1E5F0, 'L' }, { 0x1E5F1, 0x1E5FA, 'N' }, { 0x2B739, 0x2B739, 'L' }, { 0x2EBF0, 0x2EE5D, 'L' }, { 0x31350, 0x323AF, 'L' },
};

/* A copy for the pattern to look at, where such characters are replaced by old ones of the same class and length; NULL: none occurs. */
static char *stand_ins(const char *s, size_t n)
{
    char *copy = NULL;
    for (size_t i = 0; i < n;) {
        unsigned cp = 0;
        int      k  = (unsigned char)s[i] < 0xE1 ? 1 : utf8_decode(s + i, n - i, &cp);
        for (size_t r = 0; k > 2 && r < sizeof after_unicode_14 / sizeof *after_unicode_14; r++) {
            if (cp < after_unicode_14[r].first || cp > after_unicode_14[r].last) continue;
            if (!copy) copy = mem_strndup(s, n);
            const char *with = after_unicode_14[r].kind == 'L' ? (k == 3 ? "\xE0\xA4\x84" : "\xF0\x90\x80\x80")
                                                               : (k == 3 ? "\xE0\xA5\xA6" : "\xF0\x9D\x9F\x8E");
            memcpy(copy + i, with, (size_t)k);
        }
        i += (size_t)k;
    }
    return copy;
}

/* PCRE2's \s under UCP also takes U+180E; the reference's is Unicode's White_Space. */
static char *rewrite_space(const char *pattern)
{
    str  out     = { 0 };
    bool in_list = false;
    for (const char *c = pattern; *c; c++) {
        if (c[0] == '\\' && (c[1] == 's' || c[1] == 'S')) {
            if (in_list && c[1] == 's')
                str_puts(&out, "\\t-\\r\\x{85}\\p{Z}");
            else if (in_list)
                str_add(&out, c, 2); /* a negated class inside a list: left to PCRE2 */
            else
                str_puts(&out, c[1] == 's' ? "[\\t-\\r\\x{85}\\p{Z}]" : "[^\\t-\\r\\x{85}\\p{Z}]");
            c++;
        } else if (c[0] == '\\' && c[1]) {
            str_add(&out, c++, 2);
        } else {
            if (*c == '[') in_list = true;
            if (*c == ']') in_list = false;
            str_putc(&out, *c);
        }
    }
    return out.s ? out.s : mem_strdup("");
}

int regex_compile(pcre2_code **out, const char *pattern, const char *where)
{
    int        code;
    PCRE2_SIZE at;
    char      *text = rewrite_space(pattern);
    *out            = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
    free(text);
    if (!*out) {
        PCRE2_UCHAR why[128];
        pcre2_get_error_message(code, why, sizeof why);
        return input_error("%s: the pattern %.80s does not compile: %s (at %zu)", where, pattern, (const char *)why, (size_t)at);
    }
    pcre2_jit_compile(*out, PCRE2_JIT_COMPLETE); /* where there is no JIT the interpreter runs */
    return OK;
}

/* ---- normaliser */

static void replace_all(str *text, span from, span to)
{
    str out = { 0 };
    for (size_t i = 0; i < text->n;) {
        if (from.n && i + from.n <= text->n && !memcmp(text->s + i, from.s, from.n)) {
            str_add(&out, to.s, to.n);
            i += from.n;
        } else {
            str_putc(&out, text->s[i++]);
        }
    }
    str_free(text);
    *text = out;
}

static int map_unicode(str *text, utf8proc_option_t options)
{
    utf8proc_uint8_t *mapped;
    utf8proc_ssize_t  n = utf8proc_map((const utf8proc_uint8_t *)str_c(text), (utf8proc_ssize_t)text->n, &mapped, options);
    if (n < 0) return run_error("tokenizer: utf8proc: %s", utf8proc_errmsg(n));
    str_clear(text);
    str_add(text, (const char *)mapped, (size_t)n);
    free(mapped);
    return OK;
}

static void strip(str *text)
{
    size_t   from = 0, to = text->n;
    unsigned cp;
    for (int k; from < to && (k = utf8_decode(text->s + from, to - from, &cp)) && is_space_py(cp);) from += (size_t)k;
    while (to > from) {
        size_t at = to - 1;
        while (at > from && ((unsigned char)text->s[at] & 0xC0) == 0x80) at--;
        if (!utf8_decode(text->s + at, to - at, &cp) || !is_space_py(cp)) break;
        to = at;
    }
    str kept = { 0 };
    str_add(&kept, text->s + from, to - from);
    str_free(text);
    *text = kept;
}

static int normalise(const tokenizer *t, str *text)
{
    static const int unicode[] = { [NORM_NFC]  = UTF8PROC_COMPOSE,
                                   [NORM_NFD]  = UTF8PROC_DECOMPOSE,
                                   [NORM_NFKC] = UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
                                   [NORM_NFKD] = UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT };
    int              rc        = OK;
    for (int i = 0; i < t->n_norm && !rc; i++) {
        const norm_step *s = &t->norm[i];
        switch (s->kind) {
        case NORM_PREPEND:
            if (text->n) {
                str with = { 0 };
                str_add(&with, s->to.s, s->to.n);
                str_add(&with, text->s, text->n);
                str_free(text);
                *text = with;
            }
            break;
        case NORM_REPLACE: replace_all(text, s->from, s->to); break;
        case NORM_STRIP:
            if (text->n) strip(text);
            break;
        case NORM_LOWERCASE: {
            str out = { 0 };
            for (size_t at = 0; at < text->n;) {
                unsigned cp;
                char     c[4];
                int      k = utf8_decode(text->s + at, text->n - at, &cp);
                if (cp == 0x130)
                    str_puts(&out, "i\xCC\x87");
                else
                    str_add(&out, c, (size_t)utf8_encode((unsigned)utf8proc_tolower((utf8proc_int32_t)cp), c));
                at += (size_t)k;
            }
            str_free(text);
            *text = out;
            break;
        }
        default: rc = map_unicode(text, (utf8proc_option_t)(UTF8PROC_STABLE | unicode[s->kind]));
        }
    }
    return rc;
}

/* ---- pre-tokenizer: each step cuts every word of the one before */

typedef int (*word_fn)(tokenizer *t, const char *s, size_t n, ids *out);
static int cut(tokenizer *t, int step, const char *s, size_t n, bool first, word_fn word, ids *out);

static int next_step(tokenizer *t, int step, const char *s, size_t n, word_fn word, ids *out)
{
    return n ? cut(t, step + 1, s, n, false, word, out) : OK;
}

static int cut_metaspace(tokenizer *t, int step, const char *s, size_t n, bool first, word_fn word, ids *out)
{
    static const span blank = { " ", 1 }, mark = { "\xE2\x96\x81", 3 };
    str               text = { 0 };
    str_add(&text, s, n);
    replace_all(&text, blank, mark);
    if (t->split[step].add_prefix_space && first && (text.n < 3 || memcmp(text.s, mark.s, 3))) {
        str with = { 0 };
        str_add(&with, mark.s, 3);
        str_add(&with, str_c(&text), text.n);
        str_free(&text);
        text = with;
    }
    int rc = OK;
    for (size_t from = 0, to; !rc && from < text.n; from = to) {
        for (to = from + 1; to < text.n && (to + 3 > text.n || memcmp(text.s + to, mark.s, 3)); to++) {
        }
        rc = next_step(t, step, text.s + from, to - from, word, out);
    }
    str_free(&text);
    return rc;
}

static int cut_pattern(tokenizer *t, int step, const char *s, size_t n, word_fn word, ids *out)
{
    const split_step *p    = &t->split[step];
    char             *seen = stand_ins(s, n);
    size_t            at = 0, from = 0; /* from: where the part not handed on yet begins */
    int               rc = OK;
    while (!rc && at <= n) {
        int m = pcre2_match(p->code, (PCRE2_SPTR)(seen ? seen : s), n, at, PCRE2_NO_UTF_CHECK, t->match, NULL);
        if (m == PCRE2_ERROR_NOMATCH) break;
        if (m < 0) {
            PCRE2_UCHAR why[128];
            pcre2_get_error_message(m, why, sizeof why);
            rc = input_error("%s: the pre-tokenizer's pattern gave up on a text of %zu bytes: %s", t->path, n, (const char *)why);
            break;
        }
        PCRE2_SIZE *v     = pcre2_get_ovector_pointer(t->match);
        size_t      start = v[0], end = v[1];
        if (end == start) { /* an empty match cuts nothing */
            at = end + 1;
            while (at < n && ((unsigned char)s[at] & 0xC0) == 0x80) at++;
            continue;
        }
        at = end;
        switch (p->behaviour) {
        case SPLIT_ISOLATED:
            rc = next_step(t, step, s + from, start - from, word, out);
            if (!rc) rc = next_step(t, step, s + start, end - start, word, out);
            from = end;
            break;
        case SPLIT_REMOVED:
            rc   = p->invert ? next_step(t, step, s + start, end - start, word, out) : next_step(t, step, s + from, start - from, word, out);
            from = end;
            break;
        case SPLIT_MERGE_PREVIOUS:
            rc   = next_step(t, step, s + from, end - from, word, out);
            from = end;
            break;
        case SPLIT_MERGE_NEXT:
            rc   = next_step(t, step, s + from, start - from, word, out);
            from = start;
            break;
        }
    }
    if (!rc && !(p->behaviour == SPLIT_REMOVED && p->invert)) rc = next_step(t, step, s + from, n - from, word, out);
    free(seen);
    return rc;
}

static int cut(tokenizer *t, int step, const char *s, size_t n, bool first, word_fn word, ids *out)
{
    if (step == t->n_split) return word(t, s, n, out);
    const split_step *p = &t->split[step];
    if (p->metaspace) return cut_metaspace(t, step, s, n, first, word, out);
    if (p->add_prefix_space && s[0] != ' ') {
        str text = { 0 };
        str_putc(&text, ' ');
        str_add(&text, s, n);
        int rc = p->code ? cut_pattern(t, step, text.s, text.n, word, out) : next_step(t, step, text.s, text.n, word, out);
        str_free(&text);
        return rc;
    }
    return p->code ? cut_pattern(t, step, s, n, word, out) : next_step(t, step, s, n, word, out);
}

int tokenizer_words(tokenizer *t, const char *s, size_t n, bool first, word_fn word, ids *out)
{
    if (!n) return OK;
    if (!t->n_norm) return cut(t, 0, s, n, first, word, out);
    str text = { 0 };
    str_add(&text, s, n);
    int rc = normalise(t, &text);
    if (!rc && text.n) rc = cut(t, 0, text.s, text.n, first, word, out);
    str_free(&text);
    return rc;
}
