/* What evaluate-v2.0.py reports of a SQuAD 2.0 system: the averages with a no-answer threshold,
 * apart for questions with and without an answer, and the best that any threshold would give.
 *
 *     squad_question *q = ...;                                  // in the data's order; em and f1 by SQUAD_V2 (metrics/squad.h)
 *     squad_report r = squad_report_of(q, n, true, 1.0);        // with na-probabilities
 *
 * Source: evaluate-v2.0.py, rajpurkar/SQuAD-explorer eee5fdbf62. Questions without a prediction
 * are left out of every average (the script skips them in the overall one and dies of them in
 * the others); they still count as unanswerable questions that the best threshold starts from. */
#ifndef TIEBREAK_METRICS_SQUAD_REPORT_H
#define TIEBREAK_METRICS_SQUAD_REPORT_H
#include "core/json.h"

typedef struct {
    bool   predicted;  /* there is a prediction; without one only has_answer is read */
    bool   has_answer; /* the data gives an answer, whatever its normal form */
    bool   answered;   /* the prediction is not the empty string */
    double em, f1;     /* 0..1 */
    /* the system's probability that there is no answer; read only when there are such probabilities */
    double na_prob;
    /* the place of the id in the file of probabilities: equal ones are walked in this order */
    int64_t na_rank;
} squad_question;

typedef struct {
    double  exact, f1; /* 0..100; NaN when total is 0 */
    int64_t total;
} squad_average;

typedef struct {
    squad_average all, has_answer, no_answer;
    bool          with_na_probs; /* the rest is set only then */
    double        best_exact, best_exact_thresh, best_f1, best_f1_thresh;
    /* average precision over thresholds, 0..100; NaN when no question has an answer */
    double pr_exact_ap, pr_f1_ap, pr_oracle_ap;
} squad_report;

/* threshold: an na_prob above it (strictly) counts as "no answer"; the script's default is 1.
 * Without probabilities they are all 0. */
squad_report squad_report_of(const squad_question *q, int64_t n, bool with_na_probs, double threshold);
/* Under the script's names: exact, f1, total, HasAns_*, NoAns_* (where there are such
 * questions), best_* and pr_*_ap. */
json *squad_report_json(const squad_report *r);
#endif
