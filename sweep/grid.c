#include "sweep/grid.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/nearest.h"
#include "core/string_table.h"

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

static int add_member(const making *m, const char *name, const json *value, grid_cell *c)
{
    const grid_use use  = m->request->use_of(name);
    const bool     file = use == GRID_EVAL_FILE || use == GRID_TRAIN_FILE;
    if (file && json_text(value)) {
        add_option(m, use == GRID_EVAL_FILE ? &c->eval : &c->train, name, beside(m, json_text(value)));
        return OK;
    }
    int rc = use == GRID_TRAIN || use == GRID_TRAIN_FILE ? OK : add_value(m, &c->eval, name, value);
    return rc || use == GRID_EVAL || use == GRID_EVAL_FILE ? rc : add_value(m, &c->train, name, value);
}

/* A member of a method that is a list, and which of its items is meant: "ranks", or an option. */
typedef struct {
    const char *option; /* "rank", "lr" */
    const json *items, *item;
} choice;
enum { CHOICES_MAX = 8 };
typedef struct {
    choice list[CHOICES_MAX];
    int    n;
} choices;

static const json *chosen(const choices *c, const char *option)
{
    for (int i = 0; i < c->n; i++)
        if (!strcmp(c->list[i].option, option)) return c->list[i].item;
    return NULL;
}

/* Pass on every option member of the three levels once: the innermost level wins, and there the
 * item that is meant. */
static int add_options(const making *m, const choices *meant, grid_cell *c)
{
    const json *levels[] = { m->doc, m->task, m->method };
    int         rc       = OK;
    for (int l = 0; l < 3; l++)
        for (const json *j = json_members(levels[l]); j && !rc; j = j->next) {
            bool overridden = !strcmp(j->string, "rank") && chosen(meant, "rank");
            for (int k = l + 1; k < 3; k++) overridden |= json_find(levels[k], j->string) != NULL;
            if (overridden || is_in(j->string, own)) continue;
            const json *item = l == 2 ? chosen(meant, j->string) : NULL;
            rc               = add_member(m, j->string, item ? item : j, c);
        }
    return rc;
}

/* A task's file lies beside the grid; a name is built in. */
static const char *task_of(const making *m, const char *task)
{
    const char *end = strrchr(task, '.');
    return end && !strcmp(end, ".json") ? beside(m, task) : task;
}

/* One cell: seed NULL: the base, which is not trained. */
static int add_cell(const making *m, const char *label, const choices *meant, const json *seed)
{
    const char *where = m->request->path, *task, *train, *test, *model;
    const json *rank  = chosen(meant, "rank");
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
    task             = task_of(m, task);
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
    if (!rc) rc = add_options(m, meant, c);
    for (int k = 0; m->request->threads && k < 2; k++)
        add_option(m, k ? &c->eval : &c->train, "threads", text_of(m, "%lld", (long long)m->request->threads));
    if (!seed) c->train.n = 0;
    if (!rc && m->request->check && c->train.n) rc = m->request->check(&c->train);
    if (!rc && m->request->check) rc = m->request->check(&c->eval);
    return error_context(rc, "%s: the cell %s", where, c->name);
}

/* "lora-r8-lr0.001": the name of a method's cells, as a folder's. */
static char *label_of(const making *m, const choices *meant)
{
    const char *method = json_text(json_find(m->method, "method")), *name = json_text(json_find(m->method, "name"));
    const json *rank = chosen(meant, "rank");
    if (!rank) rank = json_find(m->method, "rank");
    if (!rank) rank = json_find(m->doc, "rank");
    char *label = text_of(m, "%s", name ? name : method);
    if (json_is_number(rank) && strcmp(method, "full")) label = text_of(m, "%s-r%.0f", label, json_number(rank));
    for (int i = 0; i < meant->n; i++) {
        str value = { 0 };
        if (!strcmp(meant->list[i].option, "rank")) continue;
        if (json_text(meant->list[i].item))
            str_puts(&value, json_text(meant->list[i].item));
        else
            json_print(meant->list[i].item, &value, false);
        label = text_of(m, "%s-%s%s", label, meant->list[i].option, value.s);
        str_free(&value);
    }
    for (char *c = label; *c; c++)
        if (strchr("/ ,=:()", *c)) *c = '_';
    return label;
}

/* Each of a method's tasks must be one of the grid's. */
static int check_tasks(const making *m, const json *only, const json *tasks)
{
    const char *names[64] = { 0 };
    int         n         = 0;
    for (const json *t = json_items(tasks); t && n < 63; t = t->next) names[n++] = json_text(json_find(t, "task"));
    for (const json *t = json_items(only); t; t = t->next) {
        bool known = false;
        for (const json *k = json_items(tasks); k && json_text(t); k = k->next)
            known |= !strcmp(json_text(t), json_text(json_find(k, "task")));
        if (!known)
            return input_error("%s: \"tasks\" of a method: \"%s\" is no task of this grid%s", m->request->path,
                               json_text(t) ? json_text(t) : "?",
                               json_text(t) ? did_you_mean(json_text(t), names).text : "; each must be a task's name");
    }
    return OK;
}

