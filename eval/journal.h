/* Finished items of a run, written to disk as they finish: a killed run goes on where it was and
 * ends with the same bytes.
 *
 * The first line names the cell and the plan (how items are grouped). Each further line is one
 * item, its sample last; "seen" and "made" are its prompt and completion tokens:
 *   {"journal":"tiebreak-eval/1","cell":ID,"plan":TEXT}
 *   {"item":I,"cut":N,"seen":N,"made":N,"stats":[...],"sample":{...}}
 * A line that the kill cut short is dropped. */
#ifndef TIEBREAK_EVAL_JOURNAL_H
#define TIEBREAK_EVAL_JOURNAL_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* What is kept of an item. */
typedef struct {
    bool    finished;
    int64_t cut;                              /* tokens cut from the prompt */
    int64_t prompt_tokens, completion_tokens; /* read by the model, and generated */
    double *stats;
    char   *sample; /* the line of samples.jsonl, without its newline */
} finished_item;

typedef struct {
    char          *path;
    FILE          *file;
    int64_t        n;
    int            n_stats;
    finished_item *items; /* [n], in data order */
} journal;

/* Opens the journal at path, or begins it, for a run of n items with n_stats numbers each. Another
 * cell's journal is an error; one of the same cell with another plan begins anew. With path NULL
 * nothing is written. */
int journal_open(journal *j, const char *path, const char *cell, const char *plan, int64_t n, int n_stats);
/* Notes an item: takes its sample over, copies its stats. The line is written and flushed before
 * this returns. */
int  journal_add(journal *j, int64_t item, finished_item f);
void journal_close(journal *j); /* leaves the file */
#endif
