/* Decoding: the steps change the list of token texts, which is then joined. */
#include <stdlib.h>
#include <string.h>

#include "tokenizer/tokenizer_private.h"

static const char bad[] = "\xEF\xBF\xBD"; /* U+FFFD */

/* Texts one after the other; the i-th ends at ends[i]. Each step reads one list and writes another,
 * which never has more parts. */
typedef struct {
    str     bytes;
    size_t *ends;
    size_t  n;
} parts;

static void end_part(parts *p) { p->ends[p->n++] = p->bytes.n; }

static span part(const parts *p, size_t i)
{
    size_t from = i ? p->ends[i - 1] : 0;
    return (span) { str_c(&p->bytes) + from, (uint32_t)(p->ends[i] - from) };
}

/* The number of bytes that follow a first byte, and the range of the second (Unicode standard,
 * table 3-7). */
static int sequence_tail(unsigned char c, unsigned char *low, unsigned char *high)
{
    *low  = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    *high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    return c >= 0xC2 && c <= 0xDF ? 1 : c >= 0xE0 && c <= 0xEF ? 2 : c >= 0xF0 && c <= 0xF4 ? 3 : 0;
}

/* Appends one U+FFFD for each maximal ill-formed part, which is the Unicode standard's practice and
 * what Rust's from_utf8_lossy does. */
static void add_lossy(str *out, const char *s, size_t n)
{
    for (size_t i = 0, good; i < n;) {
        good = utf8_valid_prefix(s + i, n - i);
        str_add(out, s + i, good);
        i += good;
        if (i == n) break;
        unsigned char low, high;
        int           want = sequence_tail((unsigned char)s[i++], &low, &high);
        for (; want && i < n && (unsigned char)s[i] >= low && (unsigned char)s[i] <= high; want--, i++)
            low = 0x80, high = 0xBF;
        str_puts(out, bad);
    }
}

static void byte_level(const parts *in, parts *out)
{
    str bytes = { 0 };
    for (size_t i = 0; i < in->n; i++) {
        size_t mark = bytes.n;
        span   p    = part(in, i);
        for (size_t at = 0; at < p.n;) {
            unsigned cp = 0;
            int      k = utf8_decode(p.s + at, p.n - at, &cp), b = k ? char_to_byte(cp) : -1;
            /* an added token's character is not in the alphabet: the token stays as it is */
            if (b < 0) {
                bytes.n = mark;
                str_add(&bytes, p.s, p.n);
                break;
            }
            str_putc(&bytes, (char)b);
            at += (size_t)k;
        }
    }
    add_lossy(&out->bytes, str_c(&bytes), bytes.n);
    str_free(&bytes);
    end_part(out);
}

static void add_replaced(str *out, span text, span from, span to)
{
    size_t done = 0;
    for (const char *hit; (hit = memmem(text.s + done, text.n - done, from.s, from.n));) {
        size_t at = (size_t)(hit - text.s);
        str_add(out, text.s + done, at - done);
        str_add(out, to.s, to.n);
        done = at + from.n;
    }
    str_add(out, text.s + done, text.n - done);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* The byte of a token <0xXX>, or -1 when it is none. */
static int byte_token(span s)
{
    if (s.n != 6 || memcmp(s.s, "<0x", 3) || s.s[5] != '>') return -1;
    int high = hex_digit(s.s[3]), low = hex_digit(s.s[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Decodes each run of <0xXX> tokens: to its bytes where the whole run is valid UTF-8, else to one
 * U+FFFD for each token. */
static void byte_fallback(const parts *in, parts *out)
{
    for (size_t i = 0, run; i < in->n; i += run) {
        size_t mark = out->bytes.n;
        int    b;
        for (run = 0; i + run < in->n && (b = byte_token(part(in, i + run))) >= 0; run++)
            str_putc(&out->bytes, (char)b);
        if (run && utf8_valid_prefix(out->bytes.s + mark, run) < run) {
            out->bytes.n = mark;
            for (size_t k = 0; k < run; k++) str_puts(&out->bytes, bad);
        }
        if (!run) {
            span p = part(in, i);
            str_add(&out->bytes, p.s, p.n);
            run = 1;
        }
        end_part(out);
    }
}

static span stripped(span s, const decode_step *d)
{
    for (int i = 0; i < d->start && s.n >= d->from.n && !memcmp(s.s, d->from.s, d->from.n); i++)
        s = (span) { s.s + d->from.n, s.n - d->from.n };
    for (int i = 0; i < d->stop && s.n >= d->from.n && !memcmp(s.s + s.n - d->from.n, d->from.s, d->from.n); i++)
        s.n -= d->from.n;
    return s;
}

static void run_step(const decode_step *d, const parts *in, parts *out)
{
    static const span nothing = { "", 0 };
    switch (d->kind) {
    case DEC_BYTE_LEVEL: byte_level(in, out); return;
    case DEC_BYTE_FALLBACK: byte_fallback(in, out); return;
    case DEC_FUSE:
        str_add(&out->bytes, str_c(&in->bytes), in->bytes.n);
        end_part(out);
        return;
    case DEC_REPLACE:
    case DEC_METASPACE:
    case DEC_STRIP: break;
    }
    for (size_t i = 0; i < in->n; i++) {
        span p = part(in, i);
        if (d->kind == DEC_STRIP) {
            p = stripped(p, d);
            str_add(&out->bytes, p.s, p.n);
        } else {
            add_replaced(&out->bytes, p, d->from, d->kind == DEC_METASPACE && d->start && !i ? nothing : d->to);
        }
        end_part(out);
    }
}

void tokenizer_join(const tokenizer *t, const span *tokens, size_t n, str *out)
{
    parts a = { .ends = mem_alloc(n + 1, sizeof *a.ends) }, b = { .ends = mem_alloc(n + 1, sizeof *b.ends) };
    for (size_t i = 0; i < n; i++) {
        if (i && !t->has_decoder) str_putc(&a.bytes, ' ');
        str_add(&a.bytes, tokens[i].s, tokens[i].n);
        end_part(&a);
    }
    for (int i = 0; i < t->n_decode; i++) {
        str_clear(&b.bytes);
        b.n = 0;
        run_step(&t->decode[i], &a, &b);
        parts other = a;
        a           = b;
        b           = other;
    }
    str_add(out, str_c(&a.bytes), a.bytes.n);
    str_free(&a.bytes);
    str_free(&b.bytes);
    free(a.ends);
    free(b.ends);
}
