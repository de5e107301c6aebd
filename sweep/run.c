#include "sweep/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/process.h"
#include "core/progress.h"

int shard_parse(shard *s, const char *text)
{
    long long index = 0, count = 1;
    char      tail;
    if (text && (sscanf(text, "%lld/%lld%c", &index, &count, &tail) != 2 || count < 1 || index < 0 || index >= count))
        return input_error("sweep: --shard %s: must be I/N with 0 <= I < N, e.g. 0/4", text);
    *s = (shard) { index, count };
    return OK;
}

void sweep_print_commands(const grid *g, shard s)
{
    for (size_t i = 0; i < g->n; i++) {
        str text = { 0 };
        if (!in_shard(s, i)) continue;
        if (g->cells[i].train.n) {
            command_print(&g->cells[i].train, &text);
            str_puts(&text, " && ");
        }
        command_print(&g->cells[i].eval, &text);
        puts(text.s);
        str_free(&text);
    }
}

/* The error of a command that failed: the last line of its log. */
static int failure(int status, const char *log)
{
    str         text = { 0 };
    const char *last = "";
    if (!file_read(log, 16u << 20, &text) && text.n) {
        if (text.s[text.n - 1] == '\n') text.s[--text.n] = '\0';
        last = strrchr(text.s, '\n') ? strrchr(text.s, '\n') + 1 : text.s;
    }
    if (status > 128) {
        str_free(&text);
        return run_error("%s (log: %s)", process_end_text(status), log);
    }
    if (status == ERR_BUSY) {
        str_free(&text);
        return ERR_BUSY;
    }
    int rc = status == ERR_INPUT ? input_error("%.1000s (log: %s)", last, log)
                                 : run_error("%.1000s (log: %s)", last, log);
    str_free(&text);
    return rc;
}

static int run_command(const command_line *c, const char *dir, const char *log_name)
{
    char *log = path_join(dir, log_name);
    int   rc = file_make_dirs(dir), status = 0;
    if (!rc) rc = process_run("/proc/self/exe", c->args, NULL, log, &status);
    if (!rc && status) rc = failure(status, log);
    free(log);
    return rc;
}

static int run_cell(const grid_cell *c, const char *out)
{
    char *dir = path_join(out, c->name);
    int   rc  = c->train.n ? run_command(&c->train, dir, "train.log") : OK;
    if (!rc) rc = run_command(&c->eval, dir, "eval.log");
    free(dir);
    return rc;
}

int sweep_run(const grid *g, shard s, const char *out, int64_t *done)
{
    progress p      = progress_start("sweep", (int64_t)g->n, "cell", false);
    int64_t  failed = 0, busy = 0;
    *done = 0;
    for (size_t i = 0; i < g->n; i++) {
        if (!in_shard(s, i)) continue;
        progress_update(&p, (int64_t)i, g->cells[i].name);
        const int rc = run_cell(&g->cells[i], out);
        failed += rc && rc != ERR_BUSY;
        busy += rc == ERR_BUSY;
        *done += !rc;
        if (rc == ERR_BUSY)
            fprintf(stderr, "sweep: %s is being worked on by another process\n", g->cells[i].name);
        else if (rc)
            fprintf(stderr, "sweep: %s failed: %s\n", g->cells[i].name, error_text());
    }
    progress_end(&p);
    if (failed)
        return run_error("sweep: %lld cells failed, %lld are finished; run the same command again to try those",
                         (long long)failed, (long long)*done);
    if (!busy) return OK;
    run_error("sweep: %lld cells are finished, %lld are being worked on by another process; run the same command again "
              "when it has ended",
              (long long)*done, (long long)busy);
    return ERR_BUSY;
}
