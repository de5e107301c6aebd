/* Answers to word problems as PEFT's own comparison of methods reads them
 * (method_comparison/MetaMathQA/utils.py of huggingface/peft at 013424400c): the yardstick of
 * its published GSM8K accuracies. Looser than lm-evaluation-harness's: 18, 18.0, $18 and 36/2
 * are the same.
 *
 * The text, without blanks at its ends and then without final . ! ?, must hold one of "The
 * answer is: ", "The answer is ", "The final answer is: ", "The final answer is ", "#### "; the
 * first of this list that occurs is cut at its last occurrence. What follows, up to a newline
 * and without blanks . ! ? $ % at its ends, is the answer. Two answers are equal as doubles if
 * both are numbers, a fraction a/b among them, or else as strings; a number and a string never
 * are. Commas are no part of a number: "1,080" is a string. */
#ifndef TIEBREAK_METRICS_GSM8K_PEFT_H
#define TIEBREAK_METRICS_GSM8K_PEFT_H
#include "metrics/metric.h"

/* A part of text; s is NULL when there is none of the phrases. */
slice gsm8k_peft_answer(slice text);
/* Whether two answers are the same. Numbers are what Python's decimal.Decimal reads (digits of
 * any script, underscores, exponents, infinity, NaN). A fraction is rounded once, where Python
 * rounds to 28 digits first: the same double for numbers of up to 9 digits, else one unit in its
 * last place. */
bool gsm8k_peft_equal(slice a, slice b);

/* Row of the metric table. The reference is a whole solution in one of the forms above, or the
 * bare answer. */
void gsm8k_peft_item(const metric *m, const metric_input *in, double *stats);
#endif
