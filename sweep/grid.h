/* A sweep's grid: a JSON file to a list of cells, each two command lines (train, then eval).
 *
 *   { "model": "base",
 *     "seeds": [1, 2, 3], "steps": 150, "batch": 16,
 *     "tasks":   [ { "task": "squad", "train": "squad/train.json", "test": "squad/test.json",
 *                    "max-new-tokens": 16 } ],
 *     "methods": [ { "method": "base" },
 *                  { "method": "lora", "ranks": [2, 8], "lr": 1e-2 },
 *                  { "method": "full", "lr": 1e-3, "tasks": ["squad"] } ] }
 *
 * Paths are relative to the grid file's folder. Members that the grid itself does not know are
 * options by their names: of `eval` where its table says so, else of `train`. A member of a method
 * overrides the same member of a task, and that one the grid's. The method "base" trains nothing;
 * "tasks" in a method keeps it to these tasks. In a method, "ranks" and every option may be a list:
 * there is a cell for each combination, named "lora-r8-lr0.001". The whole grid is checked before
 * anything runs: each command by its own table of options, and no folder may be of two cells. */
#ifndef TIEBREAK_SWEEP_GRID_H
#define TIEBREAK_SWEEP_GRID_H
#include "core/json.h"
#include "core/memory.h"

/* Which command a grid's member goes to as an option. */
typedef enum {
    GRID_TRAIN,      /* where no table says anything else */
    GRID_TRAIN_FILE, /* the same, a path from the grid file's folder */
    GRID_EVAL,
    GRID_EVAL_FILE,
    GRID_BOTH
} grid_use;

typedef struct {
    char **args; /* "tiebreak", "train", "--model", ...; NULL at the end */
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
    arena      texts; /* names and arguments */
} grid;

typedef struct {
    const char *path, *out; /* the grid file; the sweep's folder */
    int64_t     threads;    /* of each command; 0: not passed on */
    int64_t     seeds_max;  /* only the first so many seeds of the list; 0: all */
    grid_use (*use_of)(const char *option);
    /* Whether a command line is one that could run: options, their values, method and task.
     * ERR_INPUT says what is wrong. NULL: none is checked. */
    int (*check)(const command_line *c);
} grid_request;

int  grid_read(grid *g, const grid_request *request);
void grid_free(grid *g);
/* The command as a shell would take it. */
void command_print(const command_line *c, str *out);
#endif
