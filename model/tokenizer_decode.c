/* Decoder steps over the list of token texts, then joined. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/tokenizer_parts.h"

static const char bad[] = "\xEF\xBF\xBD"; /* U+FFFD */

/* One U+FFFD for each maximal ill-formed part (the Unicode standard's practice; Rust's from_utf8_lossy). */
static void add_lossy(str *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        unsigned cp;
        int      k = utf8_decode(s + i, n - i, &cp);
        if (k) {
            str_add(out, s + i, (size_t)k);
            i += (size_t)k;
            continue;
        }
        unsigned char c = (unsigned char)s[i], low = 0x80, high = 0xBF;
        int           want = c >= 0xC2 && c <= 0xDF ? 1 : c >= 0xE0 && c <= 0xEF ? 2 : c >= 0xF0 && c <= 0xF4 ? 3 : 0;
        if (c == 0xE0) low = 0xA0;
        if (c == 0xED) high = 0x9F;
        if (c == 0xF0) low = 0x90;
        if (c == 0xF4) high = 0x8F;
        i++;
        for (int j = 0; j < want && i < n; j++, i++) {
            unsigned char d = (unsigned char)s[i];
            if (d < low || d > high) break;
            low = 0x80, high = 0xBF;
        }
        str_puts(out, bad);
    }
}

typedef struct {
    str   *parts;
    size_t n;
} parts;

static void replace_in(str *text, span from, span to)
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

static void fuse(parts *p)
{
    str all = { 0 };
    for (size_t i = 0; i < p->n; i++) {
        str_add(&all, str_c(&p->parts[i]), p->parts[i].n);
        str_free(&p->parts[i]);
    }
    p->n = p->n ? 1 : 0;
    if (p->n)
        p->parts[0] = all;
    else
        str_free(&all);
}

static void byte_level(parts *p)
{
    str bytes = { 0 };
    for (size_t i = 0; i < p->n; i++) {
        size_t      mark = bytes.n, n = p->parts[i].n;
        const char *s = str_c(&p->parts[i]);
        for (size_t at = 0; at < n;) {
            unsigned cp = 0;
            int      k = utf8_decode(s + at, n - at, &cp), b = k ? char_to_byte(cp) : -1;
            if (b < 0) { /* not in the alphabet (an added token): the token stands as it is */
                bytes.n = mark;
                str_add(&bytes, s, n);
                break;
            }
            str_putc(&bytes, (char)b);
            at += (size_t)k;
        }
    }
    str out = { 0 };
    add_lossy(&out, str_c(&bytes), bytes.n);
    str_free(&bytes);
    for (size_t i = 0; i < p->n; i++) str_free(&p->parts[i]);
    if (p->n) {
        p->parts[0] = out;
        p->n        = 1;
    } else {
        str_free(&out);
    }
}

static int byte_token(const str *s)
{
    unsigned b;
    char     tail;
    if (s->n != 6 || s->s[0] != '<' || s->s[1] != '0' || s->s[2] != 'x' || sscanf(s->s + 3, "%2x%c", &b, &tail) != 2 || tail != '>') return -1;
    return (int)b;
}

/* A run of <0xXX> tokens: its bytes where they are valid UTF-8 as a whole, else one U+FFFD for each. */
static void byte_fallback(parts *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n;) {
        size_t end = i;
        str    run = { 0 };
        for (int b; end < p->n && (b = byte_token(&p->parts[end])) >= 0; end++) str_putc(&run, (char)b);
        if (end == i) {
            p->parts[kept++] = p->parts[i++];
            continue;
        }
        bool valid = utf8_valid_prefix(run.s, run.n) == run.n;
        for (size_t k = i; k < end; k++) str_free(&p->parts[k]);
        if (!valid) {
            str_clear(&run);
            for (size_t k = i; k < end; k++) str_puts(&run, bad);
        }
        p->parts[kept++] = run;
        i                = end;
    }
    p->n = kept;
}

static void strip_part(str *s, const decode_step *d)
{
    size_t from = 0, to = s->n;
    for (int i = 0; i < d->start && from + d->from.n <= to && !memcmp(s->s + from, d->from.s, d->from.n); i++) from += d->from.n;
    for (int i = 0; i < d->stop && to >= from + d->from.n && !memcmp(s->s + to - d->from.n, d->from.s, d->from.n); i++) to -= d->from.n;
    if (from || to < s->n) {
        str cut = { 0 };
        str_add(&cut, s->s + from, to - from);
        str_free(s);
        *s = cut;
    }
}

static void run_step(parts *p, const decode_step *d)
{
    switch (d->kind) {
    case DEC_BYTE_LEVEL: byte_level(p); break;
    case DEC_REPLACE:
        for (size_t i = 0; i < p->n; i++) replace_in(&p->parts[i], d->from, d->to);
        break;
    case DEC_BYTE_FALLBACK: byte_fallback(p); break;
    case DEC_FUSE: fuse(p); break;
    case DEC_STRIP:
        for (size_t i = 0; i < p->n; i++)
            if (p->parts[i].n) strip_part(&p->parts[i], d);
        break;
    case DEC_METASPACE:
        for (size_t i = 0; i < p->n; i++) replace_in(&p->parts[i], d->from, d->to);
        if (d->start && p->n && p->parts[0].n && p->parts[0].s[0] == ' ') strip_part(&p->parts[0], &(decode_step) { .from = { " ", 1 }, .start = 1 });
        break;
    }
}

void tokenizer_join(const tokenizer *t, const span *tokens, size_t n, str *out)
{
    parts p = { mem_alloc(n + 1, sizeof *p.parts), n };
    for (size_t i = 0; i < n; i++) str_add(&p.parts[i], tokens[i].s, tokens[i].n);
    for (int i = 0; i < t->n_decode; i++) run_step(&p, &t->decode[i]);
    for (size_t i = 0; i < p.n; i++) {
        str_add(out, str_c(&p.parts[i]), p.parts[i].n);
        str_free(&p.parts[i]);
    }
    free(p.parts);
}
