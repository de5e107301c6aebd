#include "datasets/segments.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "core/error.h"
#include "core/file.h"

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static void strip(const char **text, size_t *n)
{
    while (*n && is_blank(**text)) ++*text, --*n;
    while (*n && is_blank((*text)[*n - 1])) --*n;
}

/* Whether a tag of that name, in any case as in SGML, begins at text. */
static bool is_tag(const char *text, size_t n, const char *name)
{
    size_t k = strlen(name);
    return n > k + 1 && text[0] == '<' && !strncasecmp(text + 1, name, k) &&
           (is_blank(text[k + 1]) || text[k + 1] == '>');
}

static segments_form form_of(const source *s)
{
    static const char *const roots[] = { "mteval", "srcset", "refset", "tstset", "?xml", "!DOCTYPE" };
    const char              *text    = s->bytes;
    size_t                   n       = s->n;
    strip(&text, &n);
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++)
        if (is_tag(text, n, roots[i])) return SEGMENTS_XML;
    if (!is_tag(text, n, "doc"))
        return n && *text == '<' && n > 4 && !strncasecmp(text, "<url>", 5) ? SEGMENTS_TAGS : SEGMENTS_PLAIN;
    /* <doc> without the root element, or the training form */
    return memmem(text, n, "<seg ", 5) || memmem(text, n, "<SEG ", 5) ? SEGMENTS_XML : SEGMENTS_TAGS;
}

segments segments_open(const char *bytes, size_t n, const char *where)
{
    segments g = { .s = { .bytes = bytes, .n = n, .where = where } };
    g.form     = form_of(&g.s);
    return g;
}

void segments_close(segments *g) { str_free(&g->text); }

void segments_name(const segments *g, str *out)
{
    if (g->doc[0]) str_printf(out, "talk %s, ", g->doc);
    if (g->id[0])
        str_printf(out, "segment %s", g->id);
    else
        str_printf(out, "segment %lld", (long long)g->count);
}

/* The value of an attribute of the tag [tag, tag + n), in quotes of either kind or bare. False when
 * it is absent or too long. */
static bool attribute(const char *tag, size_t n, const char *name, char *out, size_t size)
{
    size_t k = strlen(name), i = 1;
    while (i + k < n && !(is_blank(tag[i - 1]) && !strncasecmp(tag + i, name, k) && tag[i + k] == '=')) i++;
    if (i + k >= n) return false;
    const char *from = tag + i + k + 1, *end = tag + n, *to;
    char        quote = from < end && (*from == '"' || *from == '\'') ? *from++ : '\0';
    for (to = from; to < end && (quote ? *to != quote : !is_blank(*to)); to++) {
    }
    if ((size_t)(to - from) >= size) return false;
    memcpy(out, from, (size_t)(to - from));
    out[to - from] = '\0';
    return true;
}

/* Reads a numeric reference ("&#228;", "&#xE4;") at text: sets *cp and returns its length, or 0
 * where there is none. On overflow *cp is above every character. */
static size_t numeric_reference(const char *text, size_t n, unsigned *cp)
{
    if (n < 4 || text[1] != '#') return 0;
    bool   hex = text[2] == 'x' || text[2] == 'X';
    size_t i = hex ? 3 : 2, first = i;
    *cp = 0;
    for (; i < n && (hex ? isxdigit((unsigned char)text[i]) : isdigit((unsigned char)text[i])); i++) {
        unsigned digit = (unsigned)(isdigit((unsigned char)text[i]) ? text[i] - '0'
                                                                    : tolower((unsigned char)text[i]) - 'a' + 10);
        *cp            = *cp > 0x10FFFF ? *cp : *cp * (hex ? 16 : 10) + digit;
    }
    return i > first && i < n && text[i] == ';' ? i + 1 : 0;
}

static size_t named_reference(const char *text, size_t n, char *c)
{
    static const struct {
        const char *name;
        char        c;
    } entities[] = { { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' }, { "&apos;", '\'' } };
    for (size_t e = 0; e < sizeof entities / sizeof *entities; e++) {
        size_t k = strlen(entities[e].name);
        if (k > n || memcmp(text, entities[e].name, k)) continue;
        *c = entities[e].c;
        return k;
    }
    return 0;
}

