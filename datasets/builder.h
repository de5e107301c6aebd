/* Inside the readers: building a dataset item by item, and walking JSON.
 *
 *     builder_begin(b, "id-1", line);
 *     builder_add(b, "question", text, n);
 *     builder_end(b);
 */
#ifndef TIEBREAK_DATASETS_BUILDER_H
#define TIEBREAK_DATASETS_BUILDER_H
#include "core/json.h"
#include "datasets/dataset.h"

/* What a reader is given: valid UTF-8 without byte order mark and without NUL, not NUL-terminated. */
typedef struct {
    const char *bytes, *where; /* where: the file, in messages */
    size_t      n;
    const char *target, *target_where; /* the other side of a parallel text, or NULL */
    size_t      n_target;
} source;

typedef struct builder_part builder_part;
typedef struct {
    dataset      *d;
    size_t        cap_items;
    builder_part *parts; /* of the item in the making */
    size_t        n_parts, cap_parts;
    str           text, id;
    int64_t       line;
} builder;

/* id NULL: the item's number */
void builder_begin(builder *b, const char *id, int64_t line);
/* name: a constant; text is copied */
void       builder_add(builder *b, const char *name, const char *text, size_t n);
data_item *builder_end(builder *b);
void       builder_free(builder *b);

/* A text that many items have (a paragraph, a title) is kept once: copy it, then add the copy to
 * each. */
const char *builder_keep(builder *b, const char *text, size_t n);
void        builder_add_kept(builder *b, const char *name, const char *kept, size_t n);

/* A required string member as a field. */
int builder_add_member(builder *b, const json *obj, const char *where, const char *key, const char *name);
/* Every string of an array as a field of its own. */
int builder_add_strings(builder *b, const json *array, const char *where, const char *key, const char *name);

/* Call each(b, object, where-with-place, line) for every JSON line (blank lines are passed
 * over), or for every member of the one array of a file that starts with '['. */
typedef int (*json_item_fn)(builder *b, const json *obj, const char *where, int64_t line);
int each_json_item(builder *b, const source *s, json_item_fn each);
/* A whole file, or one of its lines, as one JSON value; "\u0000" is refused, because a C string
 * would end there. */
int json_parse_text(json **out, const char *text, size_t n, const char *where, int64_t first_line);

/* next_line, counted, with the carriage return of a CRLF end taken off. A line above the limit
 * of 64 MiB is ERR_INPUT. */
typedef struct {
    const char *text;
    size_t      n;
    int64_t     number; /* 1-based, of this line */
    size_t      pos;    /* where the next line begins */
} text_line;
int text_next(text_line *l, const source *s, bool *more);

/* First byte that is not white space, or '\0'. */
char first_char(const source *s);

/* The readers: datasets/READER.c each; read_tokens in text.c. */
int read_squad(builder *b, const source *s);
int read_dialogsum(builder *b, const source *s);
int read_iwslt(builder *b, const source *s);
int read_hellaswag(builder *b, const source *s);
int read_gsm8k(builder *b, const source *s);
int read_text(builder *b, const source *s);
int read_tokens(builder *b, const source *s);
#endif
