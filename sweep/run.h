/* Running a grid's cells, each command in a process of its own. Finished cells are left as they
 * are, so a killed sweep goes on. */
#ifndef TIEBREAK_SWEEP_RUN_H
#define TIEBREAK_SWEEP_RUN_H
#include "sweep/grid.h"

/* Every count-th cell from the index-th on: one task of a job array. */
typedef struct {
    int64_t index, count;
} shard;
/* "3/16"; NULL is the whole grid. ERR_INPUT says what is allowed. */
int                shard_parse(shard *s, const char *text);
static inline bool in_shard(shard s, size_t i) { return (int64_t)i % s.count == s.index; }

/* The shard's commands to stdout, a line for each cell. */
void sweep_print_commands(const grid *g, shard s);
/* Runs the shard's cells below the folder `out`; *done: how many of them are finished. ERR_FAILED
 * when some failed, ERR_BUSY when none did and another process works on some; each says why on
 * stderr. */
int sweep_run(const grid *g, shard s, const char *out, int64_t *done);
/* The first metric of the shard's finished cells to stdout: labels down, tasks across, each the
 * mean over seeds. */
void sweep_print_scores(const grid *g, shard s, const char *out);
#endif
