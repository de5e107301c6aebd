/* DialogSum (Chen et al. 2021): JSON lines, or CSV with a header (RFC 4180). An item of the test
 * has several references, summary1, summary2, ...; an item of the hidden test has none and can be
 * read but not scored. */
#include <string.h>

#include "core/error.h"
#include "datasets/builder.h"
#include "datasets/csv.h"

static const struct {
    const char *key, *field;
} columns[] = {
    { "dialogue", "dialogue" }, { "summary", "summary" },  { "summary1", "summary" },
    { "summary2", "summary" },  { "summary3", "summary" }, { "topic", "topic" },
    { "topic1", "topic" },      { "topic2", "topic" },     { "topic3", "topic" },
};
enum { COLUMNS = sizeof columns / sizeof columns[0] };
static const char *const id_keys[] = { "fname", "id" }; /* in the authors' files and in the hub's */

static const char *id_of(const json *obj)
{
    for (int i = 0; i < 2; i++)
        if (json_text(json_find(obj, id_keys[i]))) return json_text(json_find(obj, id_keys[i]));
    return NULL;
}

static int item(builder *b, const json *obj, const char *where, int64_t line)
{
    builder_begin(b, id_of(obj), line);
    int rc = OK;
    for (int k = 0; k < COLUMNS && !rc; k++)
        if (k == 0 || json_has(obj, columns[k].key))
            rc = builder_add_member(b, obj, where, columns[k].key, columns[k].field);
    if (!rc) builder_end(b);
    return rc;
}

static int read_csv(builder *b, csv *c)
{
    int  at[COLUMNS];
    bool more;
    int  rc = csv_next(c, &more);
    if (rc || !more) return rc;
    int n = c->n_values, id = csv_column(c, id_keys[0]);
    if (id < 0) id = csv_column(c, id_keys[1]);
    for (int k = 0; k < COLUMNS; k++) at[k] = csv_column(c, columns[k].key);
    if (at[0] < 0)
        return input_error(
            "%s: line %lld: no column \"dialogue\"; the file must be JSON lines, or CSV whose header names dialogue and summary",
            c->where, (long long)c->line);
    while (!(rc = csv_next(c, &more)) && more) {
        if (c->n_values != n)
            return input_error(
                "%s: line %lld: the record that begins here has %d cells, the header %d; quote cells that hold commas or newlines",
                c->where, (long long)c->line, c->n_values, n);
        builder_begin(b, id >= 0 ? str_c(&c->value[id]) : NULL, c->line);
        for (int k = 0; k < COLUMNS; k++)
            if (at[k] >= 0) builder_add(b, columns[k].field, str_c(&c->value[at[k]]), c->value[at[k]].n);
        builder_end(b);
    }
    return rc;
}

int read_dialogsum(builder *b, const source *s)
{
    char first = first_char(s);
    if (first == '{' || first == '[') return each_json_item(b, s, item);
    csv c  = csv_open(s->bytes, s->n, s->where);
    int rc = read_csv(b, &c);
    csv_close(&c);
    return rc;
}
