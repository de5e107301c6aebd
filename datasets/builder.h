/* For the readers: building a dataset item by item, and walking JSON.
 *
 *     builder_begin(b, "id-1", line);
 *     builder_add(b, "question", text, n);
 *     builder_end(b); */
#ifndef TIEBREAK_DATASETS_BUILDER_H
#define TIEBREAK_DATASETS_BUILDER_H
#include "core/json.h"
#include "datasets/dataset.h"

/* What a reader reads: valid UTF-8 without byte order mark and without NUL, not NUL-terminated. */
typedef struct {
    const char *bytes, *where; /* where: the file's name for messages */
    size_t      n;
    const char *target, *target_where; /* the other side of a parallel text, or NULL */
    size_t      n_target;
} source;

typedef struct builder_part builder_part;
typedef struct {
    dataset      *d;
    size_t        cap_items;
    builder_part *parts; /* the fields of the item that is being built */
    size_t        n_parts, cap_parts;
    str           text, id;
    int64_t       line;
} builder;

/* id NULL: the item's number is its id */
void builder_begin(builder *b, const char *id, int64_t line);
/* name must be a constant; text is copied */
void       builder_add(builder *b, const char *name, const char *text, size_t n);
data_item *builder_end(builder *b);
void       builder_free(builder *b);

/* Keeps a text that many items have (a paragraph, a title) once; builder_add_kept gives it to an
 * item. */
const char *builder_keep(builder *b, const char *text, size_t n);
void        builder_add_kept(builder *b, const char *name, const char *kept, size_t n);

/* Adds a required string member as a field. */
int builder_add_member(builder *b, const json *obj, const char *where, const char *key, const char *name);
/* Adds every string of an array as a field of its own. */
int builder_add_strings(builder *b, const json *array, const char *where, const char *key, const char *name);

/* Calls each(b, object, where-with-place, line) for every JSON line except blank ones, or, where
 * the file starts with '[', for every member of that array. */
typedef int (*json_item_fn)(builder *b, const json *obj, const char *where, int64_t line);
int each_json_item(builder *b, const source *s, json_item_fn each);
/* Parses a whole file, or one of its lines, as one JSON value. "\u0000" is refused, because a C
 * string would end there. */
int json_parse_text(json **out, const char *text, size_t n, const char *where, int64_t first_line);

/* next_line that counts lines and takes off the carriage return of a CRLF. A line above 64 MiB is
 * ERR_INPUT. */
typedef struct {
    const char *text;
    size_t      n;
    int64_t     number; /* of this line, 1-based */
    size_t      pos;    /* where the next line begins */
} text_line;
int text_next(text_line *l, const source *s, bool *more);

/* The first byte that is not white space, or '\0'. */
char first_char(const source *s);

/* The readers. Each is in datasets/READER.c; read_tokens is in text.c. */
int read_squad(builder *b, const source *s);
int read_dialogsum(builder *b, const source *s);
int read_iwslt(builder *b, const source *s);
int read_hellaswag(builder *b, const source *s);
int read_gsm8k(builder *b, const source *s);
int read_text(builder *b, const source *s);
int read_tokens(builder *b, const source *s);
#endif
