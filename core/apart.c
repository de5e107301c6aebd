#include "core/apart.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/string_table.h"

/* A member by its path, and its value as text. */
typedef struct {
    const char *path, *value;
} member;

typedef struct {
    arena  *memory;
    member *items;
    size_t  n, cap;
} members;

static void flatten(members *m, const json *object, const char *path)
{
    for (const json *j = json_members(object); j; j = j->next) {
        str name = { 0 }, value = { 0 };
        if (!strcmp(j->string, "seed")) continue;
        str_printf(&name, "%s%s%s", path, *path ? "." : "", j->string);
        if (json_is_object(j)) {
            flatten(m, j, name.s);
        } else {
            if (json_text(j))
                str_add(&value, json_text(j),
                        strstr(j->string, "sha256") ? strnlen(json_text(j), 8) : strlen(json_text(j)));
            else
                json_print(j, &value, false);
            if (m->n == m->cap) m->items = mem_grow(m->items, &m->cap, sizeof *m->items);
            m->items[m->n++] = (member) { arena_strndup(m->memory, name.s, name.n),
                                          arena_strndup(m->memory, str_c(&value), value.n) };
        }
        str_free(&name);
        str_free(&value);
    }
}

static int by_name(const void *x, const void *y)
{
    const apart *a = x, *b = y;
    int          c = strcmp(a->name, b->name);
    return c ? c : strcmp(a->within, b->within);
}

/* What is known of a path in one group: how many have it, and whether two values differ. */
typedef struct {
    const char *path, *value;
    size_t      count;
    bool        differs;
} seen;

/* Enters into `differing` the paths in which the things of a group differ; some may lack one. */
static void compare_group(const members *m, size_t n, string_table *differing)
{
    string_table places = { 0 };
    seen        *paths  = NULL;
    size_t       count = 0, cap = 0;
    for (size_t i = 0; i < n; i++)
        for (const member *k = m[i].items; k < m[i].items + m[i].n; k++) {
            const int64_t at = string_table_put(&places, k->path, strlen(k->path), (int64_t)count);
            if (at < 0) {
                if (count == cap) paths = mem_grow(paths, &cap, sizeof *paths);
                paths[count++] = (seen) { k->path, k->value, 1, false };
                continue;
            }
            paths[at].count++;
            paths[at].differs |= strcmp(paths[at].value, k->value) != 0;
        }
    for (size_t i = 0; i < count; i++)
        if (paths[i].differs || paths[i].count != n)
            string_table_put(differing, paths[i].path, strlen(paths[i].path), 0);
    string_table_free(&places);
    free(paths);
}

/* "adapter.train.clip" is said as "clip", "base.name" as "base". */
static void say(const member *m, str *text)
{
    const char *last = strrchr(m->path, '.'), *from = m->path;
    size_t      n = strlen(m->path);
    if (last && (!strcmp(last, ".name") || !strcmp(last, ".sha256"))) n = (size_t)(last - m->path);
    for (const char *p = m->path; p < m->path + n; p++)
        if (*p == '.') from = p + 1;
    str_printf(text, "%s%.*s %s", text->n ? ", " : "", (int)(m->path + n - from), from, m->value);
}

void tell_apart(apart *things, size_t n)
{
    members *all   = mem_alloc(n + 1, sizeof *all);
    arena    texts = { 0 };
    qsort(things, n, sizeof *things, by_name);
    for (size_t i = 0; i < n; i++) {
        all[i] = (members) { .memory = &texts, .items = mem_alloc(8, sizeof(member)), .cap = 8 };
        flatten(&all[i], things[i].object, "");
    }
    for (size_t from = 0, to; from < n; from = to) {
        string_table differing = { 0 };
        for (to = from; to < n && !strcmp(things[to].name, things[from].name);) {
            size_t end = to + 1;
            while (end < n && !by_name(&things[end], &things[to])) end++;
            compare_group(all + to, end - to, &differing);
            to = end;
        }
        for (size_t i = from; i < to; i++) {
            str text = { 0 };
            for (const member *k = all[i].items; k < all[i].items + all[i].n; k++)
                if (strcmp(k->value, "null") != 0 && string_table_get(&differing, k->path, strlen(k->path)) >= 0)
                    say(k, &text);
            things[i].text = mem_strdup(str_c(&text));
            str_free(&text);
        }
        string_table_free(&differing);
    }
    for (size_t i = 0; i < n; i++) free(all[i].items);
    arena_free(&texts);
    free(all);
}
