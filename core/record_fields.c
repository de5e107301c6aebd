#include "core/record_fields.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/error.h"

/* Kinds of records, as bits. */
enum {
    TRAIN = 1 << RECORD_TRAIN,
    EVAL  = 1 << RECORD_EVAL,
    BENCH = 1 << RECORD_BENCH,
    CELLS = TRAIN | EVAL,
    ALL   = TRAIN | EVAL | BENCH
};

/* Types. OF is an object of the list and EACH an object whose members, by any names, are such
 * objects; both hold the object's number above bit 8. Of NUMBERS, OR_NULL is said of the items. */
enum { TEXT, COUNT, NUMBER, FLAG, NUMBERS, PAIRS, TEXTS, BY_KIND, OBJECT_OF, EACH_OF, TYPE = 0x7F, OR_NULL = 0x80 };
#define OF(object) (OBJECT_OF | object_##object << 8)
#define EACH(object) (EACH_OF | object_##object << 8)

static const int64_t count_max = INT64_C(1) << 53; /* beyond it a JSON number skips some */

typedef struct {
    const char *name, *about;
} object_row;
#define OBJECT(name, about) { #name, about },
#define FIELD(object, key, kinds, type, unit, when, about)
static const object_row objects[] = {
#include "core/record_fields.def"
};
#undef OBJECT
#undef FIELD

typedef struct {
    record_object object;
    const char   *key;
    int           kinds, type;
    const char   *unit, *when, *about;
} field_row;
#define OBJECT(name, about)
#define FIELD(object, key, kinds, type, unit, when, about) { object_##object, #key, kinds, type, unit, when, about },
static const field_row fields[] = {
#include "core/record_fields.def"
};
#undef OBJECT
#undef FIELD

const char *record_key(record_field f) { return fields[f].key; }

/* --- writing */

static int  type_of(record_field f) { return fields[f].type & TYPE; }
static bool or_null(record_field f) { return fields[f].type & OR_NULL; }

void record_put(json *object, record_field f, json *value)
{
    assert((value && !json_is_null(value)) || or_null(f));
    json_set(object, fields[f].key, value ? value : json_null());
}

void record_put_text(json *object, record_field f, const char *value)
{
    assert(type_of(f) == TEXT);
    record_put(object, f, json_of_text(value));
}

void record_put_number(json *object, record_field f, double value)
{
    assert(type_of(f) == NUMBER);
    json_set(object, fields[f].key, json_of_number(value));
}

void record_put_count(json *object, record_field f, int64_t value)
{
    assert(type_of(f) == COUNT);
    record_put(object, f, json_of_number((double)value));
}

void record_put_count_or_null(json *object, record_field f, int64_t value)
{
    assert(type_of(f) == COUNT);
    record_put(object, f, value ? json_of_number((double)value) : NULL);
}

void record_put_flag(json *object, record_field f, bool value)
{
    assert(type_of(f) == FLAG);
    record_put(object, f, json_of_bool(value));
}

/* --- reading */

const json *record_get(const json *object, record_field f)
{
    const json *j = json_find(object, fields[f].key);
    return json_is_null(j) ? NULL : j;
}

const char *record_text(const json *object, record_field f, const char *other)
{
    assert(type_of(f) == TEXT);
    const char *text = json_text(record_get(object, f));
    return text ? text : other;
}

double record_number(const json *object, record_field f)
{
    assert(type_of(f) == NUMBER || type_of(f) == COUNT);
    return json_number(record_get(object, f));
}

int64_t record_count(const json *object, record_field f, int64_t other)
{
    double x = record_number(object, f);
    return fabs(x) <= (double)count_max ? (int64_t)x : other;
}

bool record_flag(const json *object, record_field f)
{
    assert(type_of(f) == FLAG);
    return json_is_true(record_get(object, f));
}

/* --- checking */

static int check_numbers(const json *object, const field_row *f, const char *where)
{
    const json *list;
    int         rc = json_get_array(object, where, f->key, &list);
    if (rc) return rc;
    bool good = json_size(list) > 0;
    for (const json *x = json_items(list); x; x = x->next)
        good &= json_is_number(x) || (f->type & OR_NULL && json_is_null(x));
    return good ? OK : input_error("%s: \"%s\": must be an array of numbers, one at least", where, f->key);
}

static record_object object_of(const field_row *f, record_kind kind)
{
    if ((f->type & TYPE) != BY_KIND) return (record_object)(f->type >> 8);
    bool asked = f == &fields[field_record_asked];
    if (kind == RECORD_BENCH) return asked ? object_bench_case : object_timing;
    return asked ? object_asked : object_result;
}

