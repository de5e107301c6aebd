#include "reports/table.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

void table_init(table *t, const char *file, const char *title, const char *note, const char *heads)
{
    *t = (table) { .file = file, .title = title, .note = note };
    for (const char *at = heads; *at && t->n_columns < TABLE_COLUMNS;) {
        size_t n                 = strcspn(at, "|");
        bool   numeric           = n > 0 && at[n - 1] == '#';
        t->numeric[t->n_columns] = numeric;
        t->heads[t->n_columns++] = mem_strndup(at, n - numeric);
        at += n + (at[n] == '|');
    }
}

void table_free(table *t)
{
    for (int c = 0; c < t->n_columns; c++) free((char *)(size_t)t->heads[c]);
    for (size_t r = 0; r < t->n_rows; r++)
        for (int c = 0; c < TABLE_COLUMNS; c++) free(t->rows[r][c]);
    free(t->rows);
    *t = (table) { 0 };
}

void table_row(table *t)
{
    if (t->n_rows == t->cap) t->rows = mem_grow(t->rows, &t->cap, sizeof *t->rows);
    memset(t->rows[t->n_rows++], 0, sizeof *t->rows);
}

/* What divides cells once a row is printed: a control character that no text holds. */
enum { CELL_MAX = 511, DIVIDER = 0x1F };

void table_cells(table *t, const char *format, ...)
{
    char  **row     = t->rows[t->n_rows - 1];
    char   *divided = mem_strdup(format), text[TABLE_COLUMNS * (CELL_MAX + 1)];
    int     c       = 0;
    va_list args;
    for (char *at = divided; (at = strchr(at, '|')); *at = DIVIDER) {
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, divided, args);
    va_end(args);
    free(divided);
    while (c < t->n_columns && row[c]) c++;
    for (const char *at = text; at && c < t->n_columns; c++) {
        const char *end = strchr(at, DIVIDER);
        size_t      n   = end ? (size_t)(end - at) : strlen(at);
        row[c]          = mem_strndup(at, n < CELL_MAX ? n : CELL_MAX);
        at              = end ? end + 1 : NULL;
    }
}

table_text table_number(const char *format, double x)
{
    table_text cell = { "-" };
    if (isfinite(x)) snprintf(cell.text, sizeof cell.text, format, x);
    return cell;
}

/* Row -1 is that of the heads. */
static const char *cell(const table *t, int64_t r, int c)
{
    const char *text = r < 0 ? t->heads[c] : t->rows[r][c];
    return text ? text : "";
}

void table_markdown(const table *t, str *out)
{
    str_printf(out, "## %s\n\n", t->title);
    if (t->note) str_printf(out, "%s\n\n", t->note);
    for (int64_t r = -1; r < (int64_t)t->n_rows; r++) {
        for (int c = 0; c < t->n_columns; c++) {
            str_puts(out, "| ");
            for (const char *s = cell(t, r, c); *s; s++) {
                if (*s == '|') str_putc(out, '\\');
                str_putc(out, *s);
            }
            str_putc(out, ' ');
        }
        str_puts(out, "|\n");
        for (int c = 0; r < 0 && c < t->n_columns; c++) str_puts(out, t->numeric[c] ? "|---:" : "|---");
        if (r < 0) str_puts(out, "|\n");
    }
    str_putc(out, '\n');
}

static void csv_field(str *out, const char *s)
{
    if (!strpbrk(s, ",\"\n\r")) {
        str_puts(out, s);
        return;
    }
    str_putc(out, '"');
    for (; *s; s++) {
        if (*s == '"') str_putc(out, '"');
        str_putc(out, *s);
    }
    str_putc(out, '"');
}

void table_csv(const table *t, str *out)
{
    for (int64_t r = -1; r < (int64_t)t->n_rows; r++) {
        for (int c = 0; c < t->n_columns; c++) {
            if (c) str_putc(out, ',');
            csv_field(out, cell(t, r, c));
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
            html_element(out, r < 0 ? "th" : "td", t->numeric[c] ? " class=\"n\"" : "", cell(t, r, c));
        str_puts(out, r < 0 ? "</tr></thead><tbody>\n" : "</tr>\n");
    }
    str_puts(out, "</tbody></table></div>\n");
}
