/* The templates of task files. {field} stands for a field's text, {field:k} for the k-th of that
 * name (from 0), {field|filter|filter} for a filtered one; {{ and }} stand for braces. A filter is
 * a row of the table in template.c. */
#ifndef TIEBREAK_TASKS_TEMPLATE_H
#define TIEBREAK_TASKS_TEMPLATE_H
#include "core/str.h"
#include "datasets/dataset.h"

/* Appends the filled template. ERR_INPUT when the template is malformed, or when the item lacks a
 * field; the message names those it has. */
int template_fill(const char *text, const data_item *item, str *out);
/* Checks a template's form and filters without an item. */
int template_check(const char *text, const char *where);
/* Applies a filter in place, or with text NULL only looks it up. ERR_INPUT when there is none of
 * that name. */
int template_filter(const char *name, str *text);
/* Returns ERR_INPUT: the item has no field of that name, or not k + 1 of them. */
int template_missing(const data_item *item, const char *name, int64_t k);
#endif
