#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/record.h"
#include "score/compare.h"

typedef struct {
    char *paths[RUNS_MAX];
    int   n;
} run_list;

static void run_list_free(run_list *l)
{
    for (int i = 0; i < l->n; i++) free(l->paths[i]);
}

static int add_run(run_list *l, char *path, const char *what)
{
    if (l->n == RUNS_MAX) {
        free(path);
        return input_error("%s: more than %d runs of one system", what, RUNS_MAX);
    }
    l->paths[l->n++] = path;
    return OK;
}

static int sample_file(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return !strcmp(e->d_name, "samples.jsonl") ||
           (n > 14 && !strncmp(e->d_name, "samples_", 8) && !strcmp(e->d_name + n - 6, ".jsonl"));
}
static int visible(const struct dirent *e) { return e->d_name[0] != '.'; }

/* The names in a folder that pass the filter, in strcmp's order; NULL when it cannot be read. */
static struct dirent **list_folder(const char *path, int filter(const struct dirent *), int *n)
{
    struct dirent **names = NULL;
    *n                    = scandir(path, &names, filter, alphasort);
    if (*n < 0) *n = 0;
    return names;
}

static void list_free(struct dirent **names, int n)
{
    for (int i = 0; i < n; i++) free(names[i]);
    free(names);
}

static bool is_run(const char *folder)
{
    int             n;
    struct dirent **names = list_folder(folder, sample_file, &n);
    list_free(names, n);
    return n > 0;
}

/* Finds the runs that a path means: a log, a run, or the runs in a folder, as SEED/ or
 * SEED/eval/. */
static int find_runs(run_list *l, const char *path, const char *what)
{
    if (!file_is_dir(path) || is_run(path)) return add_run(l, mem_strdup(path), what);
    int             n, rc = OK, before = l->n;
    struct dirent **names = list_folder(path, visible, &n);
    for (int i = 0; i < n && !rc; i++) {
        char *seed = path_join(path, names[i]->d_name), *eval = path_join(seed, "eval");
        if (file_is_dir(seed) && is_run(seed))
            rc = add_run(l, mem_strdup(seed), what);
        else if (file_is_dir(eval) && is_run(eval))
            rc = add_run(l, mem_strdup(eval), what);
        free(seed);
        free(eval);
    }
    list_free(names, n);
    if (!rc && l->n == before)
        rc = input_error(
            "%s: holds no samples.jsonl, nor do the folders in it (or their eval/); name a sample log or the folder of a run",
            path);
    return rc;
}

/* Reads the record beside a run's log; *asked is NULL where there is none. */
static int read_asked(const char *run, json **asked)
{
    const char *slash  = strrchr(run, '/');
    char       *folder = file_is_dir(run) ? mem_strdup(run)
                         : slash          ? mem_strndup(run, (size_t)(slash - run))
                                          : mem_strdup("."),
         *path;
    json *record = NULL;
    int   rc     = OK;
    *asked       = NULL;
    path         = path_join(folder, "record.json");
    if (file_exists(path) && !(rc = record_read(&record, path)))
        *asked = json_copy(record_get(record, field_record_asked));
    json_free(record);
    free(folder);
    free(path);
    return rc;
}

/* Runs of one system may differ in the training seed only. */
static int check_cell(const json *first, const json *asked, const char *a, const char *b)
{
    char here[17], there[17];
    if (!first || !asked) return OK;
    record_cell_id(first, here);
    record_cell_id(asked, there);
    return strcmp(here, there)
               ? input_error(
                     "%s and %s differ in more than the training seed, so they are not runs of one system; compare them as two",
                     a, b)
               : OK;
}

static int read_runs(compare_system *s, char *const *paths, int n)
{
    s->runs = mem_alloc((size_t)n, sizeof *s->runs);
    for (int i = 0; i < n; i++) {
        json *asked;
        int   rc = scored_read(&s->runs[i], paths[i]);
        if (rc) return rc;
        s->n_runs++;
        if ((rc = read_asked(paths[i], &asked))) return rc;
        rc = check_cell(s->asked, asked, paths[0], paths[i]);
        if (i == 0)
            s->asked = asked;
        else
            json_free(asked);
        if (rc) return rc;
    }
    s->seedless = s->asked && !json_has(s->asked, "adapter");
    return OK;
}

int compare_system_of(compare_system *out, const char *name, char *const *runs, int n)
{
    *out   = (compare_system) { .name = mem_strdup(name) };
    int rc = n <= RUNS_MAX ? read_runs(out, runs, n)
                           : input_error("%s: more than %d runs of one system", name, RUNS_MAX);
    if (rc) compare_system_free(out);
    return rc;
}

int compare_system_read(compare_system *out, const char *what)
{
    *out           = (compare_system) { 0 };
    run_list    l  = { 0 };
    const char *eq = strchr(what, '='), *paths = what;
    int         rc = OK;
    /* A path that exists is never split. */
    if (eq && eq != what && !file_exists(what)) paths = eq + 1;
    char *own = mem_strdup(paths), *save = NULL;
    if (file_exists(paths))
        rc = find_runs(&l, paths, what);
    else
        for (char *p = strtok_r(own, ",", &save); p && !rc; p = strtok_r(NULL, ",", &save)) rc = find_runs(&l, p, what);
    if (!rc && !l.n) rc = input_error("\"%s\": names no sample log", what);
    out->name = paths == what ? mem_strdup(what) : mem_strndup(what, (size_t)(eq - what));
    if (!rc) rc = read_runs(out, l.paths, l.n);
    free(own);
    run_list_free(&l);
    if (rc) compare_system_free(out);
    return rc;
}

void compare_system_free(compare_system *s)
{
    for (int i = 0; i < s->n_runs; i++) scored_free(&s->runs[i]);
    free(s->runs);
    free(s->name);
    json_free(s->asked);
    *s = (compare_system) { 0 };
}
