/* JSON: reading untrusted files and writing our own. cJSON is used behind this header only.
 *
 *     json *doc;
 *     int rc = json_read_file(&doc, path, 64u << 20);
 *     if (!rc) rc = json_get_int(doc, path, "num_hidden_layers", 1, 4096, &layers);
 *     json_free(doc);
 *
 * Reading refuses invalid UTF-8, nesting past 512, the escape \u0000 and trailing text; the
 * message names file, line and column. Getters name the file (`where`), the key, the value and
 * what is allowed, and return ERR_INPUT. */
#ifndef TIEBREAK_CORE_JSON_H
#define TIEBREAK_CORE_JSON_H
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/str.h"

typedef cJSON json;

/* `where` names the source in messages ("squad/dev.json", "train.jsonl:17"). The caller frees *out
 * with json_free; it is NULL after an error. */
int json_parse(json **out, const char *text, size_t n, const char *where);
/* The same for a part of a file whose first line is line first_line of the file. */
int  json_parse_from(json **out, const char *text, size_t n, const char *where, int64_t first_line);
int  json_read_file(json **out, const char *path, size_t max_bytes);
void json_free(json *j); /* NULL is fine */
/* Ends a function that makes *j: unless rc is OK, frees it and leaves NULL. Returns rc. */
int json_unless(int rc, json **j);

/* Required members. Ranges are inclusive. A string, an array or an object stays the document's. */
int json_get_int(const json *obj, const char *where, const char *key, int64_t min, int64_t max, int64_t *out);
int json_get_num(const json *obj, const char *where, const char *key, double min, double max, double *out);
int json_get_bool(const json *obj, const char *where, const char *key, bool *out);
int json_get_str(const json *obj, const char *where, const char *key, const char **out);
int json_get_array(const json *obj, const char *where, const char *key, const json **out);
int json_get_object(const json *obj, const char *where, const char *key, const json **out);
/* ERR_INPUT for a member that is missing (value NULL) or not what it should be: the message shows
 * the value and what is wanted, as those of the getters do. */
int json_refuse(const json *value, const char *where, const char *key, const char *wanted);
/* True when the key is there and not null: guards an optional member. */
bool        json_has(const json *obj, const char *key);
const json *json_find(const json *obj, const char *key); /* case-sensitive; NULL when absent */

/* What a value is and what it holds. NULL is allowed and counts as a value of no type. */
bool        json_is_object(const json *j);
bool        json_is_array(const json *j);
bool        json_is_null(const json *j);
bool        json_is_bool(const json *j);
bool        json_is_true(const json *j);
bool        json_is_number(const json *j);
double      json_number(const json *j); /* the value of a number, else NaN */
const char *json_text(const json *j);   /* the text of a string, owned by the document, else NULL */
const char *json_raw(const json *j);    /* the text of a value of json_of_raw, else NULL */

/* The same value: objects with the same members in any order. */
bool json_equal(const json *a, const json *b);

/* Walking:
 *
 *     for (const json *m = json_members(obj); m; m = m->next) use(m->string, m);
 *
 * A value of another type has no items, no members and size 0. */
const json *json_items(const json *array);     /* the first item, NULL when there is none */
const json *json_members(const json *obj);     /* the first member, its key in `string`; or NULL */
const json *json_at(const json *array, int i); /* NULL outside the array */
int         json_size(const json *j);          /* items of an array, members of an object */

/* Building. Numbers print with up to 17 significant digits, as many as they need to be read back
 * exactly; a number that is not finite becomes null. */
json *json_object(void);
json *json_array(void);
json *json_null(void);
json *json_of_text(const char *s); /* NULL makes a null */
json *json_of_number(double value);
json *json_of_numbers(const double *values, int n); /* an array */
json *json_of_bool(bool value);
json *json_of_raw(const char *text); /* a value that prints as this text; json_raw reads it */
/* An array of these values, up to a NULL. */
json *json_list(json *first, ...) __attribute__((sentinel));
json *json_copy(const json *j); /* with all it holds; NULL makes a null */

/* Makes a value from its text, in which ' stands for ", %s for a text and %lld for a whole
 * number:
 *
 *     json *token = json_format("{'id':%lld,'content':%s,'special':true}", id, content); */
json *json_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* json_set_* append a member and look for no earlier one of that key; json_replace puts the value
 * in the place of an earlier one and appends when there is none. `value` becomes the object's or
 * the array's. */
void json_set(json *obj, const char *key, json *value);
void json_set_str(json *obj, const char *key, const char *value); /* NULL writes null */
void json_set_num(json *obj, const char *key, double value);
void json_set_int(json *obj, const char *key, int64_t value); /* exact to 2^53 */
void json_set_bool(json *obj, const char *key, bool value);
void json_push(json *array, json *value);
void json_replace(json *obj, const char *key, json *value);
/* Takes a member out of obj: the caller's now, to be freed with json_free; NULL when absent. */
json *json_take(json *obj, const char *key);

/* Appends j to out: pretty is two-space indent and a final newline, else one line without one. */
void json_print(const json *j, str *out, bool pretty);
/* Another way to print. */
typedef struct {
    int         indent;        /* blanks a level; 0: one line */
    bool        flat;          /* an array of scalars stays on one line where the rest is indented */
    bool        sorted;        /* members in the order of their keys */
    const char *comma, *colon; /* ", " and ": ", or without the blank */
    void (*quote)(str *out, const char *s, size_t n); /* NULL: json_quote */
    void (*number)(double value, str *out);           /* NULL: as in json_print */
} json_style;
void json_print_as(const json *j, str *out, const json_style *style);
/* Writes j, indented, as a file that is there whole or not at all. */
int json_write_file(const json *j, const char *path);
/* What a verb's --json prints: one object on stdout, with a final newline; frees j. A result that
 * is also read by eye is indented; a summary of what was done to files is one line. */
void json_show(json *j);
void json_show_line(json *j);
/* Appends the n bytes of s as a string literal with quotes; invalid UTF-8 becomes U+FFFD. */
void json_quote(str *out, const char *s, size_t n);
#endif
