/* DialogSum (Chen et al. 2021): JSON lines (summary, or summary1..3 with several references), or CSV with a header (RFC 4180). */
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "datasets/builder.h"

static int item(builder *b, const json *obj, const char *where, int64_t line)
{
    const json *fname = json_find(obj, "fname");
    builder_begin(b, cJSON_IsString(fname) ? fname->valuestring : NULL, line);
    int rc = builder_add_member(b, obj, where, "dialogue", "dialogue");
    if (!rc && json_has(obj, "summary")) rc = builder_add_member(b, obj, where, "summary", "summary");
    for (int k = 1; k <= 9 && !rc; k++) {
        char key[24];
        snprintf(key, sizeof key, "summary%d", k);
        if (json_has(obj, key)) rc = builder_add_member(b, obj, where, key, "summary");
    }
    if (!rc && json_has(obj, "topic")) rc = builder_add_member(b, obj, where, "topic", "topic");
    if (!rc) builder_end(b);
    return rc;
}

enum { COLUMNS = 32 };
typedef struct {
    const source *s;
    size_t        at;
    int64_t       line;
    str           cell[COLUMNS];
    int           n;
} csv;

/* One record into c->cell; false at the end of the file. Quoted cells may hold commas, newlines and doubled quotes. */
static int csv_record(csv *c, bool *more)
{
    const char *t = c->s->bytes;
    size_t      n = c->s->n;
    *more         = c->at < n;
    c->n          = 0;
    while (c->at < n) {
        if (c->n == COLUMNS) return input_error("%s: line %lld: more than %d columns", c->s->where, (long long)c->line, COLUMNS);
        str *cell = &c->cell[c->n++];
        str_clear(cell);
        if (t[c->at] == '"') {
            int64_t opened = c->line;
            for (c->at++;; c->at++) {
                if (c->at >= n) return input_error("%s: line %lld: a quoted cell begins here and is never closed", c->s->where, (long long)opened);
                if (t[c->at] == '\n') c->line++;
                if (t[c->at] != '"') {
                    str_putc(cell, t[c->at]);
                } else if (c->at + 1 < n && t[c->at + 1] == '"') {
                    str_putc(cell, t[c->at++]);
                } else {
                    break;
                }
            }
            c->at++;
        } else {
            for (; c->at < n && t[c->at] != ',' && t[c->at] != '\n'; c->at++) str_putc(cell, t[c->at]);
            if (cell->n && cell->s[cell->n - 1] == '\r' && (c->at >= n || t[c->at] == '\n')) cell->s[--cell->n] = '\0';
        }
        if (c->at < n && t[c->at] == '\r' && c->at + 1 < n && t[c->at + 1] == '\n') c->at++;
        if (c->at >= n || t[c->at] == '\n') break;
        if (t[c->at] != ',')
            return input_error("%s: line %lld: text after a closing quote; a comma or the line's end must follow", c->s->where, (long long)c->line);
        if (++c->at >= n && c->n < COLUMNS) str_clear(&c->cell[c->n++]); /* a last, empty cell */
    }
    c->at++;
    c->line++;
    return OK;
}

static int read_csv(builder *b, csv *c)
{
    static const char *const names[] = { "fname", "dialogue", "summary", "topic" };
    int                      column[4], columns;
    bool                     more;
    int                      rc = csv_record(c, &more);
    if (rc) return rc;
    columns = c->n;
    for (int k = 0; k < 4; k++) {
        column[k] = -1;
        for (int i = 0; i < c->n; i++)
            if (c->cell[i].n && !strcmp(c->cell[i].s, names[k])) column[k] = i;
    }
    if (column[1] < 0 || column[2] < 0)
        return input_error("%s: line 1: must be JSON lines, or CSV whose header names the columns dialogue and summary", c->s->where);
    for (;;) {
        int64_t line = c->line;
        rc           = csv_record(c, &more);
        if (rc || !more) return rc;
        if (c->n == 1 && !c->cell[0].n) continue;
        if (c->n != columns) return input_error("%s: line %lld: has %d cells, the header has %d", c->s->where, (long long)line, c->n, columns);
        builder_begin(b, column[0] >= 0 ? str_c(&c->cell[column[0]]) : NULL, line);
        for (int k = 1; k < 4; k++)
            if (column[k] >= 0) builder_add(b, names[k], str_c(&c->cell[column[k]]), c->cell[column[k]].n);
        builder_end(b);
    }
}

int read_dialogsum(builder *b, const source *s)
{
    char first = first_char(s);
    if (first == '{' || first == '[') return each_json_item(b, s, item);
    csv c = { .s = s, .line = 1 };
    if (s->n >= 3 && !memcmp(s->bytes, "\xEF\xBB\xBF", 3)) c.at = 3;
    int rc = read_csv(b, &c);
    for (int i = 0; i < COLUMNS; i++) str_free(&c.cell[i]);
    return rc;
}
