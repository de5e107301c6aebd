/* Inside the readers: building a dataset item by item, and walking JSON lines.
 *
 *     builder b;
 *     builder_begin(b, "id-1", line);
 *     builder_add(b, "question", text, n);
 *     builder_end(b);
 */
#ifndef TIEBREAK_DATASETS_BUILDER_H
#define TIEBREAK_DATASETS_BUILDER_H
#include "core/json.h"
#include "datasets/dataset.h"

typedef struct {
    const char *bytes, *where; /* where: the file, in messages */
    size_t      n;
    const char *target, *target_where; /* the other side of a parallel text, or NULL */
    size_t      n_target;
} source;

typedef struct {
    dataset *d;
    size_t   cap_items;
    field   *fields; /* of the item in the making */
    size_t   n_fields, cap_fields;
    char    *id;
    int64_t  line;
} builder;

void       builder_begin(builder *b, const char *id, int64_t line);               /* id NULL: the item's number */
void       builder_add(builder *b, const char *name, const char *text, size_t n); /* name: a constant */
data_item *builder_end(builder *b);

/* A required string member into a field of the same or another name. */
int builder_add_member(builder *b, const json *obj, const char *where, const char *key, const char *name);

/* Call each(b, object, where-with-line, line, ctx) for every JSON line; blank lines are passed over. JSON arrays of objects (a file that starts with
 * '[') and single objects that span lines are walked too. */
typedef int (*json_item_fn)(builder *b, const json *obj, const char *where, int64_t line);
int each_json_item(builder *b, const source *s, json_item_fn each);

/* First byte that is not white space (after a byte order mark), or '\0'. */
char first_char(const source *s);
/* ERR_INPUT when bytes are not UTF-8, with line and column. */
int check_utf8(const char *bytes, size_t n, const char *where);

/* The readers: datasets/READER.c each. */
int read_squad(builder *b, const source *s);
int read_dialogsum(builder *b, const source *s);
int read_iwslt(builder *b, const source *s);
int read_hellaswag(builder *b, const source *s);
int read_gsm8k(builder *b, const source *s);
int read_text(builder *b, const source *s);
int read_tokens(builder *b, const source *s);
#endif
