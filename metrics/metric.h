/* Metrics as rows of one table. Adding a metric is one row in metric.c and at most one file.
 *
 *     metric_list list = { 0 };
 *     int rc = metric_list_parse(&list, "bleu,rougeL", &(metric_options) { .stemmer = true }, "--metric");
 *     const metric *m = &list.rows[0];
 *     double       *stats = mem_alloc(n * m->n_stats, sizeof *stats);
 *     for (i = 0; i < n; i++) metric_item(m, &inputs[i], stats + i * m->n_stats);
 *     double value = metric_value(m, stats, n), error = metric_stderr(m, stats, n);
 *
 * A metric turns each item into a few numbers (its sufficient statistics); the score of any set
 * of items is a function of their sums. So resampling, paired tests and re-scoring need no text. */
#ifndef TIEBREAK_METRICS_METRIC_H
#define TIEBREAK_METRICS_METRIC_H
#include "metrics/pytext.h"

typedef enum { METRIC_TEXT, METRIC_CHOICES, METRIC_LIKELIHOOD } metric_source;

/* What is known of one item; a metric reads the part its source names. */
typedef struct {
    /* METRIC_TEXT: what was generated and what would have been right (n_references 0: the
     * question has no answer) */
    slice        prediction;
    const slice *references;
    int64_t      n_references;
    /* METRIC_CHOICES: summed log-likelihoods (natural log), and each choice's length without its
     * delimiter */
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
    /* seeded resampling, as lm-evaluation-harness draws it (metrics/uncertainty.h) */
    STDERR_BOOTSTRAP,
    STDERR_NONE /* a plain total */
} stderr_rule;

enum { METRIC_STATS_MAX = 48, METRICS_MAX = 24 };

/* What may be asked of a metric beyond its name, in the words of the reference tools. A zeroed
 * struct is each tool's defaults; a metric reads what concerns it. */
typedef enum { REFERENCES_MAX, REFERENCES_FIRST, REFERENCES_MEAN } metric_multi;
typedef enum { BLEU_13A, BLEU_INTL, BLEU_CHAR, BLEU_NONE } bleu_tokenizer;
typedef enum { BLEU_EXP, BLEU_FLOOR, BLEU_ADD_K, BLEU_NO_SMOOTHING } bleu_smoothing;
typedef struct {
    /* rouge_score: Porter's stemmer; what becomes of several references (score_multi is the best F) */
    bool         stemmer;
    metric_multi multi;
    /* sacreBLEU */
    bool           lowercase;
    bleu_tokenizer tokenize;
    bleu_smoothing smooth;
    double         smooth_value; /* 0: the method's own: floor 0.1, add-k 1 */
    bool           effective_order;
    /* sacreBLEU's chrF */
    int  char_order, word_order, beta; /* 0: 6, the row's, 2 */
    bool whitespace, eps_smoothing;
} metric_options;

/* ERR_INPUT naming `where` (the command or file the options come from) for values no metric can
 * take: what reads options calls this once. */
int metric_options_check(const metric_options *o, const char *where);

typedef struct metric {
    const char *name, *about;
    /* the signature's fixed part: the rules behind the number, for records and tables */
    const char   *rules;
    metric_source source;
    double        scale;  /* of a mean: 100 for percentages */
    bool          higher; /* whether higher is better */
    stderr_rule   error;
    int           n_stats;
    /* the n of ROUGE-n, the word order of chrF, or another variant of a family; 0: unused */
    int order;
    /* METRIC_CHOICES: the choices' lengths count, so their texts must be known */
    bool lengths;
    /* METRIC_TEXT: items without any right answer have a score too (SQuAD 2.0) */
    bool no_references;
    /* What options change in the row itself: n_stats. NULL: nothing. */
    void (*prepare)(struct metric *m);
    /* Appends what the signature holds beyond `rules`: options as they are. n_refs: references
     * of each item, 0 when their number varies. */
    void (*sign)(const struct metric *m, int64_t n_refs, str *out);
    /* stats [n_stats] out. Cannot fail: readers have made sure that what a task's metrics need
     * is there. */
    void (*item)(const struct metric *m, const metric_input *in, double *stats);
    /* sums [n_stats] over n items; NULL: scale * sums[0] / n */
    double (*corpus)(const struct metric *m, const double *sums, int64_t n);
    /* an item's score alone where it is not corpus(stats, 1); NULL otherwise */
    double (*sentence)(const struct metric *m, const double *stats);
    /* of a row in use; zeroed in the table */
    metric_options options;
} metric;

/* Metrics in use: rows with their options. Names are borrowed from the table. */
typedef struct {
    int    n;
    metric rows[METRICS_MAX];
} metric_list;

/* Append what `name` means: a row, or a group of rows under a tool's name ("squad-v1.1": em and
 * f1). ERR_INPUT naming `where` when there is none of that name (with the nearest), or too many.
 * options NULL: defaults. */
int metric_list_add(metric_list *list, const char *name, const metric_options *options, const char *where);
/* The same for names with commas; ERR_INPUT when there are none. */
int metric_list_parse(metric_list *list, const char *names, const metric_options *options, const char *where);

/* The i-th name that metric_list_add knows, rows first, then groups; NULL past the end. */
const char *metric_list_name(int i);

/* The i-th row; NULL past the end. */
const metric *metric_row(int i);
const metric *metric_find(const char *name); /* NULL: no such metric */

void metric_item(const metric *m, const metric_input *in, double *stats);
/* The score of n items from the sums [n_stats] of their statistics; ctx is the metric (a
 * `statistic` of metrics/uncertainty.h). */
double metric_of_sums(const void *ctx, const double *sums, int64_t n);
/* stats [n, n_stats]. NaN for n = 0. */
double metric_value(const metric *m, const double *stats, int64_t n);
/* NaN where it is undefined (n = 1, STDERR_NONE). */
double metric_stderr(const metric *m, const double *stats, int64_t n);
double metric_sentence(const metric *m, const double *stats);
/* The whole signature, appended. n_refs: references of each item, 0 when their number varies. */
void metric_signature(const metric *m, int64_t n_refs, str *out);
#endif
