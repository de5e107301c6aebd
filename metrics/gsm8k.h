/* GSM8K's answers as lm-evaluation-harness extracts and compares them in task gsm8k (version 3).
 *
 * The strict filter takes the first match of `#### (\-?[0-9\.\,]+)`, the flexible one the last
 * match of `(-?[$0-9.,]{2,})|(-?[0-9]+)`; where nothing matches the answer is "[invalid]". The task
 * gsm8k_cot (version 3) has a strict filter of its own, the first match of `The answer is
 * (\-?[0-9\.\,]+).`, whose last dot is any character.
 *
 * Both the answer and the reference then lose ",", "$", everything up to the last "#### " and one
 * final "."; they are lower-cased and compared as strings: "18." is 18, but "18.00" is not. */
#ifndef TIEBREAK_METRICS_GSM8K_H
#define TIEBREAK_METRICS_GSM8K_H
#include "metrics/metric.h"

/* Each returns a part of text, or "[invalid]". */
slice gsm8k_strict(slice text);
slice gsm8k_flexible(slice text);
slice gsm8k_cot_strict(slice text);
/* Compares the extracted answer with the whole reference solution. */
bool gsm8k_match(slice extracted, slice reference);
#endif
