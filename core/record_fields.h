/* The members of records by id: written, read, checked and documented through one list,
 * core/record_fields.def, so that no key is typed twice and the compiler finds a misspelt one.
 *
 *     record_put_number(result, field_result_wall_s, 3.5);               // "wall_s": 3.5
 *     double wall_s = record_number(result, field_result_wall_s);        // NaN where it is absent
 */
#ifndef TIEBREAK_CORE_RECORD_FIELDS_H
#define TIEBREAK_CORE_RECORD_FIELDS_H
#include "core/json.h"

/* What a record is about; the file says it in `kind`. RECORD_OTHER: a kind that this program does
 * not write, of which it knows no more than that it has a configuration, a result and a place. */
typedef enum { RECORD_TRAIN, RECORD_EVAL, RECORD_BENCH, RECORD_OTHER } record_kind;

#define OBJECT(name, about) object_##name,
#define FIELD(object, key, kinds, type, unit, when, about)
typedef enum {
#include "core/record_fields.def"
    RECORD_OBJECTS
} record_object;
#undef OBJECT
#undef FIELD

#define OBJECT(name, about)
#define FIELD(object, key, kinds, type, unit, when, about) field_##object##_##key,
typedef enum {
#include "core/record_fields.def"
    RECORD_FIELDS
} record_field;
#undef OBJECT
#undef FIELD

const char *record_key(record_field f);

/* Append a member. A value of another type than the field's is a bug, and so is a null where the
 * list has no OR_NULL. `value` becomes the object's; a value of NULL, text or not, makes a null. */
void record_put(json *object, record_field f, json *value);
void record_put_text(json *object, record_field f, const char *value);
void record_put_number(json *object, record_field f, double value); /* not finite: null */
void record_put_count(json *object, record_field f, int64_t value);
void record_put_count_or_null(json *object, record_field f, int64_t value); /* 0: null */
void record_put_flag(json *object, record_field f, bool value);

/* Read a member. An object of NULL has none. */
const json *record_get(const json *object, record_field f);                     /* NULL: absent or null */
const char *record_text(const json *object, record_field f, const char *other); /* other: no text is there */
double      record_number(const json *object, record_field f);                  /* NaN: no number is there */
int64_t     record_count(const json *object, record_field f, int64_t other);    /* other: no number is there */
bool        record_flag(const json *object, record_field f);                    /* false: absent too */

/* ERR_INPUT with `where` and the member's path when a required member of the object is missing, or
 * one that is there has another type. Members that the list does not have are allowed. */
int record_check(const json *object, record_object what, record_kind kind, const char *where);

/* Appends the whole list as a Markdown page. */
void record_fields_print(str *out);
#endif
