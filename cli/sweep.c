/* tiebreak sweep: run a grid of cells, each in processes of its own; finished cells are left as
 * they are, so a killed sweep goes on. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sweep/grid.h"
#include "cli/verbs.h"
#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/progress.h"
#include "core/record.h"
#include "core/stats.h"

static struct {
    const char *out, *shard;
    int64_t     threads, seeds;
    bool        dry_run, json;
} o;

/* Run one command with its messages in a log; what it said last becomes the error. */
static int run_command(const command_line *c, const char *dir, const char *log_name)
{
    char *log = path_join(dir, log_name);
    int   rc = file_make_dirs(dir), status = 0;
    int   fd = rc ? -1 : open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (!rc && fd < 0) rc = run_error("%s: cannot be written: %s", log, strerror(errno));
    pid_t pid = rc ? -1 : fork();
    if (pid == 0) {
        char **argv = mem_alloc((size_t)c->n + 2, sizeof *argv);
        argv[0]     = (char[]) { "tiebreak" };
        for (int i = 0; i < c->n; i++) argv[i + 1] = c->args[i];
        dup2(fd, 1);
        dup2(fd, 2);
        execv("/proc/self/exe", argv);
        _exit(127);
    }
    if (!rc && (pid < 0 || waitpid(pid, &status, 0) < 0))
        rc = run_error("sweep: a process could not be started: %s", strerror(errno));
    if (fd >= 0) close(fd);
    if (!rc && status) {
        str         text = { 0 };
        const char *last = "";
        if (!file_read(log, 16u << 20, &text) && text.n) {
            if (text.s[text.n - 1] == '\n') text.s[--text.n] = '\0';
            last = strrchr(text.s, '\n') ? strrchr(text.s, '\n') + 1 : text.s;
        }
        rc = WIFEXITED(status) && WEXITSTATUS(status) == ERR_INPUT ? input_error("%.1000s (log: %s)", last, log)
                                                                   : run_error("%.1000s (log: %s)", last, log);
        str_free(&text);
    }
    free(log);
    return rc;
}

static char *cell_dir(const grid_cell *c, const char *below)
{
    str dir = { 0 };
    str_printf(&dir, "%s/%s%s", o.out, c->name, below);
    return dir.s;
}

static int run_cell(const grid_cell *c)
{
    char *dir = cell_dir(c, "");
    int   rc  = c->train.n ? run_command(&c->train, dir, "train.log") : OK;
    if (!rc) rc = run_command(&c->eval, dir, "eval.log");
    free(dir);
    return rc;
}

/* The primary metric of a finished cell. */
static bool cell_score(const grid_cell *c, double *value, char *metric, size_t size)
{
    char *path = cell_dir(c, "/eval/record.json");
    json *r    = NULL;
    bool  ok   = file_exists(path) && !record_read(&r, path);
    if (ok) {
        const json *m = json_find(json_find(r, "result"), "metrics"), *first = m ? m->child : NULL,
                   *v = first ? json_find(first, "value") : NULL;
        ok            = cJSON_IsNumber(v);
        if (ok) {
            *value = v->valuedouble;
            snprintf(metric, size, "%s", first->string);
        }
    }
    json_free(r);
    free(path);
    return ok;
}

/* Labels down, tasks across, each the mean over seeds. */
static void print_summary(const grid *g)
{
    const char *tasks[64], *labels[256];
    int         n_tasks = 0, n_labels = 0;
    for (size_t i = 0; i < g->n; i++) {
        int t = 0, l = 0;
        while (t < n_tasks && strcmp(tasks[t], g->cells[i].task)) t++;
        while (l < n_labels && strcmp(labels[l], g->cells[i].label)) l++;
        if (t == n_tasks && n_tasks < 64) tasks[n_tasks++] = g->cells[i].task;
        if (l == n_labels && n_labels < 256) labels[n_labels++] = g->cells[i].label;
    }
    printf("%-20s", "method");
    for (int t = 0; t < n_tasks; t++) {
        char   name[96] = "?";
        double v;
        for (size_t i = 0; i < g->n; i++)
            if (!strcmp(g->cells[i].task, tasks[t]) && cell_score(&g->cells[i], &v, name, sizeof name)) break;
        str head = { 0 };
        str_printf(&head, "%s %s", path_base(tasks[t]), name);
        printf(" %19.19s", head.s);
        str_free(&head);
    }
    putchar('\n');
    for (int l = 0; l < n_labels; l++) {
        printf("%-20s", labels[l]);
        for (int t = 0; t < n_tasks; t++) {
            double values[64], v;
            char   name[64];
            int    n = 0;
            for (size_t i = 0; i < g->n && n < 64; i++)
                if (!strcmp(g->cells[i].task, tasks[t]) && !strcmp(g->cells[i].label, labels[l]) &&
                    cell_score(&g->cells[i], &v, name, sizeof name))
                    values[n++] = v;
            if (!n)
                printf(" %19s", "-");
            else if (n == 1)
                printf(" %19.4g", values[0]);
            else
                printf(" %12.4g +- %-3.2g", stats_mean(values, n), stats_sd(values, n));
        }
        putchar('\n');
    }
}

