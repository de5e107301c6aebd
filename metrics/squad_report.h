/* What evaluate-v2.0.py reports of a SQuAD 2.0 system: the averages under a no-answer threshold,
 * also for questions with and without an answer apart, and the best that any threshold would give.
 *
 *     squad_question *q = ...;                               // in the data's order; em, f1 by SQUAD_V2
 *     squad_report r = squad_report_of(q, n, true, 1.0);     // with na-probabilities
 *
 * Source: evaluate-v2.0.py, rajpurkar/SQuAD-explorer eee5fdbf62. Questions without a prediction are
 * left out of every average; the script skips them in the overall average and fails on them in the
 * others. They still count as unanswerable questions that the best threshold starts from. */
#ifndef TIEBREAK_METRICS_SQUAD_REPORT_H
#define TIEBREAK_METRICS_SQUAD_REPORT_H
#include "core/json.h"

typedef struct {
    bool   predicted;  /* there is a prediction; without one only has_answer is read */
    bool   has_answer; /* the data gives an answer, even one whose normal form is empty */
    bool   answered;   /* the prediction is not the empty string */
    double em, f1;     /* 0..1 */
    /* the system's probability that there is no answer; read only with na-probabilities */
    double na_prob;
    /* the id's place in the file of probabilities, in which order equal probabilities are walked */
    int64_t na_rank;
} squad_question;

typedef struct {
    double  exact, f1; /* 0..100; NaN when total is 0 */
    int64_t total;
} squad_average;

typedef struct {
    squad_average all, has_answer, no_answer;
    bool          with_na_probs; /* all that follows is set only then */
    double        best_exact, best_exact_thresh, best_f1, best_f1_thresh;
    /* average precision over thresholds, 0..100; NaN when no question has an answer */
    double pr_exact_ap, pr_f1_ap, pr_oracle_ap;
} squad_report;

/* An na_prob strictly above the threshold counts as "no answer"; the script's default is 1. Without
 * probabilities all are 0. */
squad_report squad_report_of(const squad_question *q, int64_t n, bool with_na_probs, double threshold);
/* Uses the script's names: exact, f1, total, HasAns_* and NoAns_* (where there are such questions),
 * best_* and pr_*_ap. */
json *squad_report_json(const squad_report *r);
#endif
