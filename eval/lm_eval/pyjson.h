/* JSON to the byte as Python's json.dumps(value, ensure_ascii=False) writes it, for logs that other
 * tools read and for the hashes in them. */
#ifndef TIEBREAK_EVAL_LM_EVAL_PYJSON_H
#define TIEBREAK_EVAL_LM_EVAL_PYJSON_H
#include "core/json.h"

/* Appends j: with indent 0 on one line with ", " and ": ", else indented by so many blanks a level.
 * A whole number prints as an int; one that is a float in Python, as 1.0, is made by py_float. */
void py_dumps(const json *j, int indent, str *out);
/* A number that py_dumps prints as Python's repr() shows a float: "0.26", "1e-05", "2.0", "NaN". */
json *py_float(double x);
void  py_repr(double x, str *out);
#endif
