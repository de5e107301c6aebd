/* The templates of task files: text with {field}, {field:k} (the k-th of that name, from 0),
 * {field|filter|filter}; {{ and }} stand for braces.
 * A filter is a row of the table in template.c. */
#ifndef TIEBREAK_TASKS_TEMPLATE_H
#define TIEBREAK_TASKS_TEMPLATE_H
#include "core/str.h"
#include "datasets/dataset.h"

/* Append the filled template. ERR_INPUT when a field is missing in the item, naming those it
 * has, or when the template is malformed. */
int template_fill(const char *text, const data_item *item, str *out);
/* Check a template's form and filters without an item. */
int template_check(const char *text, const char *where);
/* Apply one named filter in place (text NULL: only look it up); ERR_INPUT when there is none of
 * that name. */
int template_filter(const char *name, str *text);
/* ERR_INPUT: the item has no field of that name (or not k + 1 of them). */
int template_missing(const data_item *item, const char *name, int64_t k);
#endif
