#include "datasets/csv.h"

#include <string.h>

#include "core/error.h"

csv csv_open(const char *bytes, size_t n, const char *where)
{
    return (csv) { .bytes = bytes, .n = n, .where = where, .next_line = 1 };
}

void csv_close(csv *c)
{
    for (int i = 0; i < CSV_COLUMNS; i++) str_free(&c->value[i]);
}

int csv_column(const csv *c, const char *name)
{
    for (int i = 0; i < c->n_values; i++)
        if (!strcmp(str_c(&c->value[i]), name)) return i;
    return -1;
}

static bool at_end(const csv *c) { return c->at >= c->n || c->bytes[c->at] == '\n'; }

/* c->at stands on the opening quote; on return it stands after the closing one unless there is an
 * error. */
static int quoted(csv *c, str *value)
{
    int64_t opened = c->next_line;
    for (c->at++; c->at < c->n; c->at++) {
        char ch = c->bytes[c->at];
        c->next_line += ch == '\n';
        if (ch == '"') {
            if (c->at + 1 >= c->n || c->bytes[c->at + 1] != '"') break;
            c->at++;
        }
        str_putc(value, ch);
    }
    if (c->at >= c->n)
        return input_error(
            "%s: line %lld: a quoted cell begins here and is never closed; quotes inside it must be doubled", c->where,
            (long long)opened);
    c->at++;
    if (c->at + 1 < c->n && c->bytes[c->at] == '\r' && c->bytes[c->at + 1] == '\n') c->at++;
    if (at_end(c) || c->bytes[c->at] == ',') return OK;
    return input_error(
        "%s: line %lld: \"%c\" after a closing quote; a comma or the line's end must follow, and quotes inside a cell must be doubled",
        c->where, (long long)c->next_line, c->bytes[c->at]);
}

static void plain(csv *c, str *value)
{
    size_t from = c->at;
    while (!at_end(c) && c->bytes[c->at] != ',') c->at++;
    str_add(value, c->bytes + from, c->at - from);
    if (at_end(c) && value->n && value->s[value->n - 1] == '\r') value->s[--value->n] = '\0';
}

static int read_row(csv *c)
{
    c->line     = c->next_line;
    c->n_values = 0;
    for (;;) {
        if (c->n_values == CSV_COLUMNS)
            return input_error("%s: line %lld: more than %d cells", c->where, (long long)c->line, CSV_COLUMNS);
        str *value = &c->value[c->n_values++];
        str_clear(value);
        if (c->at < c->n && c->bytes[c->at] == '"') {
            int rc = quoted(c, value);
            if (rc) return rc;
        } else {
            plain(c, value);
        }
        if (at_end(c)) break;
        c->at++; /* the comma */
    }
    c->at++; /* the newline */
    c->next_line++;
    return OK;
}

int csv_next(csv *c, bool *more)
{
    while (c->at < c->n) {
        size_t from = c->at;
        int    rc   = read_row(c);
        *more       = true;
        if (rc || c->n_values > 1 || c->value[0].n || c->bytes[from] == '"') return rc;
    }
    *more = false;
    return OK;
}
