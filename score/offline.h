/* Scores predictions that another program made: no model is needed.
 *
 *     scored s;
 *     int rc = score_by_metric(&(offline_request) { .metrics = "bleu,chrf", .input = "out.jsonl" }, &s);
 *     scored_free(&s); */
#ifndef TIEBREAK_SCORE_OFFLINE_H
#define TIEBREAK_SCORE_OFFLINE_H
#include "score/predictions.h"
#include "score/scored.h"
#include "metrics/squad_report.h"

typedef struct {
    const char    *metrics; /* names with commas; by task NULL: the task's */
    metric_options options; /* of those; the task's own metrics have the task's own options */
    /* by metric */
    const char *input; /* JSON lines {"id", "prediction", "references": [...]}, "-": stdin */
    /* by task */
    const char     *task, *prompt; /* prompt: of choices, whose lengths count; NULL: the default */
    const char     *data, *predictions;
    prediction_form form;
    int64_t         limit; /* only the first items of the data; 0: all */
    /* SQuAD: "v1.1" or "v2.0"; NULL: v2.0 where a question has no answer */
    const char *rules;
    const char *na_probs;     /* SQuAD 2.0: a file of probabilities, or NULL */
    double      na_threshold; /* a question above it counts as not answered; the script's: 1 */
} offline_request;

/* Where the time went, for whoever compares: processor time, of all threads. */
typedef struct {
    double read_s, score_s;
} offline_time;

/* The id may be left out: the line's number. Lines are read, scored and forgotten block by
 * block. Errors name file, line and member; nothing is scored then. time may be NULL. */
int score_by_metric(const offline_request *q, scored *out, offline_time *time);

/* Predictions of a task's items, found by id, by place in the data, or in order. Every item
 * needs one and every one an item; the count and the first of those that lack are named. SQuAD's
 * official scripts are milder, and so are we there, with a warning: foreign ids are passed over,
 * a question without prediction is worth 0 (v1.1) or is left out (v2.0). Of GSM8K the share of
 * [invalid] is always told. report: of SQuAD 2.0; all.total is 0 for everything else. */
int score_by_task(const offline_request *q, scored *out, squad_report *report, offline_time *time);
#endif