/* A lone & and names that are not XML's stay as they are: older files are not well-formed. */
static int decode(segments *g, const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        unsigned cp;
        char     c, utf8[4];
        size_t   k = text[i] == '&' ? named_reference(text + i, n - i, &c) : 0;
        if (k) {
            str_putc(&g->text, c);
        } else if (text[i] == '&' && (k = numeric_reference(text + i, n - i, &cp))) {
            if (!cp || cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF))
                return input_error("%s: line %lld: %.*s: is not a character", g->s.where, (long long)g->line,
                                   k < 24 ? (int)k : 24, text + i);
            str_add(&g->text, utf8, (size_t)utf8_encode(cp, utf8));
        } else {
            str_putc(&g->text, text[i]);
            k = 1;
        }
        i += k;
    }
    return OK;
}

/* Moves to position `to` and counts the lines on the way. */
static void advance(segments *g, size_t to)
{
    for (; g->at.pos < to; g->at.pos++) g->at.number += g->s.bytes[g->at.pos] == '\n';
}

static int unclosed(const segments *g, const char *what)
{
    return input_error("%s: line %lld: %s begins here and is never closed", g->s.where, (long long)g->at.number + 1,
                       what);
}

/* g->at stands on a <seg>, and its tag is `tag` bytes long up to the '>'. */
static int read_seg(segments *g, size_t tag)
{
    const char *text = g->s.bytes + g->at.pos;
    size_t      n = g->s.n - g->at.pos, to = tag + 1;
    g->line = g->at.number + 1;
    if (!attribute(text, tag, "id", g->id, sizeof g->id))
        return input_error("%s: line %lld: <seg> must have an id of at most %zu characters", g->s.where,
                           (long long)g->line, sizeof g->id - 1);
    for (; to < n && !is_tag(text + to, n - to, "/seg"); to++)
        if (is_tag(text + to, n - to, "seg") || is_tag(text + to, n - to, "/doc")) return unclosed(g, "a <seg>");
    if (to >= n) return unclosed(g, "a <seg>");
    const char *inside = text + tag + 1;
    size_t      length = to - tag - 1;
    strip(&inside, &length);
    str_clear(&g->text);
    int rc = decode(g, inside, length);
    advance(g, g->at.pos + to);
    g->count++;
    return rc;
}

static int next_in_xml(segments *g, bool *more)
{
    for (*more = false;;) {
        const char *open = g->at.pos < g->s.n ? memchr(g->s.bytes + g->at.pos, '<', g->s.n - g->at.pos) : NULL;
        if (!open) return OK;
        advance(g, (size_t)(open - g->s.bytes));
        size_t      n       = g->s.n - g->at.pos;
        bool        comment = n >= 4 && !memcmp(open, "<!--", 4);
        const char *close   = comment ? memmem(open, n, "-->", 3) : memchr(open, '>', n);
        if (!close) return unclosed(g, comment ? "a comment" : "a tag");
        if (is_tag(open, n, "seg")) {
            *more = true;
            return read_seg(g, (size_t)(close - open));
        }
        if (is_tag(open, n, "doc") && !attribute(open, (size_t)(close - open), "docid", g->doc, sizeof g->doc))
            g->doc[0] = '\0';
        advance(g, (size_t)(close - g->s.bytes));
    }
}

static int next_line_of(segments *g, bool *more)
{
    int rc;
    while (!(rc = text_next(&g->at, &g->s, more)) && *more) {
        const char *text = g->at.text;
        size_t      n    = g->at.n;
        strip(&text, &n);
        if (g->form == SEGMENTS_TAGS && n && *text == '<') {
            if (is_tag(text, n, "doc") && !attribute(text, n, "docid", g->doc, sizeof g->doc)) g->doc[0] = '\0';
            continue;
        }
        g->line = g->at.number;
        g->count++;
        str_clear(&g->text);
        str_add(&g->text, text, n);
        break;
    }
    return rc;
}

int segments_next(segments *g, bool *more)
{
    return g->form == SEGMENTS_XML ? next_in_xml(g, more) : next_line_of(g, more);
}
