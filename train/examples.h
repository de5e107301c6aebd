/* The items a run trains on, encoded once.
 *
 *     examples x;
 *     int rc = examples_read(&x, task, "train.jsonl", tok, max_length);
 *     examples_free(&x); */
#ifndef TIEBREAK_TRAIN_EXAMPLES_H
#define TIEBREAK_TRAIN_EXAMPLES_H
#include "model/pack.h"
#include "tasks/task.h"

typedef struct {
    train_example *items; /* [n], file order */
    int64_t        n;
    int64_t        too_long; /* items left out because they are longer than max_length */
    int64_t        longest;  /* tokens of the longest item of the file, left out or not */
    /* kept although they have no token to learn: they cost nothing and add nothing */
    int64_t unscored;
    int64_t scored_tokens; /* of the kept items */
    char    sha256[65];    /* of the file(s) */
} examples;

/* ERR_INPUT when the file is not what the task reads, or when no item with a scored token
 * remains. tok may be NULL where the task needs none. */
int  examples_read(examples *out, const task *t, const char *path, const tokenizer *tok, int64_t max_length);
void examples_free(examples *x);

/* How many positions of an item the model has to see: up to the last that is scored, because what
 * follows changes no loss. */
int64_t example_length(const train_example *e);
/* Adds these positions to a batch; nothing where none is scored. */
void example_pack(pack *p, const train_example *e);
#endif
