/* Metrics as rows. A metric's file ends with its rows, and metric.c lists the files.
 *
 *     metric_list list = { 0 };
 *     int rc = metric_list_parse(&list, "bleu,rougeL", &(metric_options) { .stemmer = true }, "--metric");
 *     const metric *m = &list.rows[0];
 *     double       *stats = mem_alloc(n * m->n_stats, sizeof *stats);
 *     for (i = 0; i < n; i++) metric_item(m, &inputs[i], stats + i * m->n_stats);
 *     double value = metric_value(m, stats, n), error = metric_stderr(m, stats, n);
 *
 * A metric turns each item into a few numbers, its sufficient statistics. The score of any set of
 * items is a function of their sums, so resampling, paired tests and re-scoring need no text. */
#ifndef TIEBREAK_METRICS_METRIC_H
#define TIEBREAK_METRICS_METRIC_H
#include "metrics/pytext.h"

typedef enum { METRIC_TEXT, METRIC_CHOICES, METRIC_LIKELIHOOD } metric_source;

/* What is known of one item. A metric reads the part that its source names. */
typedef struct {
    /* METRIC_TEXT: what was generated and what would be right. n_references 0: the question has no
     * answer. */
    slice        prediction;
    const slice *references;
    int64_t      n_references;
    /* METRIC_CHOICES: summed log-likelihoods (natural log), and the length of each choice without
     * its delimiter. */
    const double  *choice_ll;
    const int64_t *choice_chars, *choice_bytes;
    int64_t        n_choices, gold;
    /* METRIC_LIKELIHOOD: the log-likelihood and the length of the item's target. */
    double  ll;
    int64_t tokens, words, bytes;
} metric_input;

/* How the standard error, by which the score would move on other items, is computed. */
typedef enum {
    STDERR_MEAN,      /* sd / sqrt(n) with n - 1 in the sd: exact for means */
    STDERR_JACKKNIFE, /* delete-one jackknife; for a mean the same number as STDERR_MEAN */
    /* seeded resampling with lm-evaluation-harness's draws (metrics/uncertainty.h) */
    STDERR_BOOTSTRAP,
    STDERR_NONE /* for a plain total */
} stderr_rule;

enum { METRIC_STATS_MAX = 48, METRICS_MAX = 24 };

/* The options of metrics, in the words of the reference tools. A zeroed struct holds each tool's
 * defaults. A metric reads the options that concern it. */
typedef enum { REFERENCES_MAX, REFERENCES_FIRST, REFERENCES_MEAN } metric_multi;
typedef enum { BLEU_13A, BLEU_INTL, BLEU_CHAR, BLEU_NONE } bleu_tokenizer;
typedef enum { BLEU_EXP, BLEU_FLOOR, BLEU_ADD_K, BLEU_NO_SMOOTHING } bleu_smoothing;
typedef struct {
    /* rouge_score: whether to stem by Porter, and how several references count (score_multi takes
     * the best F) */
    bool         stemmer;
    metric_multi multi;
    /* sacreBLEU */
    bool           lowercase;
    bleu_tokenizer tokenize;
    bleu_smoothing smooth;
    double         smooth_value; /* 0: the smoothing's default, 0.1 for floor and 1 for add-k */
    bool           effective_order;
    /* sacreBLEU's chrF */
    int  char_order, word_order, beta; /* 0: the defaults 6, the row's, 2 */
    bool whitespace, eps_smoothing;
} metric_options;

/* The reference tools' words for these choices, by their numbers; NULL at the end. */
extern const char *const metric_multi_names[], *const bleu_tokenizer_names[], *const bleu_smoothing_names[];

/* ERR_INPUT for values that no metric can take. `where` is the command or file that the options
 * come from, for the message. Whoever reads options calls this once. */
int metric_options_check(const metric_options *o, const char *where);

typedef struct metric {
    const char *name, *about;
    /* the signature's fixed part: the rules behind the number, for records and tables */
    const char   *rules;
    metric_source source;
    double        scale;  /* the largest score, and the factor of a mean: 100 for percentages */
    bool          higher; /* whether higher is better */
    stderr_rule   error;
    int           n_stats;
    /* the n of ROUGE-n, the word order of chrF, or another variant of a family; 0: unused */
    int order;
    /* METRIC_CHOICES: the lengths of the choices count, so their texts must be known */
    bool lengths;
    /* METRIC_TEXT: items without any right answer have a score too (SQuAD 2.0) */
    bool no_references;
    /* METRIC_TEXT: compares each line with each, so long lines are refused
     * (metrics/text_limit.h) */
    bool lines_by_lines;
    /* Sets the members of the row that options change: n_stats. NULL: none. */
    void (*prepare)(struct metric *m);
    /* Appends the part of the signature after `rules`: the options. n_refs is the number of
     * references of each item, or 0 when it varies. */
    void (*sign)(const struct metric *m, int64_t n_refs, str *out);
    /* stats [n_stats] out. It cannot fail: readers have made sure that the item has what the metric
     * needs. */
    void (*item)(const struct metric *m, const metric_input *in, double *stats);
    /* The score of n items from sums [n_stats]; NULL: scale * sums[0] / n. */
    double (*corpus)(const struct metric *m, const double *sums, int64_t n);
    /* The score of a single item where it is not corpus(stats, 1), else NULL. */
    double (*sentence)(const struct metric *m, const double *stats);
    /* the options of a row in use; zeroed in the table */
    metric_options options;
} metric;

/* For rows: a mean over items, times a factor; and the quotient of two sums, lower being better. */
#define METRIC_MEAN(of) .scale = (of), .higher = true, .error = STDERR_MEAN, .n_stats = 1
#define METRIC_RATIO .higher = false, .error = STDERR_JACKKNIFE, .n_stats = 2

/* The metrics in use: rows with their options. Names are borrowed from the table. */
typedef struct {
    int    n;
    metric rows[METRICS_MAX];
} metric_list;

/* Appends what `name` means: a row, or a group of rows under a tool's name ("squad-v1.1": em and
 * f1). options NULL: the defaults. An unknown name and too many rows are ERR_INPUT; the message
 * names `where` and the nearest name. */
int metric_list_add(metric_list *list, const char *name, const metric_options *options, const char *where);
/* The same for names separated by commas; ERR_INPUT when there are none. */
int metric_list_parse(metric_list *list, const char *names, const metric_options *options, const char *where);

/* The place of the row that the list shows by that name; -1: there is none. */
int metric_list_find(const metric_list *list, const char *name);

/* The i-th name that metric_list_add knows, rows first, then groups; NULL past the end. */
const char *metric_list_name(int i);

/* The i-th row; NULL past the end. */
const metric *metric_row(int i);
const metric *metric_find(const char *name); /* NULL when there is none */

void metric_item(const metric *m, const metric_input *in, double *stats);
/* The score of n items from the sums [n_stats] of their statistics. ctx is the metric, so that this
 * is a `statistic` of metrics/uncertainty.h. */
double metric_of_sums(const void *ctx, const double *sums, int64_t n);
/* stats [n, n_stats]. NaN for n = 0. */
double metric_value(const metric *m, const double *stats, int64_t n);
/* NaN where it is undefined: for n = 1 and under STDERR_NONE. */
double metric_stderr(const metric *m, const double *stats, int64_t n);
double metric_sentence(const metric *m, const double *stats);
/* Appends the whole signature. n_refs is the number of references of each item, or 0 when it
 * varies. */
void metric_signature(const metric *m, int64_t n_refs, str *out);
#endif
