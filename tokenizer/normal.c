/* Normalisers change a piece of text before it is cut into words. */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "core/error.h"
#include "tokenizer/tokenizer_private.h"

static void replace(const norm_step *step, const str *in, str *out)
{
    size_t done = 0;
    for (const char *hit; (hit = memmem(in->s + done, in->n - done, step->from.s, step->from.n));) {
        size_t at = (size_t)(hit - in->s);
        str_add(out, in->s + done, at - done);
        str_add(out, step->to.s, step->to.n);
        done = at + step->from.n;
    }
    str_add(out, in->s + done, in->n - done);
}

static int replace_pattern(const tokenizer *t, const norm_step *step, const str *in, str *out)
{
    size_t     done = 0;
    regex_scan scan = { .code = step->code, .s = in->s, .n = in->n };
    while (regex_next(t, &scan)) {
        str_add(out, in->s + done, scan.start - done);
        str_add(out, step->to.s, step->to.n);
        done = scan.end;
    }
    str_add(out, in->s + done, in->n - done);
    return scan.rc;
}

static int map_unicode(const str *in, str *out, int options)
{
    utf8proc_uint8_t *mapped = NULL;
    utf8proc_ssize_t  n      = utf8proc_map((const utf8proc_uint8_t *)in->s, (utf8proc_ssize_t)in->n, &mapped,
                                            (utf8proc_option_t)options);
    if (n < 0) return run_error("tokenizer: utf8proc: %s", utf8proc_errmsg(n));
    str_add(out, (const char *)mapped, (size_t)n);
    free(mapped);
    return OK;
}

/* Lowers character by character like Rust's char::to_lowercase, where only U+0130 becomes two. */
static void lowercase(const str *in, str *out)
{
    for (size_t at = 0; at < in->n;) {
        unsigned cp;
        char     c[4];
        at += (size_t)utf8_decode(in->s + at, in->n - at, &cp);
        if (cp == 0x130)
            str_puts(out, "i\xCC\x87");
        else
            str_add(out, c, (size_t)utf8_encode((unsigned)utf8proc_tolower((utf8proc_int32_t)cp), c));
    }
}

static void strip(const norm_step *step, const str *in, str *out)
{
    size_t   from = 0, to = in->n;
    unsigned cp;
    for (int k; step->left && from < to && (k = utf8_decode(in->s + from, to - from, &cp), is_white(cp));)
        from += (size_t)k;
    while (step->right && to > from) {
        size_t at = to - 1;
        while (at > from && ((unsigned char)in->s[at] & 0xC0) == 0x80) at--;
        utf8_decode(in->s + at, to - at, &cp);
        if (!is_white(cp)) break;
        to = at;
    }
    str_add(out, in->s + from, to - from);
}

static int run_step(const tokenizer *t, const norm_step *step, const str *in, str *out)
{
    switch (step->kind) {
    case NORM_PREPEND:
        str_add(out, step->to.s, step->to.n);
        str_add(out, in->s, in->n);
        return OK;
    case NORM_REPLACE: replace(step, in, out); return OK;
    case NORM_REPLACE_PATTERN: return replace_pattern(t, step, in, out);
    case NORM_NFC: return map_unicode(in, out, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    case NORM_NFD: return map_unicode(in, out, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE);
    case NORM_NFKC: return map_unicode(in, out, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
    case NORM_NFKD: return map_unicode(in, out, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);
    case NORM_LOWERCASE: lowercase(in, out); return OK;
    case NORM_STRIP: strip(step, in, out); return OK;
    }
    return OK;
}

int normalise(const tokenizer *t, str *text)
{
    str out = { 0 };
    int rc  = OK;
    for (int i = 0; i < t->n_norm && text->n && !rc; i++) {
        str_clear(&out);
        rc        = run_step(t, &t->norm[i], text, &out);
        str other = *text;
        *text     = out;
        out       = other;
    }
    str_free(&out);
    return rc;
}
