#include "core/table.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/memory.h"

void table_head(table *t, bool numeric, const char *name)
{
    if ((size_t)t->n_columns == t->heads_cap) {
        size_t cap = t->heads_cap;
        t->heads   = mem_grow(t->heads, &t->heads_cap, sizeof *t->heads);
        t->numeric = mem_grow(t->numeric, &cap, sizeof *t->numeric);
    }
    t->numeric[t->n_columns] = numeric;
    t->heads[t->n_columns++] = mem_strdup(name);
}

void table_init(table *t, const char *file, const char *title, const char *note, const char *heads)
{
    *t = (table) { .file = file, .title = title, .note = note };
    for (const char *at = heads; *at;) {
        size_t n       = strcspn(at, "|");
        bool   numeric = n > 0 && at[n - 1] == '#';
        char  *name    = mem_strndup(at, n - numeric);
        table_head(t, numeric, name);
        free(name);
        at += n + (at[n] == '|');
    }
}

void table_free(table *t)
{
    for (size_t r = 0; r < t->n_rows; r++) {
        for (int c = 0; c < t->n_columns; c++) free(t->rows[r][c].text);
        free(t->rows[r]);
    }
    for (int c = 0; c < t->n_columns; c++) free(t->heads[c]);
    free(t->heads);
    free(t->numeric);
    free(t->rows);
    *t = (table) { 0 };
}

void table_row(table *t)
{
    if (t->n_rows == t->cap) t->rows = mem_grow(t->rows, &t->cap, sizeof *t->rows);
    t->rows[t->n_rows++] = mem_alloc((size_t)t->n_columns, sizeof **t->rows);
}

static table_cell *next_cell(table *t)
{
    table_cell *row = t->rows[t->n_rows - 1];
    for (int c = 0; c < t->n_columns; c++)
        if (!row[c].text) return &row[c];
    return NULL;
}

/* What divides cells once a row is printed: a control character that no record's text holds. */
enum { DIVIDER = 0x1F };

void table_cells(table *t, const char *format, ...)
{
    char   *divided = mem_strdup(format);
    str     text    = { 0 };
    va_list args;
    for (char *at = divided; (at = strchr(at, '|')); *at = DIVIDER) {
    }
    va_start(args, format);
    str_vprintf(&text, divided, args);
    va_end(args);
    free(divided);
    table_cell *cell;
    for (const char *at = str_c(&text); at && (cell = next_cell(t));) {
        const char *end = strchr(at, DIVIDER);
        cell->text      = mem_strndup(at, end ? (size_t)(end - at) : strlen(at));
        at              = end ? end + 1 : NULL;
    }
    str_free(&text);
}

void table_value(table *t, const char *format, double x)
{
    table_cell *cell = next_cell(t);
    if (cell) *cell = (table_cell) { mem_strdup(table_number(format, x).text), true, x };
}

table_text table_number(const char *format, double x)
{
    table_text cell = { "-" };
    if (isfinite(x)) snprintf(cell.text, sizeof cell.text, format, x);
    return cell;
}

/* Row -1 is that of the heads. */
static const char *cell_text(const table *t, int64_t r, int c)
{
    const char *text = r < 0 ? t->heads[c] : t->rows[r][c].text;
    return text ? text : "";
}

void table_plain(const table *t, str *out)
{
    size_t *wide = mem_alloc((size_t)t->n_columns, sizeof *wide);
    for (int64_t r = -1; r < (int64_t)t->n_rows; r++) {
        for (int c = 0; c < t->n_columns; c++) {
            const char  *text = cell_text(t, r, c);
            const size_t n    = utf8_length(text, strlen(text));
            if (n > wide[c]) wide[c] = n;
        }
    }
    for (int64_t r = -1; r < (int64_t)t->n_rows; r++) {
        for (int c = 0; c < t->n_columns; c++) {
            const char *text  = cell_text(t, r, c);
            const int   blank = (int)(wide[c] - utf8_length(text, strlen(text)));
            const bool  last  = c + 1 == t->n_columns;
            str_printf(out, "%*s%s%*s", t->numeric[c] ? blank : 0, "", text, t->numeric[c] || last ? 0 : blank, "");
            str_puts(out, last ? "\n" : "  ");
        }
    }
    free(wide);
}

