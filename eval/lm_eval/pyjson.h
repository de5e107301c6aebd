/* JSON as Python's json.dumps(value, ensure_ascii=False) writes it, to the byte: for logs that
 * other tools read, and for their hashes. */
#ifndef TIEBREAK_EVAL_LM_EVAL_PYJSON_H
#define TIEBREAK_EVAL_LM_EVAL_PYJSON_H
#include "core/json.h"

/* indent 0: one line with ", " and ": "; else that many blanks a level. A number that is whole
 * prints as an int: what Python has as a float, 1.0, is made with py_float. */
void py_dumps(const json *j, int indent, str *out);
/* A float as repr() shows it ("0.26", "1e-05", "2.0", "NaN"): a node that py_dumps prints as it
 * stands. */
json *py_float(double x);
void  py_repr(double x, str *out);
#endif
