#include "sweep/grid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"

/* What the grid itself understands. */
static const char *const own[] = { "model", "tasks",  "methods", "seeds", "task",  "train",
                                   "test",  "method", "ranks",   "name",  "about", NULL };

static bool is_in(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(name, *list)) return true;
    return false;
}

static void add(command_line *c, const char *text)
{
    if ((size_t)c->n + 1 >= c->cap) c->args = mem_grow(c->args, &c->cap, sizeof *c->args);
    c->args[c->n++] = mem_strdup(text);
    c->args[c->n]   = NULL;
}

static void add_option(command_line *c, const char *name, const char *value)
{
    str option = { 0 };
    str_printf(&option, "--%s", name);
    add(c, option.s);
    if (value) add(c, value);
    str_free(&option);
}

/* A scalar member as the option's text; true is a flag, false leaves it out. */
static int add_member(command_line *c, const json *j, const char *where)
{
    str text = { 0 };
    int rc   = OK;
    if (cJSON_IsString(j)) {
        add_option(c, j->string, j->valuestring);
    } else if (cJSON_IsNumber(j)) {
        json_print(j, &text, false);
        add_option(c, j->string, text.s);
    } else if (cJSON_IsTrue(j)) {
        add_option(c, j->string, NULL);
    } else if (!cJSON_IsFalse(j) && !cJSON_IsNull(j)) {
        rc = input_error("%s: \"%s\": an option's value must be a string, a number, true or false", where, j->string);
    }
    str_free(&text);
    return rc;
}

/* What a cell is made from: the members of the whole grid, of a task and of a method. */
typedef struct {
    grid               *g;
    const grid_request *request;
    const char         *folder; /* of the grid file */
    const json         *doc, *task, *method;
} making;

static grid_use use_of(const making *m, const char *name)
{
    for (const grid_option *o = m->request->options; o->name; o++)
        if (!strcmp(o->name, name)) return o->use;
    return GRID_TRAIN;
}

static char *beside(const making *m, const char *path)
{
    return path[0] == '/' ? mem_strdup(path) : path_join(m->folder, path);
}

static int add_member_to(const making *m, const json *member, command_line *train, command_line *eval)
{
    const char *where = m->request->path;
    grid_use    use   = use_of(m, member->string);
    if (use == GRID_EVAL_FILE && cJSON_IsString(member)) {
        char *path = beside(m, member->valuestring);
        add_option(eval, member->string, path);
        free(path);
        return OK;
    }
    int rc = use == GRID_TRAIN ? OK : add_member(eval, member, where);
    return rc || use == GRID_EVAL || use == GRID_EVAL_FILE ? rc : add_member(train, member, where);
}

/* Pass on every option member of the three levels once: the innermost level wins. */
static int add_options(const making *m, command_line *train, command_line *eval)
{
    const json *levels[] = { m->doc, m->task, m->method };
    int         rc       = OK;
    for (int l = 0; l < 3; l++)
        for (const json *j = levels[l]->child; j && !rc; j = j->next) {
            bool overridden = !strcmp(j->string, "rank") && json_find(m->method, "ranks");
            for (int k = l + 1; k < 3; k++) overridden |= json_find(levels[k], j->string) != NULL;
            if (!overridden && !is_in(j->string, own)) rc = add_member_to(m, j, train, eval);
        }
    return rc;
}

static void add_number(command_line *c, const char *name, const json *number)
{
    str text = { 0 };
    json_print(number, &text, false);
    add_option(c, name, text.s);
    str_free(&text);
}

/* One cell: rank NULL: the method's own; seed NULL: the base, which is not trained. */
static int add_cell(const making *m, const char *label, const json *rank, const json *seed)
{
    const char *where = m->request->path, *out = m->request->out, *task, *train, *test, *model;
    int         rc = json_get_str(m->task, where, "task", &task);
    if (!rc) rc = json_get_str(m->task, where, "train", &train);
    if (!rc) rc = json_get_str(m->task, where, "test", &test);
    if (!rc) rc = json_get_str(m->doc, where, "model", &model);
    if (rc) return rc;
    grid *g = m->g;
    if (g->n == g->cap) g->cells = mem_grow(g->cells, &g->cap, sizeof *g->cells);
    grid_cell   *c    = &g->cells[g->n++];
    const char  *row  = json_find(m->method, "method")->valuestring;
    bool         full = seed && !strcmp(row, "full");
    command_line line = { 0 };
    str          name = { 0 }, dir = { 0 }, eval_dir = { 0 };
    char        *base = beside(m, model), *train_file = beside(m, train), *test_file = beside(m, test);
    str_printf(&name, "%s/%s", path_base(task), label);
    if (seed) str_printf(&name, "/s%.0f", seed->valuedouble);
    str_printf(&dir, "%s/%s/train", out, name.s);
    str_printf(&eval_dir, "%s/%s/eval", out, name.s);
    *c = (grid_cell) { .name = name.s, .task = mem_strdup(task), .label = mem_strdup(label) };
    add(&c->eval, "eval");
    add_option(&c->eval, "model", full ? dir.s : base);
    if (seed && !full) add_option(&c->eval, "adapter", dir.s);
    add_option(&c->eval, "task", task);
    add_option(&c->eval, "data", test_file);
    add_option(&c->eval, "out", eval_dir.s);
    add(&line, "train");
    add_option(&line, "model", base);
    add_option(&line, "task", task);
    add_option(&line, "data", train_file);
    if (seed) add_option(&line, "method", row);
    if (rank) add_number(&line, "rank", rank);
    if (seed) add_number(&line, "seed", seed);
    add_option(&line, "out", dir.s);
    rc           = add_options(m, &line, &c->eval);
    c->train     = line;
    json threads = { .type = cJSON_Number, .valuedouble = (double)m->request->threads };
    if (m->request->threads) add_number(&c->train, "threads", &threads), add_number(&c->eval, "threads", &threads);
    if (!seed) c->train.n = 0;
    free(base);
    free(train_file);
    free(test_file);
    str_free(&dir);
    str_free(&eval_dir);
    return rc;
}

