/* Python's str.capitalize(), which lm-evaluation-harness's HellaSwag applies to ctx_b. */
#ifndef TIEBREAK_METRICS_CAPITALIZE_H
#define TIEBREAK_METRICS_CAPITALIZE_H
#include "metrics/pytext.h"

/* Appends the text with its first character in title case and the rest in lower case ("iPhone X" ->
 * "Iphone x"). Takes valid UTF-8. */
void py_capitalize(slice text, str *out);
#endif
