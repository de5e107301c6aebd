/* The templates of task files: text with {field}, {field:k} (the k-th of that name), {field|filter|filter}; {{ and }} stand for braces.
 * A filter is a row of the table in template.c. */
#ifndef TIEBREAK_EVAL_TEMPLATE_H
#define TIEBREAK_EVAL_TEMPLATE_H
#include "core/str.h"
#include "datasets/dataset.h"

/* Append the filled template. ERR_INPUT when a field is missing in the item, or the template is malformed. */
int template_fill(const char *text, const data_item *item, str *out);
/* Check a template's form and filters without an item. */
int template_check(const char *text, const char *where);
/* Apply one named filter in place; ERR_INPUT when there is none of that name. */
int template_filter(const char *name, str *text);
#endif
