/* tiebreak sweep: run a grid of cells. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/method.h"
#include "cli/verbs.h"
#include "core/error.h"
#include "sweep/run.h"
#include "tasks/task.h"

static struct {
    const char *out, *shard;
    int64_t     threads, seeds;
    bool        dry_run, json;
} o;

/* What of a grid goes where, by the tables of eval and train. */
static grid_use use_of(const char *name)
{
    const option *const tables[] = { eval_options, train_options };
    for (int t = 0; t < 2; t++)
        for (const option *e = tables[t]; e->name; e++)
            if (!strcmp(e->name, name) && e->in_grid != GRID_TRAIN) return e->in_grid;
    return GRID_TRAIN;
}

/* By the verb's own table; then what only opening can tell. */
static int check_command(const command_line *c)
{
    const bool  train = !strcmp(c->args[1], "train");
    method      m;
    task       *t;
    const char *name = NULL;
    int         rc   = options_parse(train ? &verb_train : &verb_eval, train ? train_options : eval_options, c->n - 1,
                           c->args + 1, NULL);
    for (int i = 2; i + 1 < c->n && !rc; i++) {
        const char *value = c->args[i + 1];
        if (train && !strcmp(c->args[i], "--method") && strcmp(value, "full")) rc = method_find(&m, value);
        if (!strcmp(c->args[i], "--prompt")) name = value;
    }
    for (int i = 2; i + 1 < c->n && !rc; i++) {
        if (strcmp(c->args[i], "--task")) continue;
        rc = task_open(&t, c->args[i + 1], name);
        if (!rc) task_close(t);
    }
    return rc;
}

static void show(const grid *g, int64_t done)
{
    json *j = json_object();
    json_set_int(j, "cells", (int64_t)g->n);
    json_set_int(j, "done", done);
    json_set_str(j, "out", o.out);
    json_show_line(j);
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
    positionals p  = { .min = 1, .max = 1, .what = "GRID, the grid's JSON file" };
    int         rc = options_parse(&verb_sweep, table, argc, argv, &p);
    shard       part;
    grid        g;
    int64_t     done;
    if (!rc) rc = shard_parse(&part, o.shard);
    if (rc) return rc;
    grid_request request = { p.args[0], o.out, o.threads, o.seeds, use_of, check_command };
    if ((rc = grid_read(&g, &request))) return rc;
    if (o.dry_run) {
        sweep_print_commands(&g, part);
    } else {
        rc = sweep_run(&g, part, o.out, &done);
        o.json ? show(&g, done) : sweep_print_scores(&g, part, o.out);
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
