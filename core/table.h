/* A table with four writers over it: text, Markdown, CSV, HTML. Nobody types a number into a
 * report: rows come from records. Texts may hold anything; each writer has one function that
 * escapes. */
#ifndef TIEBREAK_CORE_TABLE_H
#define TIEBREAK_CORE_TABLE_H
#include <stdbool.h>
#include <stddef.h>

#include "core/str.h"

typedef struct {
    char  *text;
    bool   exact;  /* the CSV has `number` in full in place of the text */
    double number; /* NaN: empty in the CSV */
} table_cell;

typedef struct {
    const char  *title; /* NULL: none */
    const char  *note;  /* one paragraph under the title; NULL: none */
    const char  *file;  /* file name without ending: "quality" */
    bool         csv_only;
    int          n_columns;
    size_t       heads_cap, n_rows, cap;
    char       **heads;   /* owned */
    bool        *numeric; /* set right in Markdown and HTML; "-" is empty in the CSV */
    table_cell **rows;    /* owned */
} table;

/* heads: one string of names split by '|'; a name that ends in '#' is numeric. title, note and
 * file must outlive the table. */
void table_init(table *t, const char *file, const char *title, const char *note, const char *heads);
/* One more column, before the first row; the name may hold anything. */
void table_head(table *t, bool numeric, const char *name);
void table_free(table *t);
/* Begin a row, then add its cells left to right; cells not added are empty. A '|' in the format
 * divides cells, as in the heads; one in a value is part of its cell. */
void table_row(table *t);
void table_cells(table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A cell that is a number: shown by the format, "-" where it is not finite; exact in the CSV. */
void table_value(table *t, const char *format, double x) __attribute__((format(printf, 2, 0)));
/* A cell's text, "-" where x is not finite. Returned by value, so that a call can stand among
 * printf's arguments: table_number("%.1f", x).text. */
typedef struct {
    char text[48];
} table_text;
table_text table_number(const char *format, double x) __attribute__((format(printf, 1, 0)));

void table_plain(const table *t, str *out); /* columns of blanks, for a terminal; no title */
void table_markdown(const table *t, str *out);
void table_csv(const table *t, str *out); /* RFC 4180 */
void table_html(const table *t, str *out);

/* A text as that format shows it, letter for letter. Markdown: on one line, as in a cell. CSV: a
 * text that a spreadsheet would run as a formula (= + - @ in front) begins with a quote. */
void markdown_escape(str *out, const char *s);
void html_escape(str *out, const char *s);
void csv_escape(str *out, const char *s);
#endif
