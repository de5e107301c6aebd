/* A table of text cells with three writers over it: Markdown, CSV, HTML. Nobody types a number
 * into a report: rows come from records. */
#ifndef TIEBREAK_REPORTS_TABLE_H
#define TIEBREAK_REPORTS_TABLE_H
#include <stdbool.h>
#include <stddef.h>

#include "core/str.h"

enum { TABLE_COLUMNS = 32 };

typedef struct {
    const char *title;
    const char *note; /* one paragraph under the title; NULL: none */
    const char *file; /* file name without ending: "quality" */
    int         n_columns;
    const char *heads[TABLE_COLUMNS];
    bool        numeric[TABLE_COLUMNS]; /* set right in Markdown and HTML */
    size_t      n_rows, cap;
    char *(*rows)[TABLE_COLUMNS]; /* owned */
} table;

/* heads: one string of names split by '|'; a name that ends in '#' is numeric. title, note and
 * file must outlive the table. */
void table_init(table *t, const char *file, const char *title, const char *note, const char *heads);
void table_free(table *t);
/* Begin a row, then add its cells left to right; cells not added are empty. A '|' in the format
 * divides cells, as in the heads; one in a value is part of its cell. */
void table_row(table *t);
void table_cells(table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A cell's text, "-" where x is not finite. Returned by value, so that a call can stand among
 * printf's arguments: table_number("%.1f", x).text. */
typedef struct {
    char text[48];
} table_text;
table_text table_number(const char *format, double x) __attribute__((format(printf, 1, 0)));

void table_markdown(const table *t, str *out);
void table_csv(const table *t, str *out); /* RFC 4180 */
void table_html(const table *t, str *out);
/* s with & < > " escaped. */
void html_escape(str *out, const char *s);
#endif
