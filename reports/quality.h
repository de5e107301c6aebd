/* Scores from eval records: runs that differ in the training seed alone are one point, with an
 * interval; the Pareto front never ranks what the data cannot separate.
 *
 * What was asked is in two halves. The column is what was answered: the task and all that changes
 * its number (version, prompt, data, limit, few-shot, metric and its options). The row is who
 * answered: the base, by its hash, and the adapter with its training. Two rows or columns of one
 * name that differ in anything else say in what (core/apart.h). */
#ifndef TIEBREAK_REPORTS_QUALITY_H
#define TIEBREAK_REPORTS_QUALITY_H
#include "core/json.h"
#include "core/memory.h"
#include "core/table.h"

/* One run: an eval record's metric. */
typedef struct {
    int64_t seed; /* of the training; -1: none */
    double  value, item_stderr, wall_s;
} quality_run;

/* One point: a row and a column. Names live in the records. */
typedef struct {
    json       *row, *column;              /* the halves of what was asked, without the seed; owned */
    char        row_id[17], column_id[17]; /* their hashes */
    char        group[17];                 /* that of what was asked, without seed and hashes */
    const char *base, *base_sha256, *task, *metric, *method, *sites;
    const char *settings; /* what tells its row from others of its name; "" mostly */
    const char *answered; /* the same of its column */
    bool        primary;  /* the task's first metric */
    bool        higher_is_better;
    int64_t     rank, n; /* rank -1: none; n: items */
    /* trained numbers; those that an evaluation loads, fewer where ranks were pruned; file size */
    int64_t      trained, kept, adapter_bytes;
    double       lr; /* NaN: none */
    int64_t      steps;
    int          n_runs, n_trained; /* n_trained: seeds trained, at least n_runs */
    size_t       runs_cap;
    quality_run *runs; /* by seed */
    double       mean;
    double       half;       /* of the 95 % interval over seeds (Student's t); NaN below two */
    double       item_half;  /* of the items' 95 % interval of one run (normal) */
    double       seed_sd;    /* how far another training seed would move one run; NaN below two */
    double       item_error; /* how far other items would: root mean square over the runs */
    bool         on_front;
} quality_point;

typedef struct {
    quality_point *points; /* sorted by task, metric, column, base, trained numbers, method, rank */
    size_t         n, cap;
    const json   **unscored; /* records of trainings that no evaluation here is of */
    size_t         n_unscored;
    int64_t        copies, conflicts; /* records whose id was there before; those that say otherwise */
    bool           several_bases;
    arena          texts;
} quality;

/* Collects the eval and train records among those that record_read gave; other kinds are passed
 * over. Records of one id count once. */
void quality_from_records(quality *q, json *const *records, int64_t n);
void quality_free(quality *q);
/* Half of the interval that ranks a point: over seeds, or of the items where there is one run. */
double quality_half(const quality_point *p);
/* a is better than b beyond what the intervals leave open: |difference| > sqrt(half_a^2 +
 * half_b^2). NaN separates nothing. */
bool quality_separated(const quality_point *a, const quality_point *b);
bool quality_same_panel(const quality_point *a, const quality_point *b); /* column and base */
/* The cell of a point's rank. */
table_text quality_rank(const quality_point *p);
/* "3", or "2 of 3" where seeds were trained and not scored. */
table_text quality_seeds(const quality_point *p);
void       quality_table(const quality *q, table *t);
/* Every run by itself; the CSV alone. */
void quality_runs_table(const quality *q, table *t);
void quality_unscored_table(const quality *q, table *t);
/* Cells that were begun and have no record (record_scan_unfinished): killed, failed, or under
 * way. */
void unfinished_table(json *const *asked, int64_t n, table *t);
/* The page's first answer: adapters down, tasks across (primary metrics). */
void quality_summary(quality *q, table *t);
#endif
