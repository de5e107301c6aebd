#include "datasets/builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"

void builder_begin(builder *b, const char *id, int64_t line)
{
    char number[24];
    snprintf(number, sizeof number, "%lld", (long long)b->d->n);
    free(b->id);
    b->id       = mem_strdup(id ? id : number);
    b->line     = line;
    b->n_fields = 0;
}

void builder_add(builder *b, const char *name, const char *text, size_t n)
{
    if (b->n_fields == b->cap_fields) b->fields = mem_grow(b->fields, &b->cap_fields, sizeof *b->fields);
    b->fields[b->n_fields++] = (field) { name, arena_strndup(&b->d->memory, text, n), n };
}

data_item *builder_end(builder *b)
{
    dataset *d = b->d;
    if ((size_t)d->n == b->cap_items) d->items = mem_grow(d->items, &b->cap_items, sizeof *d->items);
    data_item *item = &d->items[d->n++];
    *item           = (data_item) { .id = arena_strndup(&d->memory, b->id, strlen(b->id)), .line = b->line, .n_fields = (int64_t)b->n_fields };
    item->fields    = arena_alloc(&d->memory, b->n_fields + 1, sizeof *item->fields);
    if (b->n_fields) memcpy(item->fields, b->fields, b->n_fields * sizeof *item->fields);
    return item;
}


int builder_add_member(builder *b, const json *obj, const char *where, const char *key, const char *name)
{
    const char *text;
    int         rc = json_get_str(obj, where, key, &text);
    if (!rc) builder_add(b, name, text, strlen(text));
    return rc;
}

static const char *skip_mark(const char *s, size_t *n)
{
    if (*n < 3 || memcmp(s, "\xEF\xBB\xBF", 3)) return s;
    *n -= 3;
    return s + 3;
}

char first_char(const source *s)
{
    size_t      n  = s->n;
    const char *at = skip_mark(s->bytes, &n);
    while (n && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) at++, n--;
    return n ? *at : '\0';
}

int check_utf8(const char *bytes, size_t n, const char *where)
{
    size_t good = utf8_valid_prefix(bytes, n), line = 1, start = 0;
    if (good == n) return OK;
    for (size_t i = 0; i < good; i++)
        if (bytes[i] == '\n') line++, start = i + 1;
    return input_error("%s: line %zu, byte %zu: 0x%02X is not valid UTF-8; convert the file to UTF-8", where, line, good - start + 1,
                       (unsigned char)bytes[good]);
}

static int each_of_array(builder *b, const json *array, const source *s, json_item_fn each)
{
    int64_t i  = 0;
    int     rc = OK;
    for (const json *j = array->child; j && !rc; j = j->next, i++) {
        str where = { 0 };
        str_printf(&where, "%s: [%lld]", s->where, (long long)i);
        rc = cJSON_IsObject(j) ? each(b, j, where.s, 0) : input_error("%s: must be a JSON object", where.s);
        str_free(&where);
    }
    return rc;
}

static int each_line(builder *b, const source *s, json_item_fn each)
{
    size_t      n = s->n, pos = 0, length;
    const char *text   = skip_mark(s->bytes, &n), *line;
    int64_t     number = 0;
    int         rc     = OK;
    while (!rc && next_line(text, n, &pos, &line, &length)) {
        number++;
        if (strspn(line, " \t\r") >= length) continue;
        str   where = { 0 };
        json *j     = NULL;
        str_printf(&where, "%s: line %lld", s->where, (long long)number);
        rc = json_parse(&j, line, length, where.s);
        if (!rc) rc = cJSON_IsObject(j) ? each(b, j, where.s, number) : input_error("%s: must be a JSON object", where.s);
        json_free(j);
        str_free(&where);
    }
    return rc;
}

int each_json_item(builder *b, const source *s, json_item_fn each)
{
    if (first_char(s) != '[') return each_line(b, s, each);
    json *array;
    int   rc = json_parse(&array, s->bytes, s->n, s->where);
    if (rc) return rc;
    rc = each_of_array(b, array, s, each);
    json_free(array);
    return rc;
}
