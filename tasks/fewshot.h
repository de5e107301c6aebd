/* Few-shot examples: items of a pool, rendered with their answers, before each item's prompt.
 *
 *     shot_set     s;
 *     shot_options five = { .k = 5, .data = "train.jsonl", .seed = 1234 };
 *     int          rc   = shots_open(&s, &five, task);
 *     if (!rc) rc = shots_draw(&s, items, "test.jsonl", items->n);
 *     if (!rc) rc = shots_text(&s, i, &before);
 *     shots_close(&s);
 *
 * They are drawn as lm-evaluation-harness 0.4.13 does (api/samplers.py): by Python's
 * random.Random(seed).sample for each document in turn, with one generator for all documents. Where
 * the pool may hold the document itself (the task file's "drop_self"), one more is drawn, those
 * equal to it as they stand in their files are dropped, and the first k stay. If fewer than k
 * are left, k are
 * drawn anew from the pool without them. A pool that is the data file itself is always treated so:
 * no item sees itself. An item's examples depend on its place in the file, never on which items are
 * asked. */
#ifndef TIEBREAK_TASKS_FEWSHOT_H
#define TIEBREAK_TASKS_FEWSHOT_H
#include "tasks/original.h"
#include "tasks/task.h"

typedef struct {
    int64_t     k;     /* examples before a prompt; 0: none */
    const char *data;  /* the pool's file */
    int64_t     seed;  /* of the draw */
    bool        first; /* the first k of the pool instead of a draw */
} shot_options;

typedef struct {
    shot_options asked;
    const task  *task;
    dataset     *pool;
    originals    originals;
    char       **texts; /* [pool->n], rendered when first needed */
    int64_t     *drawn; /* [n, k] indices into the pool */
    int64_t      n;     /* items that examples were drawn for */
} shot_set;

/* Reads the pool; with k = 0 it opens nothing. ERR_INPUT for a task without answers to show and for
 * a pool that is too small. */
int  shots_open(shot_set *s, const shot_options *asked, const task *t);
void shots_close(shot_set *s);
/* Draws for the first n items of `items`, which were read from `where` (NULL: not known). */
int shots_draw(shot_set *s, const dataset *items, const char *where, int64_t n);
/* Appends item i's examples, each with the separator after it; nothing for k = 0. */
int shots_text(shot_set *s, int64_t i, str *out);
#endif
