/* Answers to word problems as PEFT's own comparison of methods reads them
 * (method_comparison/MetaMathQA/utils.py of huggingface/peft at 013424400c): the yardstick of its
 * published GSM8K accuracies. It is looser than lm-evaluation-harness's: 18, 18.0, $18 and 36/2 are
 * the same.
 *
 * First the text loses blanks at its ends and then a final . ! or ?. It must hold one of these
 * phrases: "The answer is: ", "The answer is ", "The final answer is: ", "The final answer is ",
 * "#### ". The first in this list that occurs counts, at its last occurrence. The answer is what
 * follows up to a newline, without blanks . ! ? $ % at its ends.
 *
 * Two answers that are both numbers, fractions a/b among them, are compared as doubles, and two
 * other answers as strings; a number and a string are never equal. Commas are no part of a number:
 * "1,080" is a string. */
#ifndef TIEBREAK_METRICS_GSM8K_PEFT_H
#define TIEBREAK_METRICS_GSM8K_PEFT_H
#include "metrics/metric.h"

/* Returns a part of text; its s is NULL when there is none of the phrases. */
slice gsm8k_peft_answer(slice text);
/* Whether two answers are the same. A number is what Python's decimal.Decimal reads: digits of any
 * script, underscores, exponents, infinity, NaN. A fraction is rounded once, where Python rounds to
 * 28 digits first: for numbers of up to 9 digits the double is the same, else it may differ in its
 * last place. */
bool gsm8k_peft_equal(slice a, slice b);
#endif
