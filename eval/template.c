#include "eval/template.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "core/error.h"
#include "core/nearest.h"
#include "eval/pytext.h"

static void keep(str *text, slice part)
{
    str out = { 0 };
    str_add(&out, part.s, part.n);
    str_free(text);
    *text = out;
}

static void filter_strip(str *text) { keep(text, py_strip((slice) { str_c(text), text->n })); }

/* Full title-case mappings that a single-character one cannot say (Unicode SpecialCasing.txt). */
static const struct {
    unsigned    cp;
    const char *title;
} special_title[] = {
    { 0x00DF, "Ss" },  { 0x0149, "\xCA\xBCN" }, { 0x01F0, "J\xCC\x8C" }, { 0x0587, "\xD4\xB5\xD6\x82" },
    { 0xFB00, "Ff" },  { 0xFB01, "Fi" },        { 0xFB02, "Fl" },        { 0xFB03, "Ffi" },
    { 0xFB04, "Ffl" }, { 0xFB05, "St" },        { 0xFB06, "St" },
};

/* Python's str.capitalize(): the first character in title case, the rest in lower case. The final sigma sees what stands before it, so the whole is
 * lowered. */
static void filter_capitalize(str *text)
{
    unsigned cp;
    str      out = { 0 }, lower = { 0 }, head = { 0 };
    if (!text->n) return;
    int first = py_next(text->s, text->n, &cp);
    py_lower((slice) { text->s, text->n }, &lower);
    py_lower((slice) { text->s, (size_t)first }, &head);
    const char *title = NULL;
    for (size_t i = 0; i < sizeof special_title / sizeof *special_title; i++)
        if (special_title[i].cp == cp) title = special_title[i].title;
    char one[4];
    if (title)
        str_puts(&out, title);
    else
        str_add(&out, one, (size_t)utf8_encode((unsigned)utf8proc_totitle((utf8proc_int32_t)cp), one));
    str_add(&out, lower.s + head.n, lower.n - head.n);
    str_free(&lower);
    str_free(&head);
    str_free(text);
    *text = out;
}

static void replace(str *text, const char *from, const char *to)
{
    str    out = { 0 };
    size_t n   = strlen(from);
    for (size_t i = 0; i < text->n;) {
        if (i + n <= text->n && !memcmp(text->s + i, from, n)) {
            str_puts(&out, to);
            i += n;
        } else {
            str_putc(&out, text->s[i++]);
        }
    }
    str_free(text);
    *text = out;
}

/* Delete every shortest [...] on one line. */
static void delete_brackets(str *text)
{
    str out = { 0 };
    for (size_t i = 0; i < text->n;) {
        size_t end = i;
        if (text->s[i] == '[')
            for (end = i + 1; end < text->n && text->s[end] != ']' && text->s[end] != '\n'; end++) {
            }
        if (end > i && end < text->n && text->s[end] == ']')
            i = end + 1;
        else
            str_putc(&out, text->s[i++]);
    }
    str_free(text);
    *text = out;
}

/* lm-evaluation-harness's preprocess of its hellaswag task (v1). */
static void filter_hellaswag(str *text)
{
    filter_strip(text);
    replace(text, " [title]", ". ");
    delete_brackets(text);
    replace(text, "  ", " ");
}

static const struct {
    const char *name;
    void (*apply)(str *text);
} filters[] = { { "strip", filter_strip }, { "capitalize", filter_capitalize }, { "hellaswag", filter_hellaswag } };
enum { FILTERS = sizeof filters / sizeof filters[0] };

int template_filter(const char *name, str *text)
{
    const char *names[FILTERS + 1] = { 0 };
    for (int i = 0; i < FILTERS; i++) {
        names[i] = filters[i].name;
        if (strcmp(filters[i].name, name)) continue;
        if (text) filters[i].apply(text);
        return OK;
    }
    const char *near = nearest_word(name, names);
    return input_error("template: filter \"%s\": there are strip, capitalize, hellaswag%s%s%s", name, near ? "; did you mean " : "", near ? near : "",
                       near ? "?" : "");
}

/* "ending:2|strip" of {ending:2|strip}; item NULL: only check. */
static int fill_one(const char *inside, size_t n, const data_item *item, str *out)
{
    char *copy = mem_strndup(inside, n), *save = NULL, *name = strtok_r(copy, "|", &save), *colon = name ? strchr(name, ':') : NULL, *end = NULL;
    long  k    = 0;
    str   text = { 0 };
    int   rc   = name && *name ? OK : input_error("template: {%s}: a field's name is missing", copy);
    if (!rc && colon) {
        *colon = '\0';
        k      = strtol(colon + 1, &end, 10);
        if (end == colon + 1 || *end || k < 0 || k > 999) rc = input_error("template: {%s:%s}: after the colon, a number 0..999", name, colon + 1);
    }
    const field *f = !rc && item ? record_fields(item, name, k) : NULL;
    if (!rc && item && !f) rc = input_error("the field \"%s\"%s is missing", name, k ? " is there too few times; one of them" : "");
    if (f) str_add(&text, f->text, f->n);
    for (char *filter; !rc && (filter = strtok_r(NULL, "|", &save));) rc = template_filter(filter, item ? &text : NULL);
    if (!rc && item) str_add(out, str_c(&text), text.n);
    str_free(&text);
    free(copy);
    return rc;
}

static int walk(const char *text, const data_item *item, str *out)
{
    for (const char *c = text; *c; c++) {
        if ((c[0] == '{' && c[1] == '{') || (c[0] == '}' && c[1] == '}')) {
            str_putc(out, *c++);
        } else if (*c == '{') {
            const char *close = strchr(c, '}');
            if (!close) return input_error("template \"%.60s\": { is never closed", text);
            int rc = fill_one(c + 1, (size_t)(close - c - 1), item, out);
            if (rc) return rc;
            c = close;
        } else if (*c == '}') {
            return input_error("template \"%.60s\": a lone }; write }} for a brace", text);
        } else {
            str_putc(out, *c);
        }
    }
    return OK;
}

int template_fill(const char *text, const data_item *item, str *out) { return walk(text, item, out); }

int template_check(const char *text, const char *where)
{
    str out = { 0 };
    int rc  = walk(text, NULL, &out);
    str_free(&out);
    return rc ? error_context(rc, "%s", where) : OK;
}