/* The members of a member: of the object itself, or of each object in it. */
static int check_below(const json *object, const field_row *f, record_kind kind, const char *where)
{
    const json *below;
    str         place = { 0 };
    int         rc    = json_get_object(object, where, f->key, &below);
    bool        each  = (f->type & TYPE) == EACH_OF;
    for (const json *x = rc ? NULL : each ? json_members(below) : below; x && !rc; x = each ? x->next : NULL) {
        str_clear(&place);
        str_printf(&place, "%s: %s%s%s", where, f->key, each ? "." : "", each ? x->string : "");
        rc = json_is_object(x) ? record_check(x, object_of(f, kind), kind, place.s)
                               : input_error("%s: must be an object", place.s);
    }
    str_free(&place);
    return rc;
}

static int check_field(const json *object, const field_row *f, record_kind kind, const char *where)
{
    const json *value = json_find(object, f->key), *unused;
    const char *text;
    int64_t     count;
    double      number;
    bool        flag;
    bool        null = json_is_null(value);
    if ((!value || null) && *f->when) return OK; /* a number that is not finite is written as null */
    if (null && f->type & OR_NULL) return OK;
    switch (f->type & TYPE) {
    case TEXT: return json_get_str(object, where, f->key, &text);
    case COUNT: return json_get_int(object, where, f->key, 0, count_max, &count);
    case NUMBER: return json_get_num(object, where, f->key, -INFINITY, INFINITY, &number);
    case FLAG: return json_get_bool(object, where, f->key, &flag);
    case NUMBERS: return check_numbers(object, f, where);
    case PAIRS: return json_get_array(object, where, f->key, &unused);
    case TEXTS: return json_get_object(object, where, f->key, &unused);
    default: return check_below(object, f, kind, where);
    }
}

int record_check(const json *object, record_object what, record_kind kind, const char *where)
{
    int rc = OK;
    for (const field_row *f = fields; f < fields + RECORD_FIELDS && !rc; f++)
        if (f->object == what && f->kinds >> kind & 1) rc = check_field(object, f, kind, where);
    return rc;
}

/* --- the documentation */

static void print_type(const field_row *f, str *out)
{
    static const char *const names[] = {
        [TEXT] = "text",       [COUNT] = "whole number",     [NUMBER] = "number",     [FLAG] = "true, false",
        [NUMBERS] = "numbers", [PAIRS] = "pairs of numbers", [TEXTS] = "named texts", [BY_KIND] = "object, below",
        [OBJECT_OF] = "",      [EACH_OF] = "named "
    };
    int type = f->type & TYPE;
    str_puts(out, names[type]);
    if (type == OBJECT_OF || type == EACH_OF) str_printf(out, "`%s`", objects[f->type >> 8].name);
    if (f->type & OR_NULL) str_puts(out, type == NUMBERS ? " or nulls" : " or null");
}

/* kind RECORD_OTHER: an object that is the same in all kinds. */
static void print_object(record_object what, record_kind kind, const char *title, str *out)
{
    str_printf(out, "\n## %s\n\n%s\n\n| member | type | unit | there | what it is |\n|---|---|---|---|---|\n", title,
               objects[what].about);
    for (const field_row *f = fields; f < fields + RECORD_FIELDS; f++) {
        if (f->object != what || (kind != RECORD_OTHER && !(f->kinds >> kind & 1))) continue;
        str_printf(out, "| `%s` | ", f->key);
        print_type(f, out);
        str_printf(out, " | %s | %s | %s |\n", f->unit, *f->when ? f->when : "always", f->about);
    }
}

void record_fields_print(str *out)
{
    str_puts(out,
             "# Records\n\n"
             "Every command that measures writes records, and every command that shows or judges reads them. A record\n"
             "is one JSON file, written whole or not at all. Members beyond these are allowed and passed over. This\n"
             "page is what `tiebreak info --records` prints, from core/record_fields.def.\n");
    print_object(object_record, RECORD_OTHER, "record", out);
    print_object(object_asked, RECORD_TRAIN, "asked, of kind train", out);
    print_object(object_result, RECORD_TRAIN, "result, of kind train", out);
    print_object(object_asked, RECORD_EVAL, "asked, of kind eval", out);
    print_object(object_result, RECORD_EVAL, "result, of kind eval", out);
    print_object(object_bench_case, RECORD_BENCH, "asked, of kind bench", out);
    print_object(object_timing, RECORD_BENCH, "result, of kind bench", out);
    for (record_object o = 0; o < RECORD_OBJECTS; o++) {
        bool by_kind = o == object_record || o == object_asked || o == object_result || o == object_bench_case ||
                       o == object_timing;
        if (!by_kind) print_object(o, RECORD_OTHER, objects[o].name, out);
    }
}
