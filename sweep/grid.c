#include "sweep/grid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"

/* What the grid itself understands; `eval`: goes to eval, `both`: to train and eval, all the
 * rest goes to train. */
static const char *const own[]       = { "model", "tasks",  "methods", "seeds", "task",  "train",
                                         "test",  "method", "ranks",   "name",  "about", NULL };
static const char *const eval_only[] = { "limit",   "max-new-tokens", "max-length",   "metrics",      "shuffle-seed",
                                         "fewshot", "fewshot-data",   "fewshot-seed", "fewshot-draw", "allow-identity",
                                         NULL };
static const char *const both[]      = { "prompt", NULL };

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

typedef struct {
    grid       *g;
    const char *where, *folder, *out; /* folder: of the grid file */
    const json *doc, *task, *method;
    int64_t     threads;
} making;

static char *beside(const making *m, const char *path)
{
    return path[0] == '/' ? mem_strdup(path) : path_join(m->folder, path);
}

/* Pass on every option member of the three levels once: the innermost level wins. */
static int add_options(const making *m, command_line *train, command_line *eval)
{
    const json *levels[] = { m->doc, m->task, m->method };
    for (int l = 0; l < 3; l++) {
        for (const json *j = levels[l]->child; j; j = j->next) {
            bool overridden = false;
            for (int k = l + 1; k < 3; k++) overridden |= json_find(levels[k], j->string) != NULL;
            if (overridden || is_in(j->string, own)) continue;
            if (!strcmp(j->string, "rank") && json_find(m->method, "ranks")) continue;
            int rc = OK;
            if (!strcmp(j->string, "fewshot-data") && cJSON_IsString(j)) {
                /* a file beside the grid's, as the others are */
                char *path = beside(m, j->valuestring);
                add_option(eval, j->string, path);
                free(path);
                continue;
            }
            if (is_in(j->string, eval_only) || is_in(j->string, both)) rc = add_member(eval, j, m->where);
            if (!rc && !is_in(j->string, eval_only)) rc = add_member(train, j, m->where);
            if (rc) return rc;
        }
    }
    return OK;
}

static int add_cell(const making *m, const char *label, const json *rank, const json *seed, bool trains)
{
    grid *g = m->g;
    if (g->n == g->cap) g->cells = mem_grow(g->cells, &g->cap, sizeof *g->cells);
    grid_cell  *c = &g->cells[g->n++];
    const char *task, *train, *test, *model;
    *c     = (grid_cell) { .label = mem_strdup(label) };
    int rc = json_get_str(m->task, m->where, "task", &task);
    if (!rc) rc = json_get_str(m->task, m->where, "train", &train);
    if (!rc) rc = json_get_str(m->task, m->where, "test", &test);
    if (!rc) rc = json_get_str(m->doc, m->where, "model", &model);
    if (rc) return rc;
    str name = { 0 }, dir = { 0 }, eval_dir = { 0 }, number = { 0 };
    str_printf(&name, "%s/%s", path_base(task), label);
    if (trains) str_printf(&name, "/s%.0f", seed->valuedouble);
    str_printf(&dir, "%s/%s/train", m->out, name.s);
    str_printf(&eval_dir, "%s/%s/eval", m->out, name.s);
    char *base = beside(m, model), *train_file = beside(m, train), *test_file = beside(m, test);
    bool  full = trains && !strcmp(json_find(m->method, "method")->valuestring, "full");
    add(&c->eval, "eval");
    add_option(&c->eval, "model", full ? dir.s : base);
    if (trains && !full) add_option(&c->eval, "adapter", dir.s);
    add_option(&c->eval, "task", task);
    add_option(&c->eval, "data", test_file);
    add_option(&c->eval, "out", eval_dir.s);
    command_line train_line = { 0 };
    add(&train_line, "train");
    add_option(&train_line, "model", base);
    add_option(&train_line, "task", task);
    add_option(&train_line, "data", train_file);
    if (trains) add_option(&train_line, "method", json_find(m->method, "method")->valuestring);
    if (rank) {
        json_print(rank, &number, false);
        add_option(&train_line, "rank", number.s);
    }
    if (trains) {
        str_clear(&number);
        json_print(seed, &number, false);
        add_option(&train_line, "seed", number.s);
    }
    add_option(&train_line, "out", dir.s);
    rc = add_options(m, &train_line, &c->eval);
    if (m->threads) {
        char text[24];
        snprintf(text, sizeof text, "%lld", (long long)m->threads);
        add_option(&train_line, "threads", text);
        add_option(&c->eval, "threads", text);
    }
    c->name  = name.s;
    c->task  = mem_strdup(task);
    c->train = train_line;
    if (!trains) c->train.n = 0;
    free(base);
    free(train_file);
    free(test_file);
    str_free(&dir);
    str_free(&eval_dir);
    str_free(&number);
    return rc;
}

/* One method on one task: its ranks times the seeds. */
static int add_method(const making *m, int64_t seeds_max)
{
    const char *method, *task = json_find(m->task, "task")->valuestring;
    const json *only = json_find(m->method, "tasks"), *seeds, *ranks = json_find(m->method, "ranks"),
               *name = json_find(m->method, "name");
    int rc           = json_get_str(m->method, m->where, "method", &method);
    if (rc) return rc;
    bool wanted = !only;
    for (const json *t = cJSON_IsArray(only) ? only->child : NULL; t; t = t->next)
        wanted |= cJSON_IsString(t) && !strcmp(t->valuestring, task);
    if (!wanted) return OK;
    if (!strcmp(method, "base")) return add_cell(m, "base", NULL, NULL, false);
    if ((rc = json_get_array(m->doc, m->where, "seeds", &seeds))) return rc;
    json one = { .type = cJSON_NULL };
    for (const json *r = cJSON_IsArray(ranks) ? ranks->child : &one; r && !rc; r = r->next) {
        str         label = { 0 };
        const json *rank  = cJSON_IsNumber(r)              ? r
                            : json_find(m->method, "rank") ? json_find(m->method, "rank")
                                                           : json_find(m->doc, "rank");
        str_puts(&label, cJSON_IsString(name) ? name->valuestring : method);
        if (cJSON_IsNumber(rank) && strcmp(method, "full")) str_printf(&label, "-r%.0f", rank->valuedouble);
        for (char *c = label.s; *c; c++)
            if (strchr("/ ,=:()", *c)) *c = '_';
        int64_t k = 0;
        for (const json *s = seeds->child; s && !rc; s = s->next) {
            if (!cJSON_IsNumber(s)) rc = input_error("%s: \"seeds\": each must be a whole number", m->where);
            if (!rc && (!seeds_max || k++ < seeds_max))
                rc = add_cell(m, label.s, cJSON_IsNumber(r) ? r : NULL, s, true);
        }
        str_free(&label);
    }
    return rc;
}

int grid_read(grid *g, const char *path, const char *out, int64_t threads, int64_t seeds_max)
{
    json       *doc = NULL;
    const json *tasks, *methods;
    const char *base   = path_base(path), *text;
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
            making k = { g, path, folder, out, doc, t, m, threads };
            rc       = cJSON_IsObject(m) ? add_method(&k, seeds_max)
                                         : input_error("%s: \"methods\": each must be an object", path);
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