static bool wants_task(const making *m)
{
    const json *only = json_find(m->method, "tasks");
    const char *task = json_text(json_find(m->task, "task"));
    for (const json *t = json_items(only); t; t = t->next)
        if (!strcmp(json_text(t), task)) return true;
    return !only;
}

/* The members of a method that are lists. "ranks" is one for the option "rank". */
static int read_choices(const making *m, choices *c)
{
    const char *where = m->request->path;
    *c                = (choices) { .n = 0 };
    for (const json *j = json_members(m->method); j; j = j->next) {
        const bool ranks = !strcmp(j->string, "ranks");
        if (ranks && !json_is_array(j))
            return input_error("%s: \"ranks\": must be a list, as [2, 8]; for one rank write \"rank\"", where);
        if (!json_is_array(j) || (is_in(j->string, own) && !ranks)) continue;
        if (!json_size(j))
            return input_error("%s: \"%s\": is an empty list, so no cell comes of its method", where, j->string);
        if (c->n == CHOICES_MAX) return input_error("%s: a method with more than %d lists", where, CHOICES_MAX);
        c->list[c->n++] = (choice) { ranks ? "rank" : j->string, j, json_items(j) };
    }
    return OK;
}

/* The next combination, the last list's items first; false after the last. */
static bool next_combination(choices *c)
{
    for (int i = c->n - 1; i >= 0; i--) {
        if ((c->list[i].item = c->list[i].item->next)) return true;
        c->list[i].item = json_items(c->list[i].items);
    }
    return false;
}

/* One method on one task: its combinations times the seeds. */
static int add_method(const making *m, const json *tasks)
{
    const char *method, *where = m->request->path;
    const json *seeds, *only   = json_find(m->method, "tasks");
    choices     meant;
    int         rc = json_get_str(m->method, where, "method", &method);
    if (!rc && only)
        rc = json_is_array(only) && json_size(only)
                 ? check_tasks(m, only, tasks)
                 : input_error("%s: \"tasks\" of a method: must be a list of task names, as [\"squad\"]", where);
    if (!rc) rc = read_choices(m, &meant);
    if (rc || !wants_task(m)) return rc;
    if (!strcmp(method, "base")) return add_cell(m, "base", &(choices) { .n = 0 }, NULL);
    if ((rc = json_get_array(m->doc, where, "seeds", &seeds))) return rc;
    do {
        const char *label = label_of(m, &meant);
        int64_t     k     = 0;
        for (const json *s = json_items(seeds); s && !rc; s = s->next)
            if (!m->request->seeds_max || k++ < m->request->seeds_max) rc = add_cell(m, label, &meant, s);
    } while (!rc && next_combination(&meant));
    return rc;
}

/* Lists that must hold something, and seeds that are numbers, each once. */
static int check_lists(const json *doc, const char *path, const json *tasks, const json *methods)
{
    const json *seeds = json_find(doc, "seeds");
    if (!json_size(tasks)) return input_error("%s: \"tasks\": is empty", path);
    if (!json_size(methods)) return input_error("%s: \"methods\": is empty", path);
    if (seeds && (!json_is_array(seeds) || !json_size(seeds)))
        return input_error("%s: \"seeds\": must be a list of whole numbers, as [1, 2, 3]", path);
    for (const json *s = json_items(seeds); s; s = s->next) {
        const double v = json_number(s);
        if (!(v >= 0 && v <= 1e15 && v == floor(v)))
            return input_error("%s: \"seeds\": each must be a whole number, 0 or more", path);
        for (const json *other = json_items(seeds); other != s; other = other->next)
            if (json_number(other) == v) return input_error("%s: \"seeds\": %.0f stands there twice", path, v);
    }
    return OK;
}

/* A folder is one cell's. */
static int check_folders(const grid *g, const char *path)
{
    string_table names = { 0 };
    int          rc    = OK;
    for (size_t i = 0; i < g->n && !rc; i++)
        if (string_table_put(&names, g->cells[i].name, strlen(g->cells[i].name), 0) >= 0)
            rc = input_error(
                "%s: two cells have the folder %s; give one of their methods a \"name\" of its own, or make "
                "what they differ in a list, as \"lr\": [0.01, 0.1]",
                path, g->cells[i].name);
    string_table_free(&names);
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
    if (!rc) rc = check_lists(doc, path, tasks, methods);
    for (const json *t = rc ? NULL : json_items(tasks); t && !rc; t = t->next)
        rc = json_is_object(t) ? json_get_str(t, path, "task", &text)
                               : input_error("%s: \"tasks\": each must be an object", path);
    for (const json *t = rc ? NULL : json_items(tasks); t && !rc; t = t->next) {
        for (const json *m = json_items(methods); m && !rc; m = m->next) {
            making k = { g, request, folder, doc, t, m };
            rc       = json_is_object(m) ? add_method(&k, tasks)
                                         : input_error("%s: \"methods\": each must be an object", path);
        }
    }
    if (!rc && !g->n) rc = input_error("%s: describes no cell", path);
    if (!rc) rc = check_folders(g, path);
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
