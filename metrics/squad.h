/* SQuAD's exact match and F1 by the official scripts (evaluate-v1.1.py and evaluate-v2.0.py of
 * rajpurkar/SQuAD-explorer).
 *
 * An answer's normal form is in lower case; the 32 ASCII punctuation characters are deleted with
 * nothing in their place; the words a, an and the are replaced by a blank; blanks are folded.
 * Easy to get wrong: other punctuation stays and does end a word, so "l’a" loses its article.
 * utf8proc's tables say what a letter is (Unicode 15.0 in version 2.8; Python 3.11 has 14.0):
 * next to a letter that Unicode 15 added an article is part of a longer word here, and a word of
 * its own in Python. */
#ifndef TIEBREAK_METRICS_SQUAD_H
#define TIEBREAK_METRICS_SQUAD_H
#include "metrics/metric.h"

void squad_normalize(slice text, str *out); /* appends the normal form */

/* v1.1: the best over the references, EM and F1 each on its own. Without a common word F1 is 0, so
 * two empty answers have EM 1 and F1 0.
 *
 * v2.0: references whose normal form is empty are left out; where none is left "" is the only one.
 * If either side is empty, F1 = EM.
 *
 * Both scores are 0..1. v1.1 has no rule for a question without references, so the v2.0 rules score
 * it in either case. */
typedef enum { SQUAD_V1, SQUAD_V2 } squad_rules;
double squad_em(slice prediction, const slice *references, int64_t n, squad_rules rules);
double squad_f1(slice prediction, const slice *references, int64_t n, squad_rules rules);
#endif