/* "lora-r8": the name of a method's cells, as a folder's. */
static void set_label(const making *m, const json *rank, str *label)
{
    const json *name = json_find(m->method, "name"), *method = json_find(m->method, "method");
    if (!cJSON_IsNumber(rank))
        rank = json_find(m->method, "rank") ? json_find(m->method, "rank") : json_find(m->doc, "rank");
    str_puts(label, cJSON_IsString(name) ? name->valuestring : method->valuestring);
    if (cJSON_IsNumber(rank) && strcmp(method->valuestring, "full")) str_printf(label, "-r%.0f", rank->valuedouble);
    for (char *c = label->s; *c; c++)
        if (strchr("/ ,=:()", *c)) *c = '_';
}

static bool wants_task(const making *m)
{
    const json *only = json_find(m->method, "tasks");
    for (const json *t = cJSON_IsArray(only) ? only->child : NULL; t; t = t->next)
        if (cJSON_IsString(t) && !strcmp(t->valuestring, json_find(m->task, "task")->valuestring)) return true;
    return !only;
}

/* One method on one task: its ranks times the seeds. */
static int add_method(const making *m)
{
    const char *method, *where = m->request->path;
    const json *seeds, *ranks = json_find(m->method, "ranks"), one = { .type = cJSON_NULL };
    int         rc = json_get_str(m->method, where, "method", &method);
    if (rc || !wants_task(m)) return rc;
    if (!strcmp(method, "base")) return add_cell(m, "base", NULL, NULL);
    if ((rc = json_get_array(m->doc, where, "seeds", &seeds))) return rc;
    for (const json *r = cJSON_IsArray(ranks) ? ranks->child : &one; r && !rc; r = r->next) {
        str     label = { 0 };
        int64_t k     = 0;
        set_label(m, r, &label);
        for (const json *s = seeds->child; s && !rc; s = s->next) {
            if (!cJSON_IsNumber(s))
                rc = input_error("%s: \"seeds\": each must be a whole number", where);
            else if (!m->request->seeds_max || k++ < m->request->seeds_max)
                rc = add_cell(m, label.s, cJSON_IsNumber(r) ? r : NULL, s);
        }
        str_free(&label);
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
    if (!rc && !cJSON_IsObject(doc)) rc = input_error("%s: must be a JSON object", path);
    if (!rc) rc = json_get_array(doc, path, "tasks", &tasks);
    if (!rc) rc = json_get_array(doc, path, "methods", &methods);
    for (const json *t = rc ? NULL : tasks->child; t && !rc; t = t->next) {
        rc = cJSON_IsObject(t) ? json_get_str(t, path, "task", &text)
                               : input_error("%s: \"tasks\": each must be an object", path);
        for (const json *m = methods->child; m && !rc; m = m->next) {
            making k = { g, request, folder, doc, t, m };
            rc = cJSON_IsObject(m) ? add_method(&k) : input_error("%s: \"methods\": each must be an object", path);
        }
    }
    if (!rc && !g->n) rc = input_error("%s: describes no cell", path);
    if (rc) grid_free(g);
    json_free(doc);
    free(folder);
    return rc;
}

static void command_free(command_line *c)
{
    for (size_t i = 0; c->args && c->args[i]; i++) free(c->args[i]);
    free(c->args);
}

void grid_free(grid *g)
{
    for (size_t i = 0; i < g->n; i++) {
        free(g->cells[i].name);
        free(g->cells[i].task);
        free(g->cells[i].label);
        command_free(&g->cells[i].train);
        command_free(&g->cells[i].eval);
    }
    free(g->cells);
    *g = (grid) { 0 };
}

void command_print(const command_line *c, str *out)
{
    str_puts(out, "tiebreak");
    for (int i = 0; i < c->n; i++) {
        bool plain = c->args[i][0] &&
                     strspn(c->args[i], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=,:+") ==
                         strlen(c->args[i]);
        str_putc(out, ' ');
        if (!plain) str_putc(out, '\'');
        for (const char *s = c->args[i]; *s; s++) {
            if (*s == '\'')
                str_puts(out, "'\\''");
            else
                str_putc(out, *s);
        }
        if (!plain) str_putc(out, '\'');
    }
}
