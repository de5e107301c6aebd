#include "tasks/template.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/nearest.h"
#include "metrics/capitalize.h"

/* --- filters */

static void filter_strip(slice text, str *out)
{
    slice inside = py_strip(text);
    str_add(out, inside.s, inside.n);
}

static void replace(slice text, const char *from, const char *to, str *out)
{
    size_t n = strlen(from);
    for (size_t i = 0; i < text.n;) {
        if (i + n <= text.n && !memcmp(text.s + i, from, n)) {
            str_puts(out, to);
            i += n;
        } else {
            str_putc(out, text.s[i++]);
        }
    }
}

/* Deletes every match of the expression \[.*?\]. */
static void delete_brackets(slice text, str *out)
{
    for (size_t i = 0; i < text.n;) {
        size_t end = i;
        while (text.s[i] == '[' && end < text.n && text.s[end] != ']' && text.s[end] != '\n') end++;
        if (end > i && end < text.n && text.s[end] == ']')
            i = end + 1;
        else
            str_putc(out, text.s[i++]);
    }
}

static slice whole(const str *s) { return (slice) { str_c(s), s->n }; }

/* What preprocess() of lm-evaluation-harness's task hellaswag, version 1, does: strips, turns
 * titles into full stops, takes out brackets, and makes double blanks single, in one pass. It does
 * not strip the result. */
static void filter_hellaswag(slice text, str *out)
{
    str titles = { 0 }, plain = { 0 };
    replace(py_strip(text), " [title]", ". ", &titles);
    delete_brackets(whole(&titles), &plain);
    replace(whole(&plain), "  ", " ", out);
    str_free(&titles);
    str_free(&plain);
}

static const struct {
    const char *name;
    void (*apply)(slice text, str *out);
} filters[] = { { "strip", filter_strip }, { "capitalize", py_capitalize }, { "hellaswag", filter_hellaswag } };
enum { FILTERS = sizeof filters / sizeof filters[0] };

int template_filter(const char *name, str *text)
{
    const char *names[FILTERS + 1] = { 0 };
    str         out                = { 0 };
    for (int i = 0; i < FILTERS; i++) names[i] = filters[i].name;
    int i = word_index(name, names);
    if (i < 0)
        return input_error("template: filter \"%.40s\": there are %s%s", name, words_listed(names, ", ", ", ").text,
                           did_you_mean(name, names).text);
    if (!text) return OK;
    filters[i].apply(whole(text), &out);
    str_free(text);
    *text = out;
    return OK;
}

/* --- {field:k|filter|filter} */

int template_missing(const data_item *item, const char *name, int64_t k)
{
    if (k > 0 && item_field(item, name))
        return input_error("the field \"%.60s\" is there too few times: number %lld (from 0) is asked for", name,
                           (long long)k);
    const char *names[65] = { 0 };
    for (int64_t i = 0, n = 0; i < item->n_fields && n < 64; i++)
        if (!i || strcmp(item->fields[i].name, item->fields[i - 1].name)) names[n++] = item->fields[i].name;
    return input_error("the field \"%.60s\" is missing; the item has %s%s", name,
                       *names ? words_listed(names, ", ", ", ").text : "none", did_you_mean(name, names).text);
}

/* Appends the field that `inside` names; with item NULL it only checks. */
static int fill_one(const char *inside, size_t n, const data_item *item, str *out)
{
    char *copy = mem_strndup(inside, n), *rest = copy, *name = strsep(&rest, "|"), *colon = strchr(name, ':'),
         *end = NULL;
    long k    = 0;
    str  text = { 0 };
    int  rc   = OK;
    if (colon) {
        *colon = '\0';
        k      = strtol(colon + 1, &end, 10);
        if (colon[1] < '0' || colon[1] > '9' || *end || k > 999)
            rc = input_error("template: {%s:%s}: after the colon, a number 0..999", name, colon + 1);
    }
    if (!rc && !*name) rc = input_error("template: {%.*s}: a field's name is missing", n < 60 ? (int)n : 60, inside);
    const field *f = !rc && item ? item_fields(item, name, k) : NULL;
    if (!rc && item && !f) rc = template_missing(item, name, k);
    if (f) str_add(&text, f->text, f->n);
    while (!rc && rest) rc = template_filter(strsep(&rest, "|"), item ? &text : NULL);
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
            if (!close) return input_error("template \"%.60s\": { is never closed; write {{ for a brace", text);
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
