/* Files of predictions that another program made, read as one list in the file's order.
 *
 *     predictions p;
 *     int rc = predictions_read(&p, "predictions.json", PREDICT_TEXT, PREDICTIONS_ANY);
 *     for (i = 0; i < p.n; i++) use(p.items[i].id, p.items[i].text);
 *     predictions_free(&p);
 *
 * The forms, told apart by the content:
 *
 *     {"id": "answer", ...}       SQuAD's: one object for all
 *     one prediction a line       a text; for choices the chosen index, or the log-likelihood of each,
 *                                 separated by commas or blanks (a first line of names is skipped)
 *     JSON lines                  "a text"; {"id": ..., "prediction": "a text"}, as samples.jsonl has;
 *                                 for choices [-1.5, -2.5], {"id": ..., "loglikelihoods": [...]}, or
 *                                 "prediction" with the chosen index
 *     lm-evaluation-harness's     samples_TASK_DATE.jsonl with "doc_id" and "resps"; several filters
 *                                 write a line each for a document, all with the same answer, and one
 *                                 of them is kept */
#ifndef TIEBREAK_SCORE_PREDICTIONS_H
#define TIEBREAK_SCORE_PREDICTIONS_H
#include <stdbool.h>

#include "core/memory.h"
#include "metrics/pytext.h"

typedef enum { PREDICT_TEXT, PREDICT_CHOICE } prediction_kind;
/* ANY: the file is JSON where its first line is */
typedef enum { PREDICTIONS_ANY, PREDICTIONS_LINES, PREDICTIONS_JSON } prediction_form;

typedef struct {
    const char   *id;   /* NULL: the file has no ids, and its order is the data's */
    slice         text; /* PREDICT_TEXT */
    const double *ll;   /* PREDICT_CHOICE: finite and at most 0; NULL where only `chosen` is known */
    int64_t       n_ll, chosen;
    int64_t       gold; /* the right choice according to the file; -1: it does not say */
    /* PREDICT_TEXT: the right answer according to the file; empty: it does not say. */
    slice   target;
    int64_t line; /* 0: the file has no lines */
} prediction;

typedef struct {
    int64_t     n;
    prediction *items;
    bool        by_id;       /* every item has an id of its own */
    bool        by_position; /* the ids are 0-based positions in the data */
    bool        chosen_only; /* PREDICT_CHOICE without log-likelihoods */
    arena       memory;
    size_t      cap;
} predictions;

/* Reads a file, or stdin for "-". Errors name file, line and what stands there: an id that occurs
 * twice, ids in some lines only, a text where a number belongs, a number that is not finite or
 * above 0, bytes that are not UTF-8, a line above LINE_BYTES_MAX (score/lines.h), no prediction at
 * all. */
int  predictions_read(predictions *out, const char *path, prediction_kind kind, prediction_form form);
void predictions_free(predictions *p);

/* SQuAD 2.0's file of the probability that a question has no answer, {"id": 0.25, ...}. */
typedef struct {
    int64_t n;
    char  **ids;
    double *values; /* in the file's order, which decides between equal values */
    arena   memory;
} probabilities;
int  probabilities_read(probabilities *out, const char *path);
void probabilities_free(probabilities *p);
#endif
