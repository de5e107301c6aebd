/* Scores predictions that another program made, without a model.
 *
 *     scored s;
 *     int rc = score_by_metric(&(offline_request) { .metrics = "bleu,chrf", .input = "out.jsonl" }, &s, NULL);
 *     scored_free(&s); */
#ifndef TIEBREAK_SCORE_OFFLINE_H
#define TIEBREAK_SCORE_OFFLINE_H
#include "score/predictions.h"
#include "score/scored.h"
#include "metrics/squad_report.h"

typedef struct {
    const char *metrics; /* names separated by commas; NULL in scoring by task: the task's */
    /* their options; a task's own metrics have those of the task's file */
    metric_options options;
    /* by metric */
    const char *input; /* JSON lines {"id", "prediction", "references": [...]}; "-": stdin */
    /* by task */
    const char     *task, *prompt; /* prompt: for choices, whose lengths count; NULL: the default */
    const char     *data, *predictions;
    prediction_form form;
    int64_t         limit; /* takes only the first items of the data; 0: all */
    /* SQuAD: "v1.1" or "v2.0"; NULL: v2.0 where a question has no answer. */
    const char *rules;
    const char *na_probs; /* SQuAD 2.0: a file of probabilities, or NULL */
    /* a question above it counts as not answered; the script's default is 1 */
    double na_threshold;
} offline_request;

/* Where the time went: processor time of all threads. */
typedef struct {
    double read_s, score_s;
} offline_time;

/* Scores lines that bring their own references. An id may be left out and is the line's number
 * then. Lines are read, scored and forgotten block by block. Errors name file, line and member, and
 * nothing is scored then. time may be NULL. */
int score_by_metric(const offline_request *q, scored *out, offline_time *time);

/* Scores predictions of a task's items, which are found by id, by place in the data, or in order.
 * Every item needs one, and every one needs an item; an error tells how many lack one and names the
 * first.
 *
 * SQuAD's official scripts are milder, and so is this for SQuAD, with a warning: unknown ids are
 * skipped, and a question without prediction scores 0 (v1.1) or is left out (v2.0). For GSM8K
 * the share of [invalid] is always reported. `report` is for SQuAD 2.0; otherwise its all.total
 * is 0. */
int score_by_task(const offline_request *q, scored *out, squad_report *report, offline_time *time);
#endif
