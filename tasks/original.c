#include "tasks/original.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"

int originals_open(originals *o, const char *path)
{
    size_t      cap = 0, at = 0, n;
    const char *line;
    *o     = (originals) { 0 };
    int rc = path ? file_read(path, (size_t)1 << 36, &o->text) : OK;
    while (!rc && next_line(str_c(&o->text), o->text.n, &at, &line, &n)) {
        if ((size_t)o->n_lines == cap) o->lines = mem_grow(o->lines, &cap, sizeof *o->lines);
        o->lines[o->n_lines].text = line;
        o->lines[o->n_lines++].n  = n;
    }
    return rc;
}

void originals_free(originals *o)
{
    free(o->lines);
    str_free(&o->text);
    *o = (originals) { 0 };
}

json *original_item(const originals *o, const data_item *item)
{
    json *whole = NULL;
    if (item->line < 1 || item->line > o->n_lines) return NULL;
    const char *text = o->lines[item->line - 1].text;
    size_t      n    = o->lines[item->line - 1].n;
    if (item->line == 1 && n >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3)) text += 3, n -= 3;
    if (!n || *text != '{') return NULL;
    if (json_parse(&whole, text, n, "item")) error_clear();
    return whole;
}

static bool is_list(const originals *o, const char *name)
{
    for (int i = 0; i < o->n_lists; i++)
        if (!strcmp(o->lists[i], name)) return true;
    return false;
}

void originals_find_lists(originals *o, const dataset *data)
{
    for (int64_t i = 0; i < data->n; i++)
        for (int64_t k = 0; k < data->items[i].n_fields; k++) {
            const char *name = data->items[i].fields[k].name;
            if (o->n_lists < 16 && !is_list(o, name) && item_fields(&data->items[i], name, 1))
                o->lists[o->n_lists++] = name;
        }
}

json *original_or_fields(const originals *o, const data_item *item)
{
    json *whole = original_item(o, item);
    if (whole) return whole;
    whole = json_object();
    json_set_str(whole, "id", item->id);
    for (int64_t i = 0; i < item->n_fields; i++)
        if (!is_list(o, item->fields[i].name)) json_set_str(whole, item->fields[i].name, item->fields[i].text);
    for (int i = 0; i < o->n_lists; i++) {
        json        *list = json_array();
        const field *f;
        for (int64_t k = 0; (f = item_fields(item, o->lists[i], k)); k++) json_push(list, json_of_text(f->text));
        json_set(whole, o->lists[i], list);
    }
    return whole;
}

static bool fields_equal(const data_item *a, const data_item *b)
{
    if (a->n_fields != b->n_fields) return false;
    for (int64_t i = 0; i < a->n_fields; i++) {
        const field *x = &a->fields[i], *y = &b->fields[i];
        if (x->n != y->n || strcmp(x->name, y->name) || memcmp(x->text, y->text, x->n)) return false;
    }
    return true;
}

/* Equal items have equal fields, so most need not be parsed. */
bool original_equal(const originals *oa, const data_item *a, const originals *ob, const data_item *b)
{
    if (!fields_equal(a, b)) return false;
    json *x = original_item(oa, a), *y = original_item(ob, b);
    bool  equal = !x || !y || json_equal(x, y);
    json_free(x);
    json_free(y);
    return equal;
}
