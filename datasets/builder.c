#include "datasets/builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"

static const size_t line_max = (size_t)64 << 20, document_max = (size_t)1 << 30;

struct builder_part {
    const char *name, *kept; /* kept NULL: the text starts at builder.text.s + at */
    size_t      at, n;
};

void builder_begin(builder *b, const char *id, int64_t line)
{
    str_clear(&b->id);
    if (id)
        str_puts(&b->id, id);
    else
        str_printf(&b->id, "%lld", (long long)b->d->n);
    str_clear(&b->text);
    b->line    = line;
    b->n_parts = 0;
}

static builder_part *next_part(builder *b)
{
    if (b->n_parts == b->cap_parts) b->parts = mem_grow(b->parts, &b->cap_parts, sizeof *b->parts);
    return &b->parts[b->n_parts++];
}

void builder_add(builder *b, const char *name, const char *text, size_t n)
{
    *next_part(b) = (builder_part) { .name = name, .at = b->text.n, .n = n };
    str_add(&b->text, text, n);
    str_putc(&b->text, '\0');
}

const char *builder_keep(builder *b, const char *text, size_t n) { return arena_strndup(&b->d->memory, text, n); }

void builder_add_kept(builder *b, const char *name, const char *kept, size_t n)
{
    *next_part(b) = (builder_part) { .name = name, .kept = kept, .n = n };
}

/* Each item is one allocation: its fields, then its id and its texts. 200,000 short pairs stay
 * small. */
data_item *builder_end(builder *b)
{
    dataset *d = b->d;
    if ((size_t)d->n == b->cap_items) d->items = mem_grow(d->items, &b->cap_items, sizeof *d->items);
    size_t fields = b->n_parts * sizeof(field);
    char  *block = arena_alloc(&d->memory, fields + b->text.n + b->id.n + 1, 1), *texts = block + fields,
         *id        = texts + b->text.n;
    data_item *item = &d->items[d->n++];
    if (b->text.n) memcpy(texts, b->text.s, b->text.n);
    memcpy(id, str_c(&b->id), b->id.n + 1);
    *item = (data_item) {
        .id = id, .line = b->line, .n_fields = (int64_t)b->n_parts, .fields = (field *)(void *)block
    };
    for (size_t i = 0; i < b->n_parts; i++) {
        const builder_part *p = &b->parts[i];
        item->fields[i]       = (field) { p->name, p->kept ? p->kept : texts + p->at, p->n };
    }
    return item;
}

void builder_free(builder *b)
{
    free(b->parts);
    str_free(&b->text);
    str_free(&b->id);
}

int builder_add_member(builder *b, const json *obj, const char *where, const char *key, const char *name)
{
    const char *text;
    int         rc = json_get_str(obj, where, key, &text);
    if (!rc) builder_add(b, name, text, strlen(text));
    return rc;
}

int builder_add_strings(builder *b, const json *array, const char *where, const char *key, const char *name)
{
    int64_t i = 0;
    for (const json *j = array->child; j; j = j->next, i++) {
        if (!json_text(j)) return input_error("%s: %s[%lld]: must be a string", where, key, (long long)i);
        builder_add(b, name, j->valuestring, strlen(j->valuestring));
    }
    return OK;
}

char first_char(const source *s)
{
    size_t i = 0;
    while (i < s->n && (s->bytes[i] == ' ' || s->bytes[i] == '\n' || s->bytes[i] == '\r' || s->bytes[i] == '\t')) i++;
    return i < s->n ? s->bytes[i] : '\0';
}

int text_next(text_line *l, const source *s, bool *more)
{
    *more = next_line(s->bytes, s->n, &l->pos, &l->text, &l->n);
    if (!*more) return OK;
    l->number++;
    if (l->n > line_max)
        return input_error("%s: line %lld: is %zu bytes long, at most %zu are read; is \\n missing between the items?",
                           s->where, (long long)l->number, l->n, line_max);
    if (l->n && l->text[l->n - 1] == '\r') l->n--;
    return OK;
}

int json_parse_text(json **out, const char *text, size_t n, const char *where, int64_t first_line)
{
    *out = NULL;
    if (n > document_max)
        return input_error("%s: %zu bytes of JSON are too many at once (at most %zu); use one JSON object a line",
                           where, n, document_max);
    return json_parse_from(out, text, n, where, first_line);
}

static int each_of_array(builder *b, const json *array, const source *s, json_item_fn each)
{
    int64_t i     = 0;
    int     rc    = OK;
    str     where = { 0 };
    for (const json *j = array->child; j && !rc; j = j->next, i++) {
        str_clear(&where);
        str_printf(&where, "%s: [%lld]", s->where, (long long)i);
        rc = json_is_object(j) ? each(b, j, where.s, 0) : input_error("%s: must be a JSON object", where.s);
    }
    str_free(&where);
    return rc;
}

static bool is_blank(const text_line *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->text[i] != ' ' && l->text[i] != '\t' && l->text[i] != '\r') return false;
    return true;
}

static int each_line(builder *b, const source *s, json_item_fn each)
{
    text_line l     = { 0 };
    str       where = { 0 };
    bool      more;
    int       rc;
    while (!(rc = text_next(&l, s, &more)) && more) {
        json *j;
        if (is_blank(&l)) continue;
        str_clear(&where);
        str_printf(&where, "%s: line %lld", s->where, (long long)l.number);
        rc = json_parse_text(&j, l.text, l.n, s->where, l.number);
        if (!rc)
            rc = json_is_object(j) ? each(b, j, where.s, l.number) : input_error("%s: must be a JSON object", where.s);
        json_free(j);
        if (rc) break;
    }
    str_free(&where);
    return rc;
}

int each_json_item(builder *b, const source *s, json_item_fn each)
{
    if (first_char(s) != '[') return each_line(b, s, each);
    json *array;
    int   rc = json_parse_text(&array, s->bytes, s->n, s->where, 1);
    if (!rc) rc = each_of_array(b, array, s, each);
    json_free(array);
    return rc;
}