/* Blanks in place of what would end the line; a backslash before what Markdown reads. */
void markdown_escape(str *out, const char *s)
{
    for (; *s; s++) {
        if (strchr("\\`*_[]<>|&#!~", *s)) str_putc(out, '\\');
        str_putc(out, (unsigned char)*s < ' ' ? ' ' : *s);
    }
}

void table_markdown(const table *t, str *out)
{
    if (t->title) str_printf(out, "## %s\n\n", t->title);
    if (t->note) str_printf(out, "%s\n\n", t->note);
    for (int64_t r = -1; r < (int64_t)t->n_rows; r++) {
        for (int c = 0; c < t->n_columns; c++) {
            str_puts(out, "| ");
            markdown_escape(out, cell_text(t, r, c));
            str_putc(out, ' ');
        }
        str_puts(out, "|\n");
        for (int c = 0; r < 0 && c < t->n_columns; c++) str_puts(out, t->numeric[c] ? "|---:" : "|---");
        if (r < 0) str_puts(out, "|\n");
    }
    str_putc(out, '\n');
}

void csv_escape(str *out, const char *s)
{
    const char *formula = s[0] && strchr("=+-@\t\r", s[0]) && strcmp(s, "-") != 0 ? "'" : "";
    if (!strpbrk(s, ",\"\n\r")) {
        str_printf(out, "%s%s", formula, s);
        return;
    }
    str_printf(out, "\"%s", formula);
    for (; *s; s++) {
        if (*s == '"') str_putc(out, '"');
        str_putc(out, *s);
    }
    str_putc(out, '"');
}

/* A text that is a number begins with + or - for no other reason. */
static bool is_number(const char *s)
{
    char *end;
    strtod(s, &end);
    return end > s && !*end;
}

static void csv_cell(const table *t, int64_t r, int c, str *out)
{
    const char *text = cell_text(t, r, c);
    if (r >= 0 && t->rows[r][c].exact) {
        json *number = json_of_number(t->rows[r][c].number);
        if (!json_is_null(number)) json_print(number, out, false);
        json_free(number);
    } else if (is_number(text)) {
        str_puts(out, text);
    } else {
        csv_escape(out, text);
    }
}

void table_csv(const table *t, str *out)
{
    for (int64_t r = -1; r < (int64_t)t->n_rows; r++) {
        for (int c = 0; c < t->n_columns; c++) {
            if (c) str_putc(out, ',');
            csv_cell(t, r, c, out);
        }
        str_putc(out, '\n');
    }
}

void html_escape(str *out, const char *s)
{
    for (; *s; s++) {
        switch (*s) {
        case '&': str_puts(out, "&amp;"); break;
        case '<': str_puts(out, "&lt;"); break;
        case '>': str_puts(out, "&gt;"); break;
        case '"': str_puts(out, "&quot;"); break;
        case '\'': str_puts(out, "&#39;"); break;
        default: str_putc(out, *s);
        }
    }
}

static void html_element(str *out, const char *name, const char *attributes, const char *text)
{
    str_printf(out, "<%s%s>", name, attributes);
    html_escape(out, text);
    str_printf(out, "</%s>", name);
}

void table_html(const table *t, str *out)
{
    html_element(out, "h2", "", t->title);
    str_putc(out, '\n');
    if (t->note) {
        html_element(out, "p", "", t->note);
        str_putc(out, '\n');
    }
    str_puts(out, "<div class=\"wide\"><table><thead>");
    for (int64_t r = -1; r < (int64_t)t->n_rows; r++) {
        str_puts(out, "<tr>");
        for (int c = 0; c < t->n_columns; c++)
            html_element(out, r < 0 ? "th" : "td", t->numeric[c] ? " class=\"n\"" : "", cell_text(t, r, c));
        str_puts(out, r < 0 ? "</tr></thead><tbody>\n" : "</tr>\n");
    }
    str_puts(out, "</tbody></table></div>\n");
}
