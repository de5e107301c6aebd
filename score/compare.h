/* Systems on the same items, each compared with the first: how far apart they are, how sure that
 * is, and which items changed.
 *
 *     const char *const what[] = { "base=runs/base", "lora=runs/lora/s0/eval,runs/lora/s1/eval" };
 *     comparison c;
 *     int rc = compare_run(&c, what, 2, &(compare_options) { .draws = PAIRED_DEFAULTS });
 *     compare_print(&c, false, &text);
 *     comparison_free(&c);
 *
 * Two sources of variance are kept apart. On other items a score would move by its standard error,
 * and the paired tests are about that. With another training seed it would move too, and resampling
 * items cannot tell by how much: where a system has several runs, their spread is reported beside
 * it. */
#ifndef TIEBREAK_SCORE_COMPARE_H
#define TIEBREAK_SCORE_COMPARE_H
#include "metrics/paired.h"
#include "score/scored.h"

enum { SYSTEMS_MAX = 16, RUNS_MAX = 64 };

/* One system: a run, or runs of one cell that differ in the training seed only. */
typedef struct {
    char   *name;
    int     n_runs;
    scored *runs;  /* [n_runs] */
    json   *asked; /* the first run's record's; NULL where there is none */
    /* The record says that nothing was trained, so another seed would change nothing. */
    bool seedless;
} compare_system;

/* Reads a system. `what` is a sample log, a run's folder, a folder of runs (with SEED/ or
 * SEED/eval/ in it, as a sweep writes them), or several of these separated by commas; NAME= may
 * stand before it. ERR_INPUT when the runs are of different cells, or a log cannot be read. */
int compare_system_read(compare_system *out, const char *what);
/* The same from n sample logs or folders of runs, 1 <= n <= RUNS_MAX. */
int  compare_system_of(compare_system *out, const char *name, char *const *runs, int n);
void compare_system_free(compare_system *s);

typedef enum {
    VERDICT_OPEN,      /* p >= 0.05: the two cannot be told apart */
    VERDICT_IDENTICAL, /* every item's numbers are equal */
    VERDICT_SEEDS,     /* p < 0.05 for these runs, but the seeds' spread leaves it open */
    VERDICT_DIFFERENT
} compare_verdict;

/* One system on one metric. */
typedef struct {
    /* value: from all runs' answers pooled (for a mean, the mean of the runs). error: over the
     * items. */
    double   value, error;
    interval range;      /* over the items */
    double  *run_values; /* [n_runs] */
    double   seed_sd;    /* standard deviation of run_values; NaN below two */
    double  *stats;      /* [n, n_stats], mean over runs */
    double  *items;      /* [n]: the score of each item alone, mean over runs */
    bool     share;      /* items are right or wrong */
    /* Compared with the first system; unused in that one itself. */
    paired_result test;
    double        difference_error; /* over the items: a mean's closed form, else from the resamples */
    /* Both are shares, and the counts and the two p-values below are theirs. */
    bool          flips;
    paired_counts counts;
    double        p_exact, p_mid;
    double        p, p_holm; /* by the test to go by; adjusted by Holm over the systems */
    /* The difference between the systems' mean runs (Welch): its standard error, degrees of
     * freedom and p-value; NaN when the spread of seeds is unknown. */
    double          seed_error, seed_df, seed_p;
    int64_t         better, worse; /* items */
    compare_verdict verdict;
} compare_score;

typedef struct {
    metric         row;
    str            signature;
    compare_score *scores; /* [n_systems] */
} compare_metric;

typedef struct {
    paired_options draws;
    /* compares the items that all systems have, instead of refusing the others */
    bool common;
} compare_options;

typedef struct {
    compare_options options;
    int             n_systems, n_metrics;
    compare_system  systems[SYSTEMS_MAX]; /* the first is the baseline */
    /* The metrics that every system has; a warning names the others. */
    compare_metric metrics[METRICS_MAX];
    int64_t        n;
    const char   **ids;    /* [n], in the first system's order */
    int64_t      **places; /* for each run, system after system: where the items stand in its log */
} comparison;

/* ERR_INPUT when items differ (the message names some), when a metric was made by different rules,
 * or when records name different tasks or data. */
int compare_run(comparison *c, const char *const *what, int n, const compare_options *options);
/* The same of systems that were read already: c->options, c->systems and c->n_systems are set, all
 * else is zeroed. Takes the systems. */
int  compare_run_systems(comparison *c);
void comparison_free(comparison *c);

/* The interval of the difference between system s and the first at the level 1 - alpha, in the
 * metric's own unit: of shares paired_share_interval, of other means Student's t with an item more
 * in the variance, else normal with the resamples' error. Where both systems have several runs, or
 * one has and the other needs none, it also covers what Welch's t says of the seeds: to be decided,
 * a difference must hold over items and over seeds. */
interval compare_interval(const comparison *c, const compare_metric *m, int s, double alpha);
/* The test that p is from: "McNemar mid-p", "approximate randomisation". */
const char *compare_test_name(const compare_score *s);

/* Whether two numbers of one item differ by more than rounding. */
bool        compare_differs(double x, double y);
const char *compare_verdict_text(const compare_metric *m, const compare_score *s);
/* Appends the comparison as text; per_item lists every item that changed, not only the first
 * few. */
void  compare_print(const comparison *c, bool per_item, str *out);
json *compare_json(const comparison *c, bool per_item);
#endif
