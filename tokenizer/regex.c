#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "tokenizer/tokenizer_private.h"

/* PCRE2 runs compiled patterns on a stack of their own. What does not fit there goes to its
 * interpreter, which uses the heap. */
enum { JIT_STACK_FIRST = 32 << 10, JIT_STACK_MAX = 4 << 20 };

struct regex_work {
    pcre2_match_data    *match;
    pcre2_match_context *context;
    pcre2_jit_stack     *stack;
};

void regex_work_init(tokenizer *t)
{
    struct regex_work *w = t->regex = mem_alloc(1, sizeof *w);
    w->match                        = pcre2_match_data_create(1, NULL);
    w->context                      = pcre2_match_context_create(NULL);
    w->stack                        = pcre2_jit_stack_create(JIT_STACK_FIRST, JIT_STACK_MAX, NULL);
    if (w->context && w->stack) pcre2_jit_stack_assign(w->context, NULL, w->stack);
}

void regex_work_free(struct regex_work *w)
{
    if (!w) return;
    pcre2_match_data_free(w->match);
    pcre2_match_context_free(w->context);
    pcre2_jit_stack_free(w->stack);
    free(w);
}

/* Escapes that mean other characters in Oniguruma: what to write instead inside [ ], and what for
 * the capital letter (all other characters); NULL where PCRE2 has no way to say it. \s: PCRE2's has
 * U+180E too. \w: PCRE2 10.42 knows letters and numbers only. \h: a hexadecimal digit. */
static const struct {
    char        escape;
    const char *list, *other;
} dialect[] = {
    { 's', "\\t-\\r\\x{85}\\p{Z}",
      "\\x{0}-\\x{8}\\x{e}-\\x{1f}!-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}"
      "\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}" },
    { 'w', "\\p{Alphabetic}\\p{M}\\p{N}\\p{Pc}", NULL },
    { 'h', "0-9A-Fa-f", "\\x{0}-/:-@G-`g-\\x{10ffff}" },
};

static int refuse(const char *where, const char *pattern, const char *what)
{
    return input_error("%s: the pattern %.80s: %s is not supported; write it another way", where, pattern, what);
}

/* Appends the escape at *c (a backslash and a character) in PCRE2's words; *c moves to its last
 * byte. */
static int add_escape(str *out, const char **c, bool in_list, const char *pattern, const char *where)
{
    char letter = (*c)[1];
    for (size_t i = 0; i < sizeof dialect / sizeof *dialect; i++) {
        bool        other = letter == dialect[i].escape - 32;
        const char *list  = other ? dialect[i].other : dialect[i].list;
        if (letter != dialect[i].escape && !other) continue;
        *c += 1;
        if (in_list && !list) return refuse(where, pattern, "\\W inside [ ]");
        if (in_list)
            str_puts(out, list);
        else
            str_printf(out, "[%s%s]", other ? "^" : "", dialect[i].list);
        return OK;
    }
    const char *brace = letter && strchr("pPxuo", letter) && (*c)[2] == '{' ? strchr(*c, '}') : NULL;
    size_t      n     = brace ? (size_t)(brace - *c) + 1 : 2;
    str_add(out, *c, n);
    *c += n - 1;
    return OK;
}

/* Appends a [:name:] inside [ ]; Oniguruma's punct takes all symbols. Returns its last byte. */
static const char *add_posix_class(str *out, const char *c)
{
    const char *end = strstr(c, ":]") + 1;
    if (!strncmp(c, "[:punct:]", 9))
        str_puts(out, "\\p{P}\\p{S}");
    else
        str_add(out, c, (size_t)(end - c) + 1);
    return end;
}

