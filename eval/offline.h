/* Scores predictions that another program made: no model is needed.
 *
 *     scored s;
 *     int rc = score_by_metric(&(offline_request) { .metrics = "bleu,chrf", .input = "out.jsonl" }, &s);
 *     scored_free(&s);
 */
#ifndef TIEBREAK_EVAL_OFFLINE_H
#define TIEBREAK_EVAL_OFFLINE_H
#include "eval/scored.h"

typedef struct {
    const char    *metrics; /* names with commas */
    metric_options options;
    const char    *input; /* by metric: JSON lines {"id", "prediction", "references": [...]}, "-": stdin */
} offline_request;

/* Where the time went, for whoever compares. */
typedef struct {
    double read_s, score_s;
} offline_time;

/* The id may be left out: the line's number. Lines are read, scored and forgotten block by block. Errors name file, line and member; nothing is
 * scored then. time may be NULL. */
int score_by_metric(const offline_request *q, scored *out, offline_time *time);
#endif
