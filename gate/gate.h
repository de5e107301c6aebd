/* The gate: two sides in, a verdict on every case and one on all of them out.
 *
 *     gate_options o = GATE_DEFAULTS;
 *     gate_set base = { .field = "real_time" }, head = { .field = "real_time" };
 *     gate_result r;
 *     int rc = gate_set_read(&base, "runs/base");
 *     if (!rc) rc = gate_set_read(&head, "runs/head");
 *     if (!rc) rc = gate_judge_sets(&r, &base, &head, &o);
 *     if (!rc) gate_finish(&r), gate_text(&r, &text), rc = gate_status(&r);
 *     gate_result_free(&r); */
#ifndef TIEBREAK_GATE_GATE_H
#define TIEBREAK_GATE_GATE_H
#include "gate/ack.h"
#include "gate/set.h"

typedef struct {
    double      margin, score_margin; /* percent; points */
    double      noise;                /* percent between processes; 0: not known */
    const char *only;                 /* an extended regular expression over the cases' names; NULL: all */
    const char *ack;                  /* a file of acknowledgements; NULL: none */
    int64_t     max_age_days;         /* of BASE; 0: any */
    bool        allow_inconclusive;
    /* How often growing samples are looked at: that many times as many intervals hold at once; 0
     * is 1. */
    int64_t looks;
    int64_t now; /* seconds since 1970; 0: the clock's */
} gate_options;
#define GATE_DEFAULTS ((gate_options) { .margin = 3, .score_margin = 1 })

typedef struct {
    const char      *name;
    gate_kind        kind;
    gate_judgement   j;
    double           base, head; /* as shown: medians over processes, scores, counts */
    const char      *unit;       /* of those two: "ns", "of base", "points", "" */
    const char      *why;        /* of an inconclusive case: a sentence; "" else */
    const ack_entry *accepted;   /* a regression or change that is acknowledged; NULL: none */
    double           p;          /* of a score, by score's own test; NaN */
    const char      *test;
} gate_case;

typedef struct {
    const char **items;
    size_t       n, cap;
} gate_texts;

typedef struct {
    gate_options o;
    gate_case   *cases; /* the worst first */
    size_t       n, cap;
    /* Names of cases in BASE alone (acknowledged ones not among them) and in HEAD alone; of those
     * that are left to --noise or more processes; what is to be known; what makes it an error. */
    gate_texts missing, fresh, unjudged, notes, problems;
    int64_t    simultaneous; /* intervals that hold at once */
    ack_list   acks;
    arena      memory;
} gate_result;

/* Judges all cases; gate_finish comes next. ERR_INPUT for an expression or a file of
 * acknowledgements that is wrong, and for logs that cannot be compared; what is wrong with cases is
 * listed among the problems. The result borrows from the sets. */
int gate_judge_sets(gate_result *r, gate_set *base, gate_set *head, const gate_options *o);
/* Adds a case that was judged elsewhere (a pin, a count). name is copied. Then gate_finish. */
gate_case *gate_add(gate_result *r, const char *name, gate_kind kind);
/* Adds a text to one of the result's lists. */
void gate_say(gate_result *r, gate_texts *list, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Sorts the cases and applies the acknowledgements, once, when all cases are there. */
void gate_finish(gate_result *r);
void gate_result_free(gate_result *r);

/* "pass", "regressed" or "inconclusive"; with problems never "pass". */
const char *gate_overall(const gate_result *r);
/* The exit status; the error's text is recorded. */
int gate_status(const gate_result *r);

/* --- writers */

void  gate_text(const gate_result *r, str *out);
json *gate_json(const gate_result *r);
/* The worst first, the rest collapsed; of each at most 120 rows. */
void gate_markdown(const gate_result *r, str *out);
void gate_junit(const gate_result *r, str *out);
/* GitHub's workflow commands, a line each: ::error title=...::... */
void gate_annotations(const gate_result *r, str *out);
#endif
