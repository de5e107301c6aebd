/* A sweep's grid: a JSON file to a list of cells, each two command lines (train, then eval).
 *
 *   { "model": "base",                                          paths are relative to the grid
 *   file's folder
 *     "seeds": [1, 2, 3], "steps": 150, "batch": 16,            any other member is an option of `train` or `eval`, by its name
 *     "tasks":   [ { "task": "squad", "train": "squad/train.json", "test": "squad/test.json", "max-new-tokens": 16 } ],
 *     "methods": [ { "method": "base" },                        no training: the base alone
 *                  { "method": "lora", "ranks": [2, 8], "lr": 1e-2 },
 *                  { "method": "full", "lr": 1e-3, "tasks": ["squad"] } ] }    only on these tasks
 *
 * A member of a method overrides the same member of a task, and that one the grid's. */
#ifndef TIEBREAK_SWEEP_GRID_H
#define TIEBREAK_SWEEP_GRID_H
#include "core/json.h"

typedef struct {
    char **args; /* without the program's name: "train", "--model", ...; NULL at the end */
    int    n;
    size_t cap;
} command_line;

typedef struct {
    char        *name; /* "squad/lora-r8/s1": the cell's folder below the sweep's */
    char        *task, *label;
    command_line train, eval; /* train.n 0: nothing to train */
} grid_cell;

typedef struct {
    grid_cell *cells;
    size_t     n, cap;
} grid;

/* `out`: the sweep's folder. threads 0: not passed on. Only seeds 1..seeds_max are kept where
 * that is above 0 (the first so many of the list). */
int  grid_read(grid *g, const char *path, const char *out, int64_t threads, int64_t seeds_max);
void grid_free(grid *g);
/* The command as a shell would take it. */
void command_print(const command_line *c, str *out);
#endif