static int translate(str *out, const char *pattern, const char *where)
{
    const char *list = NULL; /* where the open [ ] began */
    for (const char *c = pattern; *c; c++) {
        int rc = OK;
        if (c[0] == '\\' && c[1]) {
            rc = add_escape(out, &c, list != NULL, pattern, where);
            if (rc) return rc;
            continue;
        }
        if (list && c[0] == '[' && c[1] == ':' && strstr(c, ":]")) {
            c = add_posix_class(out, c);
            continue;
        }
        if (list && c[0] == '[') return refuse(where, pattern, "a set inside [ ]");
        if (list && c[0] == '&' && c[1] == '&') return refuse(where, pattern, "&& inside [ ]");
        if (!list && c[0] == '}' && c[1] == '+') return refuse(where, pattern, "{ } followed by +");
        if (!list && c[0] == '[')
            list = c[1] == '^' ? c + 1 : c;
        else if (list && c[0] == ']' && c != list + 1)
            list = NULL;
        str_putc(out, *c);
    }
    return OK;
}

int regex_compile(pcre2_code **out, const char *pattern, bool literal, const char *where)
{
    int        code;
    PCRE2_SIZE at;
    str        text = { 0 };
    *out            = NULL;
    int rc          = OK;
    if (literal)
        str_puts(&text, pattern);
    else
        rc = translate(&text, pattern, where);
    if (!rc) {
        pcre2_compile_context *context = pcre2_compile_context_create(NULL);
        if (context) pcre2_set_newline(context, PCRE2_NEWLINE_LF);
        uint32_t options = PCRE2_UTF |
                           (literal ? PCRE2_LITERAL : PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C);
        *out = pcre2_compile((PCRE2_SPTR)str_c(&text), text.n, options, &code, &at, context);
        pcre2_compile_context_free(context);
        if (!*out) {
            PCRE2_UCHAR why[128];
            pcre2_get_error_message(code, why, sizeof why);
            rc = input_error("%s: the pattern %.80s does not compile: %s (at %zu)", where, pattern, (const char *)why,
                             (size_t)at);
        }
    }
    str_free(&text);
    /* where there is no JIT, the interpreter runs */
    if (*out) pcre2_jit_compile(*out, PCRE2_JIT_COMPLETE);
    return rc;
}

static int match_at(const tokenizer *t, const regex_scan *scan)
{
    const struct regex_work *w    = t->regex;
    PCRE2_SPTR               text = (PCRE2_SPTR)(scan->seen ? scan->seen : scan->s);
    int m = pcre2_match(scan->code, text, scan->n, scan->at, PCRE2_NO_UTF_CHECK, w->match, w->context);
    if (m == PCRE2_ERROR_JIT_STACKLIMIT)
        m = pcre2_match(scan->code, text, scan->n, scan->at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, w->match, w->context);
    return m;
}

/* Steps like Oniguruma's iterator: an empty match right after the last match does not count, and
 * the search goes on one character later. */
bool regex_next(const tokenizer *t, regex_scan *scan)
{
    size_t last = scan->end;
    if (!scan->running) scan->seen = older_stand_ins(scan->s, scan->n);
    while (scan->at <= scan->n) {
        int m = match_at(t, scan);
        if (m < 0) {
            PCRE2_UCHAR why[128];
            if (m == PCRE2_ERROR_NOMATCH) break;
            pcre2_get_error_message(m, why, sizeof why);
            scan->rc = input_error("%s: a pattern gave up on a text of %zu bytes: %s", t->path, scan->n,
                                   (const char *)why);
            break;
        }
        const PCRE2_SIZE *v = pcre2_get_ovector_pointer(t->regex->match);
        if (v[0] == v[1] && scan->running && v[1] == last) {
            scan->at = v[1] + 1;
            while (scan->at < scan->n && ((unsigned char)scan->s[scan->at] & 0xC0) == 0x80) scan->at++;
            continue;
        }
        scan->start   = v[0];
        scan->end     = v[1];
        scan->at      = v[1];
        scan->running = true;
        return true;
    }
    free(scan->seen);
    scan->seen = NULL;
    return false;
}
