/* Files of predictions that another program made, as one list in the file's order.
 *
 *     predictions p;
 *     int rc = predictions_read(&p, "predictions.json", PREDICT_TEXT, PREDICTIONS_ANY);
 *     for (i = 0; i < p.n; i++) use(p.items[i].id, p.items[i].text);
 *     predictions_free(&p);
 *
 * Forms, told apart by the content:
 *   {"id": "answer", ...}            SQuAD's: one object for all
 *   one prediction a line            a text; of choices: the chosen index, or the log-likelihood
 *   of each, with commas or blanks between (a first line
 *                                    of names is passed over)
 *   JSON lines                       "a text"; {"id": ..., "prediction": "a text"} (a
 *   samples.jsonl too); of choices: [-1.5, -2.5],
 *                                    {"id": ..., "loglikelihoods": [...]}, or "prediction" with the chosen index
 *   lm-evaluation-harness's          samples_TASK_DATE.jsonl: "doc_id" and "resps"; of several
 *   filters' lines for a document, which hold the same
 *                                    answer, one is kept */
#ifndef TIEBREAK_SCORE_PREDICTIONS_H
#define TIEBREAK_SCORE_PREDICTIONS_H
#include <stdbool.h>

#include "core/memory.h"
#include "metrics/pytext.h"

typedef enum { PREDICT_TEXT, PREDICT_CHOICE } prediction_kind;
/* ANY: JSON where the first line is some */
typedef enum { PREDICTIONS_ANY, PREDICTIONS_LINES, PREDICTIONS_JSON } prediction_form;

typedef struct {
    const char   *id;   /* NULL: the file has none, the order is the data's */
    slice         text; /* PREDICT_TEXT */
    const double *ll;   /* PREDICT_CHOICE: finite, at most 0; NULL where only `chosen` is known */
    int64_t       n_ll, chosen;
    int64_t       gold; /* the right choice as the file has it; -1: it does not say */
    /* PREDICT_TEXT: the right answer as the file has it; empty: it does not say */
    slice   target;
    int64_t line; /* 0: the file is not by lines */
} prediction;

typedef struct {
    int64_t     n;
    prediction *items;
    bool        by_id;       /* every item has an id, no two the same */
    bool        by_position; /* the ids are 0-based positions in the data */
    bool        chosen_only; /* PREDICT_CHOICE without log-likelihoods */
    arena       memory;
    size_t      cap;
} predictions;

/* Errors name file, line and what stands there: an id twice, ids in some lines only, a text
 * where a number belongs, numbers that are not finite or above 0, bytes that are not UTF-8,
 * lines above LINE_BYTES_MAX (score/lines.h), no prediction at all. path "-": stdin. */
int  predictions_read(predictions *out, const char *path, prediction_kind kind, prediction_form form);
void predictions_free(predictions *p);

/* SQuAD 2.0's file of probabilities that a question has no answer, {"id": 0.25, ...}. */
typedef struct {
    int64_t n;
    char  **ids;
    double *values; /* in the file's order, which decides between equal ones */
    arena   memory;
} probabilities;
int  probabilities_read(probabilities *out, const char *path);
void probabilities_free(probabilities *p);
#endif