static int parse_shard(int64_t *index, int64_t *count)
{
    long long i = 0, n = 1;
    char      tail;
    if (o.shard && (sscanf(o.shard, "%lld/%lld%c", &i, &n, &tail) != 2 || n < 1 || i < 0 || i >= n))
        return input_error("sweep: --shard %s: must be I/N with 0 <= I < N, e.g. 0/4", o.shard);
    *index = i;
    *count = n;
    return OK;
}

static int run_all(const grid *g, int64_t index, int64_t count, int64_t *done)
{
    progress p      = progress_start("sweep", (int64_t)g->n, "cell", false);
    int64_t  failed = 0;
    for (size_t i = 0; i < g->n; i++) {
        if ((int64_t)i % count != index) continue;
        progress_update(&p, (int64_t)i, g->cells[i].name);
        if (run_cell(&g->cells[i])) {
            failed++;
            fprintf(stderr, "sweep: %s failed: %s\n", g->cells[i].name, error_text());
        } else {
            ++*done;
        }
    }
    progress_end(&p);
    return failed ? run_error("sweep: %lld cells failed, %lld are finished; run the same command again to try those",
                              (long long)failed, (long long)*done)
                  : OK;
}

static int run(int argc, char **argv)
{
    static const option table[] = {
        { "out", OPT_STR, &o.out, .required = true, .arg = "DIR",
          .help = "folder for the cells: DIR/TASK/METHOD-rRANK/sSEED, each with train/, eval/ and their logs" },
        { "seeds", OPT_INT, &o.seeds, .min = 1, .max = 64, .arg = "N", .help = "only the first N seeds of the grid" },
        { "shard", OPT_STR, &o.shard, .arg = "I/N",
          .help = "only every N-th cell, from the I-th (0..N-1): one task of a job array" },
        { "dry-run", OPT_FLAG, &o.dry_run, .help = "print the commands instead of running them" },
        { "threads", OPT_INT, &o.threads, .min = 1, .max = 4096, .arg = "N",
          .help = "worker threads of each cell; default: all cores" },
        { "json", OPT_FLAG, &o.json, .help = "one JSON object on stdout" },
        { 0 }
    };
    positionals p     = { .min = 1, .max = 1, .what = "GRID, the grid's JSON file" };
    int         rc    = options_parse(&verb_sweep, table, argc, argv, &p);
    int64_t     index = 0, count = 1, done = 0;
    grid        g = { 0 };
    if (!rc) rc = parse_shard(&index, &count);
    if (!rc) rc = grid_read(&g, p.args[0], o.out, o.threads, o.seeds);
    if (rc) return rc;
    if (o.dry_run) {
        for (size_t i = 0; i < g.n; i++) {
            str text = { 0 };
            if ((int64_t)i % count != index) continue;
            if (g.cells[i].train.n) {
                command_print(&g.cells[i].train, &text);
                str_puts(&text, " && ");
            }
            command_print(&g.cells[i].eval, &text);
            puts(text.s);
            str_free(&text);
        }
    } else {
        rc = run_all(&g, index, count, &done);
        if (o.json)
            printf("{\"cells\":%zu,\"done\":%lld,\"out\":\"%s\"}\n", g.n, (long long)done, o.out);
        else
            print_summary(&g);
    }
    grid_free(&g);
    return rc;
}

const verb verb_sweep = {
    "sweep", "a grid of cells: train and score each, resume, one shard",
    "GRID --out DIR [--seeds N] [--shard I/N] [--dry-run]",
    "  tiebreak sweep datasets/mini/grid.json --out runs/mini\n  tiebreak sweep grid.json --out /shared/runs --shard 3/16\n",
    run
};
