/* Metrics as rows of one table. Adding a metric is one row in metric.c and at most one file.
 *
 *     const metric *m = metric_find("f1");
 *     double       *stats = mem_alloc(n * m->n_stats, sizeof *stats);
 *     for (i = 0; i < n; i++) metric_item(m, &inputs[i], stats + i * m->n_stats);
 *     double value = metric_value(m, stats, n), error = metric_stderr(m, stats, n);
 *
 * A metric turns each item into a few numbers (its sufficient statistics); the score of any set of items is a function of their sums. So
 * resampling, paired tests and re-scoring need no text. */
#ifndef TIEBREAK_EVAL_METRIC_H
#define TIEBREAK_EVAL_METRIC_H
#include "eval/pytext.h"

typedef enum { METRIC_TEXT, METRIC_CHOICES, METRIC_LIKELIHOOD } metric_source;

/* What is known of one item; a metric reads the part its source names. */
typedef struct {
    /* METRIC_TEXT: what was generated and what would have been right (n_references 0: the question has no answer) */
    slice        prediction;
    const slice *references;
    int64_t      n_references;
    /* METRIC_CHOICES: summed log-likelihoods (natural log), and each choice's length without its delimiter */
    const double  *choice_ll;
    const int64_t *choice_chars, *choice_bytes;
    int64_t        n_choices, gold;
    /* METRIC_LIKELIHOOD: of the item's target */
    double  ll;
    int64_t tokens, words, bytes;
} metric_input;

/* How far the score would move on other items: */
typedef enum {
    STDERR_MEAN,      /* sd / sqrt(n), n - 1 in the sd: exact for means */
    STDERR_JACKKNIFE, /* leave one out; for a mean the same number as STDERR_MEAN */
    STDERR_BOOTSTRAP, /* seeded resampling, as lm-evaluation-harness draws it (eval/uncertainty.h) */
    STDERR_NONE       /* a plain total */
} stderr_rule;

enum { METRIC_STATS_MAX = 10 };

typedef struct metric {
    const char   *name, *about;
    const char   *signature; /* the rules behind the number, for records and tables */
    metric_source source;
    double        scale;  /* of a mean: 100 for percentages */
    bool          higher; /* whether higher is better */
    stderr_rule   error;
    int           n_stats;
    int           order; /* the n of ROUGE-n; 0: unused */
    /* stats [n_stats] out. Cannot fail: readers have made sure that what a task's metrics need is there. */
    void (*item)(const struct metric *m, const metric_input *in, double *stats);
    double (*corpus)(const double *sums, int64_t n); /* sums [n_stats] over n items; NULL: scale * sums[0] / n */
    double (*sentence)(const double *stats);         /* the score of one item alone where it is not corpus(stats, 1); NULL otherwise */
} metric;

/* The i-th row; NULL past the end. */
const metric *metric_row(int i);
const metric *metric_find(const char *name); /* NULL: no such metric */

void metric_item(const metric *m, const metric_input *in, double *stats);
/* stats [n, n_stats]. NaN for n = 0. */
double metric_value(const metric *m, const double *stats, int64_t n);
/* NaN where it is undefined (n = 1, STDERR_NONE). */
double metric_stderr(const metric *m, const double *stats, int64_t n);
double metric_sentence(const metric *m, const double *stats);
#endif
