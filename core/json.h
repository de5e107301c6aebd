/* JSON: reading untrusted files and writing our own; cJSON behind one small header.
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

/* `where` names the source in messages ("squad/dev.json", "train.jsonl:17"). Caller frees with
 * json_free. */
int json_parse(json **out, const char *text, size_t n, const char *where);
/* The same for a part of a file: messages count its lines from first_line on. */
int  json_parse_from(json **out, const char *text, size_t n, const char *where, int64_t first_line);
int  json_read_file(json **out, const char *path, size_t max_bytes);
void json_free(json *j); /* NULL is fine */

/* Required members. Ranges are inclusive. Strings stay owned by the document. */
int json_get_int(const json *obj, const char *where, const char *key, int64_t min, int64_t max, int64_t *out);
int json_get_num(const json *obj, const char *where, const char *key, double min, double max, double *out);
int json_get_bool(const json *obj, const char *where, const char *key, bool *out);
int json_get_str(const json *obj, const char *where, const char *key, const char **out);
int json_get_array(const json *obj, const char *where, const char *key, const json **out);
int json_get_object(const json *obj, const char *where, const char *key, const json **out);
/* True when the key is there and not null: guards an optional member. */
bool        json_has(const json *obj, const char *key);
const json *json_find(const json *obj, const char *key); /* case-sensitive; NULL when absent */

/* Writing. Objects are built with cJSON_Create and cJSON_Add functions; numbers print with 17
 * significant digits where they need them; non-finite numbers become null. json_set_* are thin
 * and replace nothing: keys are added in order. */
json *json_object(void);
json *json_array(void);
void  json_set_str(json *obj, const char *key, const char *value); /* NULL writes null */
void  json_set_num(json *obj, const char *key, double value);
void  json_set_int(json *obj, const char *key, int64_t value); /* exact to 2^53 */
void  json_set_bool(json *obj, const char *key, bool value);
void  json_set(json *obj, const char *key, json *value); /* takes ownership */
void  json_push(json *array, json *value);               /* takes ownership */
/* pretty: two-space indent and a final newline; else one line, no newline */
void json_print(const json *j, str *out, bool pretty);
/* The bytes of s as a JSON string literal, with quotes; invalid UTF-8 becomes U+FFFD. */
void json_quote(str *out, const char *s, size_t n);
#endif
