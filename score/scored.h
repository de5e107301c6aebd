/* A system's answers as numbers: what a run, a file of predictions or another program's sample log
 * becomes, and what score tables and comparisons read.
 *
 *     scored s;
 *     int rc = scored_read(&s, "runs/squad/samples.jsonl");
 *     double em = metric_value(&s.metrics.rows[0], s.stats[0], s.n);
 *     scored_free(&s); */
#ifndef TIEBREAK_SCORE_SCORED_H
#define TIEBREAK_SCORE_SCORED_H
#include "core/json.h"
#include "core/memory.h"
#include "metrics/metric.h"

typedef struct {
    char       *name; /* the file or folder as the user named it */
    int64_t     n;
    char      **ids;     /* [n], distinct, in the file's order */
    bool        numbers; /* every id was a number, so ids are written as numbers */
    metric_list metrics;
    double     *stats[METRICS_MAX]; /* for each metric [n, n_stats] */
    /* References of each item; 0: their number varies or is not known. */
    int64_t n_refs;
    /* Resamples of corpus metrics' bootstrap intervals, as sacreBLEU's --confidence; 0: normal
     * intervals. */
    int64_t  resamples;
    uint64_t seed;   /* of the resamples */
    arena    memory; /* owns ids and the metrics' names that are not in the table */
    size_t   cap;    /* how many items ids and stats have room for */
} scored;

/* Adds an item with zeroed statistics and returns its number. The id is copied. Metrics must be
 * known before. */
int64_t scored_add(scored *s, const char *id, size_t n);
/* ERR_INPUT when an id occurs twice; `lines` [n], which may be NULL, says where in the message. */
int scored_check_ids(const scored *s, const char *where, const int64_t *lines);

void scored_free(scored *s);

/* Reads a sample log: samples.jsonl of this program (or the folder of a run), or
 * lm-evaluation-harness's samples_TASK_DATE.jsonl, where each filter's lines give metrics of their
 * own ("exact_match,strict-match"). A metric with a number for each item becomes a row that is the
 * mean of them. Errors name file and line: no items, an id that occurs twice, a metric missing in
 * some lines, a number that is not finite. */
int scored_read(scored *out, const char *path);

/* Appends { "n", "metrics": { NAME: { "value", "stderr", "signature", "interval": [low, high] (95
 * %; null where there is none), "interval_rule", and for a bootstrap the resamples' "mean" and
 * "ci", half the interval's width } }, "items": [ { "id", NAME: value } ] }, an item a line, every
 * number with 17 significant digits; items only when asked for. The members of `more`, which may
 * be NULL, follow "metrics". */
void scored_print_json(const scored *s, bool per_item, const json *more, str *out);
/* Appends one line for each metric: value, standard error, signature. */
void scored_print_table(const scored *s, str *out);
#endif
