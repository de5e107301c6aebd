/* SQuAD's exact match and F1, by the official scripts (evaluate-v1.1.py, evaluate-v2.0.py of
 * rajpurkar/SQuAD-explorer).
 *
 * Normal form: lower case; the 32 ASCII punctuation characters deleted, nothing put in their
 * place; the words a, an, the replaced by a blank; blanks folded. Easy to get wrong: other
 * punctuation stays and does end a word, so "l’a" loses its article. What a letter is,
 * utf8proc's tables say (Unicode 15.0 in version 2.8; Python 3.11 has 14.0): a letter that
 * Unicode 15 added, next to an article, keeps it one word here. */
#ifndef TIEBREAK_METRICS_SQUAD_H
#define TIEBREAK_METRICS_SQUAD_H
#include "metrics/metric.h"

void squad_normalize(slice text, str *out); /* appended */

/* v1.1: the best over the references, EM and F1 each on its own; no common word is F1 0, so two
 * empty answers have EM 1 and F1 0.
 * v2.0: references whose normal form is empty are left out, none left (or none at all) makes ""
 * the only one; if either side is empty, F1 = EM. Both 0..1. A question without references is
 * scored by the v2.0 rules in either case: v1.1 has none. */
typedef enum { SQUAD_V1, SQUAD_V2 } squad_rules;
double squad_em(slice prediction, const slice *references, int64_t n, squad_rules rules);
double squad_f1(slice prediction, const slice *references, int64_t n, squad_rules rules);

/* rows of the metric table; order: 0 = v1.1, 1 = v2.0 */
void squad_em_item(const metric *m, const metric_input *in, double *stats);
void squad_f1_item(const metric *m, const metric_input *in, double *stats);
#endif
