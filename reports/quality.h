/* Scores from eval records: cells that differ only in the training seed are one point, with an
 * interval; the Pareto front never ranks
 * what the data cannot separate. */
#ifndef TIEBREAK_REPORTS_QUALITY_H
#define TIEBREAK_REPORTS_QUALITY_H
#include "core/json.h"
#include "reports/table.h"

enum { SEEDS_MAX = 64 };

/* One point: (base, task, metric, adapter without its seed). */
typedef struct {
    /* hash of what was asked, without seed and hashes */
    char group[17];
    /* method "base": no adapter; strings live in the records */
    const char *base, *task, *metric, *method, *sites;
    bool        primary; /* the task's first metric */
    bool        higher_is_better;
    int64_t     rank, n, trainable, adapter_bytes; /* rank -1: none */
    double      lr;                                /* NaN: none */
    int         n_seeds;
    double      values[SEEDS_MAX], item_stderr[SEEDS_MAX], wall_s[SEEDS_MAX];
    /* 95 % half-width: over seeds (Student's t) where there are two or more, else of the items */
    double mean, half;
    /* The two sources of variance, apart: how far another training seed would move one run (NaN
     * below two seeds), and how far other items would (root mean square over the runs). */
    double seed_sd, item_error;
    bool   on_front;
} quality_point;

typedef struct {
    quality_point *points; /* sorted by task, metric, trainable, method, rank */
    size_t         n, cap;
} quality;

/* Collects the eval records among those that record_read gave; other kinds are passed over.
 * ERR_INPUT when there are more than SEEDS_MAX runs of one cell. */
int  quality_from_records(quality *q, json *const *records, int64_t n);
void quality_free(quality *q);
/* a is better than b beyond what the intervals leave open: |difference| > sqrt(half_a^2 +
 * half_b^2). NaN separates nothing. */
bool quality_separated(const quality_point *a, const quality_point *b);
/* The cell of a point's rank. */
table_text quality_rank(const quality_point *p);
void       quality_table(const quality *q, table *t);
/* The page's first answer: adapters down, tasks across (primary metrics), mean and 95 %
 * half-width. */
void quality_summary(const quality *q, table *t);
#endif
