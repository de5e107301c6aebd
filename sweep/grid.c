#include "sweep/grid.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"

/* What the grid itself understands. */
static const char *const own[] = { "model", "tasks",  "methods", "seeds", "task",  "train",
                                   "test",  "method", "ranks",   "name",  "about", NULL };

static bool is_in(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(name, *list)) return true;
    return false;
}

/* What a cell is made from: the members of the whole grid, of a task and of a method. */
typedef struct {
    grid               *g;
    const grid_request *request;
    const char         *folder; /* of the grid file */
    const json         *doc, *task, *method;
} making;

/* A text that lives as long as the grid. */
static char *text_of(const making *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
static char *text_of(const making *m, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    size_t n    = (size_t)vsnprintf(NULL, 0, format, args) + 1;
    char  *text = arena_alloc(&m->g->texts, n, 1);
    vsnprintf(text, n, format, again);
    va_end(again);
    va_end(args);
    return text;
}

static char *beside(const making *m, const char *path)
{
    bool   whole = path[0] == '/';
    size_t n     = strlen(m->folder);
    return text_of(m, "%s%s%s", whole ? "" : m->folder, whole || (n && m->folder[n - 1] == '/') ? "" : "/", path);
}

static void add(command_line *c, char *text)
{
    if ((size_t)c->n + 1 >= c->cap) c->args = mem_grow(c->args, &c->cap, sizeof *c->args);
    c->args[c->n++] = text;
    c->args[c->n]   = NULL;
}

static void begin(const making *m, command_line *c, const char *verb)
{
    add(c, text_of(m, "tiebreak"));
    add(c, text_of(m, "%s", verb));
}

/* value NULL: a flag. */
static void add_option(const making *m, command_line *c, const char *name, const char *value)
{
    add(c, text_of(m, "--%s", name));
    if (value) add(c, text_of(m, "%s", value));
}

/* A scalar as the option's text; true is a flag, false or null leaves it out. */
static int add_value(const making *m, command_line *c, const char *name, const json *value)
{
    str text = { 0 };
    if (json_text(value)) {
        add_option(m, c, name, json_text(value));
    } else if (json_is_number(value)) {
        json_print(value, &text, false);
        add_option(m, c, name, text.s);
    } else if (json_is_true(value)) {
        add_option(m, c, name, NULL);
    } else if (!json_is_bool(value) && !json_is_null(value)) {
        return input_error("%s: \"%s\": an option's value must be a string, a number, true or false", m->request->path,
                           name);
    }
    str_free(&text);
    return OK;
}

static int add_member(const making *m, const json *member, grid_cell *c)
{
    grid_use    use  = m->request->use_of(member->string);
    const char *path = use == GRID_EVAL_FILE ? json_text(member) : NULL;
    if (path) {
        add_option(m, &c->eval, member->string, beside(m, path));
        return OK;
    }
    int rc = use == GRID_TRAIN ? OK : add_value(m, &c->eval, member->string, member);
    return rc || use == GRID_EVAL || use == GRID_EVAL_FILE ? rc : add_value(m, &c->train, member->string, member);
}

/* Pass on every option member of the three levels once: the innermost level wins. */
static int add_options(const making *m, grid_cell *c)
{
    const json *levels[] = { m->doc, m->task, m->method };
    int         rc       = OK;
    for (int l = 0; l < 3; l++)
        for (const json *j = json_members(levels[l]); j && !rc; j = j->next) {
            bool overridden = !strcmp(j->string, "rank") && json_find(m->method, "ranks");
            for (int k = l + 1; k < 3; k++) overridden |= json_find(levels[k], j->string) != NULL;
            if (!overridden && !is_in(j->string, own)) rc = add_member(m, j, c);
        }
    return rc;
}

/* One cell: rank NULL: the method's own; seed NULL: the base, which is not trained. */
static int add_cell(const making *m, const char *label, const json *rank, const json *seed)
{
    const char *where = m->request->path, *task, *train, *test, *model;
    int         rc    = json_get_str(m->task, where, "task", &task);
    if (!rc) rc = json_get_str(m->task, where, "train", &train);
    if (!rc) rc = json_get_str(m->task, where, "test", &test);
    if (!rc) rc = json_get_str(m->doc, where, "model", &model);
    if (rc) return rc;
    grid *g = m->g;
    if (g->n == g->cap) g->cells = mem_grow(g->cells, &g->cap, sizeof *g->cells);
    grid_cell  *c   = &g->cells[g->n++];
    const char *row = json_text(json_find(m->method, "method"));
    *c              = (grid_cell) { .name  = text_of(m, "%s/%s", path_base(task), label),
                                    .task  = text_of(m, "%s", task),
                                    .label = text_of(m, "%s", label) };
    if (seed) c->name = text_of(m, "%s/s%.0f", c->name, json_number(seed));
    const char *dir = text_of(m, "%s/%s/train", m->request->out, c->name), *base = beside(m, model);
    bool        full = seed && !strcmp(row, "full");
    begin(m, &c->eval, "eval");
    add_option(m, &c->eval, "model", full ? dir : base);
    if (seed && !full) add_option(m, &c->eval, "adapter", dir);
    add_option(m, &c->eval, "task", task);
    add_option(m, &c->eval, "data", beside(m, test));
    add_option(m, &c->eval, "out", text_of(m, "%s/%s/eval", m->request->out, c->name));
    begin(m, &c->train, "train");
    add_option(m, &c->train, "model", base);
    add_option(m, &c->train, "task", task);
    add_option(m, &c->train, "data", beside(m, train));
    if (seed) add_option(m, &c->train, "method", row);
    if (rank) rc = add_value(m, &c->train, "rank", rank);
    if (seed && !rc) rc = add_value(m, &c->train, "seed", seed);
    add_option(m, &c->train, "out", dir);
    if (!rc) rc = add_options(m, c);
    for (int k = 0; m->request->threads && k < 2; k++)
        add_option(m, k ? &c->eval : &c->train, "threads", text_of(m, "%lld", (long long)m->request->threads));
    if (!seed) c->train.n = 0;
    return rc;
}

/* "lora-r8": the name of a method's cells, as a folder's. */
static char *label_of(const making *m, const json *rank)
{
    const char *method = json_text(json_find(m->method, "method")), *name = json_text(json_find(m->method, "name"));
    if (!json_is_number(rank)) rank = json_find(m->method, "rank");
    if (!rank) rank = json_find(m->doc, "rank");
    char *label = text_of(m, "%s", name ? name : method);
    if (json_is_number(rank) && strcmp(method, "full")) label = text_of(m, "%s-r%.0f", label, json_number(rank));
    for (char *c = label; *c; c++)
        if (strchr("/ ,=:()", *c)) *c = '_';
    return label;
}

static bool wants_task(const making *m)
{
    const json *only = json_find(m->method, "tasks");
    const char *task = json_text(json_find(m->task, "task"));
    for (const json *t = json_items(only); t; t = t->next)
        if (json_text(t) && !strcmp(json_text(t), task)) return true;
    return !only;
}

/* One method on one task: its ranks times the seeds. */
static int add_method(const making *m)
{
    const char *method, *where = m->request->path;
    const json *seeds, *ranks  = json_find(m->method, "ranks");
    int rc = json_get_str(m->method, where, "method", &method), n_ranks = json_is_array(ranks) ? json_size(ranks) : 1;
    if (rc || !wants_task(m)) return rc;
    if (!strcmp(method, "base")) return add_cell(m, "base", NULL, NULL);
    if ((rc = json_get_array(m->doc, where, "seeds", &seeds))) return rc;
    for (int i = 0; i < n_ranks && !rc; i++) {
        const json *rank  = json_is_array(ranks) ? json_at(ranks, i) : NULL;
        const char *label = label_of(m, rank);
        int64_t     k     = 0;
        for (const json *s = json_items(seeds); s && !rc; s = s->next) {
            if (!json_is_number(s))
                rc = input_error("%s: \"seeds\": each must be a whole number", where);
            else if (!m->request->seeds_max || k++ < m->request->seeds_max)
                rc = add_cell(m, label, json_is_number(rank) ? rank : NULL, s);
        }
    }
    return rc;
}

int grid_read(grid *g, const grid_request *request)
{
    json       *doc = NULL;
    const json *tasks, *methods;
    const char *path = request->path, *base = path_base(path), *text;
    char       *folder = base == path ? mem_strdup(".") : mem_strndup(path, (size_t)(base - path - 1));
    *g                 = (grid) { 0 };
    int rc             = json_read_file(&doc, path, 16u << 20);
    if (!rc && !json_is_object(doc)) rc = input_error("%s: must be a JSON object", path);
    if (!rc) rc = json_get_array(doc, path, "tasks", &tasks);
    if (!rc) rc = json_get_array(doc, path, "methods", &methods);
    for (const json *t = rc ? NULL : json_items(tasks); t && !rc; t = t->next) {
        rc = json_is_object(t) ? json_get_str(t, path, "task", &text)
                               : input_error("%s: \"tasks\": each must be an object", path);
        for (const json *m = json_items(methods); m && !rc; m = m->next) {
            making k = { g, request, folder, doc, t, m };
            rc = json_is_object(m) ? add_method(&k) : input_error("%s: \"methods\": each must be an object", path);
        }
    }
    if (!rc && !g->n) rc = input_error("%s: describes no cell", path);
    if (rc) grid_free(g);
    json_free(doc);
    free(folder);
    return rc;
}

void grid_free(grid *g)
{
    for (size_t i = 0; i < g->n; i++) {
        free(g->cells[i].train.args);
        free(g->cells[i].eval.args);
    }
    free(g->cells);
    arena_free(&g->texts);
    *g = (grid) { 0 };
}

void command_print(const command_line *c, str *out)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=,:+";
    for (int i = 0; i < c->n; i++) {
        const char *arg = c->args[i];
        if (i) str_putc(out, ' ');
        if (*arg && !arg[strspn(arg, plain)]) {
            str_puts(out, arg);
            continue;
        }
        str_putc(out, '\'');
        for (; *arg; arg++) {
            if (*arg == '\'')
                str_puts(out, "'\\''");
            else
                str_putc(out, *arg);
        }
        str_putc(out, '\'');
    }
}
