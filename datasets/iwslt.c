/* IWSLT German-English: the hub's JSON (array or lines of {"translation": {"de", "en"}}), or two files side by side: TED XML/SGML with <seg>, the
 * training form with header lines that begin with '<', or plain lines. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "datasets/builder.h"

static int item(builder *b, const json *obj, const char *where, int64_t line)
{
    const json *pair;
    builder_begin(b, NULL, line);
    int rc = json_get_object(obj, where, "translation", &pair);
    if (!rc) rc = builder_add_member(b, pair, where, "de", "de");
    if (!rc) rc = builder_add_member(b, pair, where, "en", "en");
    if (!rc) builder_end(b);
    return rc;
}

typedef struct {
    char   *text;
    size_t  n;
    char    key[96]; /* "doc 69, seg 1" where the form has such names */
    int64_t line;
} segment_text;

typedef struct {
    segment_text *items;
    size_t        n, cap;
} side;

static void side_free(side *s)
{
    for (size_t i = 0; i < s->n; i++) free(s->items[i].text);
    free(s->items);
}

static void add_segment(side *s, const char *text, size_t n, const char *key, int64_t line)
{
    while (n && (*text == ' ' || *text == '\t')) text++, n--;
    while (n && (text[n - 1] == ' ' || text[n - 1] == '\t' || text[n - 1] == '\r')) n--;
    if (s->n == s->cap) s->items = mem_grow(s->items, &s->cap, sizeof *s->items);
    segment_text *t = &s->items[s->n++];
    *t              = (segment_text) { .text = mem_strndup(text, n), .n = n, .line = line };
    strncpy(t->key, key, sizeof t->key - 1);
}

/* The five XML entities and numeric references, in place. */
static void decode_entities(segment_text *t)
{
    static const struct {
        const char *name;
        char        c;
    } entities[] = { { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' }, { "&apos;", '\'' } };
    size_t to    = 0;
    for (size_t from = 0; from < t->n;) {
        bool done = false;
        for (size_t e = 0; e < sizeof entities / sizeof *entities && !done; e++) {
            size_t n = strlen(entities[e].name);
            if (from + n > t->n || memcmp(t->text + from, entities[e].name, n)) continue;
            t->text[to++] = entities[e].c;
            from += n;
            done = true;
        }
        char *end;
        if (!done && from + 3 < t->n && t->text[from] == '&' && t->text[from + 1] == '#') {
            bool          hex = t->text[from + 2] == 'x';
            unsigned long cp  = strtoul(t->text + from + 2 + hex, &end, hex ? 16 : 10);
            if (*end == ';' && cp > 0 && cp <= 0x10FFFF && !(cp >= 0xD800 && cp <= 0xDFFF)) {
                to += (size_t)utf8_encode((unsigned)cp, t->text + to); /* never longer than the reference */
                from = (size_t)(end + 1 - t->text);
                done = true;
            }
        }
        if (!done) t->text[to++] = t->text[from++];
    }
    t->n        = to;
    t->text[to] = '\0';
}

/* The value of attribute NAME in a tag, into out; false when absent. */
static bool attribute(const char *tag, size_t n, const char *name, char *out, size_t size)
{
    const char *at = memmem(tag, n, name, strlen(name));
    if (!at) return false;
    const char *open = memchr(at, '"', n - (size_t)(at - tag)), *close = open ? memchr(open + 1, '"', n - (size_t)(open + 1 - tag)) : NULL;
    if (!close) return false;
    size_t k = (size_t)(close - open - 1) < size - 1 ? (size_t)(close - open - 1) : size - 1;
    memcpy(out, open + 1, k);
    out[k] = '\0';
    return true;
}

static int read_xml(side *out, const char *text, size_t n, const char *where)
{
    char    doc[32] = "", seg[32];
    int64_t line    = 1;
    for (size_t at = 0; at < n;) {
        const char *open = memchr(text + at, '<', n - at);
        if (!open) break;
        for (const char *c = text + at; c < open; c++) line += *c == '\n';
        size_t      start = (size_t)(open - text);
        const char *close = memchr(open, '>', n - start);
        if (!close) return input_error("%s: line %lld: a tag begins here and is never closed", where, (long long)line);
        size_t length = (size_t)(close - open);
        at            = start + 1;
        if (length > 4 && !memcmp(open, "<doc", 4) && (open[4] == ' ')) attribute(open, length, "docid=", doc, sizeof doc);
        if (length < 5 || memcmp(open, "<seg", 4) || (open[4] != ' ')) continue;
        const char *end = memmem(close, n - (size_t)(close - text), "</seg>", 6);
        if (!end) return input_error("%s: line %lld: <seg> is never closed", where, (long long)line);
        str key = { 0 };
        if (!attribute(open, length, "id=", seg, sizeof seg)) return input_error("%s: line %lld: <seg> has no id", where, (long long)line);
        str_printf(&key, "doc %s, seg %s", doc, seg);
        add_segment(out, close + 1, (size_t)(end - close - 1), key.s, line);
        decode_entities(&out->items[out->n - 1]);
        str_free(&key);
    }
    return OK;
}

/* tags: lines whose first non-blank character is '<' are headers of the training form. */
static int read_plain(side *out, const char *text, size_t n, bool tags)
{
    size_t      pos = 0, length;
    const char *line;
    for (int64_t number = 1; next_line(text, n, &pos, &line, &length); number++) {
        size_t blank = 0;
        while (blank < length && (line[blank] == ' ' || line[blank] == '\t')) blank++;
        if (tags && blank < length && line[blank] == '<') continue;
        add_segment(out, line, length, "", number);
    }
    return OK;
}

static int read_side(side *out, const char *text, size_t n, const char *where)
{
    if (memmem(text, n, "<seg ", 5)) return read_xml(out, text, n, where);
    bool tags = memmem(text, n, "<doc ", 5) || memmem(text, n, "<url>", 5);
    return read_plain(out, text, n, tags);
}

static int align(builder *b, const source *s, const side *de, const side *en)
{
    for (size_t i = 0; i < de->n && i < en->n; i++)
        if (strcmp(de->items[i].key, en->items[i].key))
            return input_error("%s: line %lld: segment \"%s\" stands beside \"%s\" of %s (line %lld); the two files do not align", s->where,
                               (long long)de->items[i].line, de->items[i].key, en->items[i].key, s->target_where, (long long)en->items[i].line);
    if (de->n != en->n) return input_error("%s: has %zu segments, but %s has %zu; they must be as many", s->where, de->n, s->target_where, en->n);
    for (size_t i = 0; i < de->n; i++) {
        builder_begin(b, NULL, de->items[i].line);
        builder_add(b, "de", de->items[i].text, de->items[i].n);
        builder_add(b, "en", en->items[i].text, en->items[i].n);
        builder_end(b);
    }
    return OK;
}

int read_iwslt(builder *b, const source *s)
{
    char c = first_char(s);
    if (c == '{' || c == '[') return each_json_item(b, s, item);
    if (!s->target) return input_error("%s: plain text or XML has one language; its English side is needed too", s->where);
    side de = { 0 }, en = { 0 };
    int  rc = read_side(&de, s->bytes, s->n, s->where);
    if (!rc) rc = read_side(&en, s->target, s->n_target, s->target_where);
    if (!rc) rc = align(b, s, &de, &en);
    side_free(&de);
    side_free(&en);
    return rc;
}
