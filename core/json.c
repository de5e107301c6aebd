#include "core/json.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"

enum { MAX_DEPTH = 512 };

static int at_error(const char *text, size_t at, const char *where, int64_t line, const char *what)
{
    size_t start = 0;
    for (size_t i = 0; i < at; i++)
        if (text[i] == '\n') line++, start = i + 1;
    return input_error("%s: line %lld, column %zu: %s", where, (long long)line, at - start + 1, what);
}

/* cJSON's parser recurses, so nesting is checked before it sees the text. Returns the offset of the
 * bracket that is too deep, or n. */
static size_t too_deep(const char *text, size_t n)
{
    int  depth  = 0;
    bool quoted = false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > MAX_DEPTH) return i;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return n;
}

/* Returns the offset of the first escape \u0000, or n. A backslash that is itself escaped begins
 * none. */
static size_t find_escaped_nul(const char *text, size_t n)
{
    for (size_t at = 0; at < n;) {
        const char *slash = memchr(text + at, '\\', n - at);
        if (!slash) break;
        at = (size_t)(slash - text);
        if (n - at >= 6 && !memcmp(slash, "\\u0000", 6)) return at;
        at += 2;
    }
    return n;
}

int json_parse(json **out, const char *text, size_t n, const char *where)
{
    return json_parse_from(out, text, n, where, 1);
}

int json_parse_from(json **out, const char *text, size_t n, const char *where, int64_t first_line)
{
    *out        = NULL;
    size_t good = utf8_valid_prefix(text, n);
    if (good < n) return at_error(text, good, where, first_line, "not valid UTF-8; JSON files must be UTF-8");
    if (n >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3)) text += 3, n -= 3;
    if (!n) return input_error("%s: is empty; expected JSON", where);
    size_t deep = too_deep(text, n);
    if (deep < n) return at_error(text, deep, where, first_line, "nested deeper than 512 levels");
    /* cJSON's strings end at a NUL, so whatever follows an escaped one would be lost silently */
    size_t nul = find_escaped_nul(text, n);
    if (nul < n)
        return at_error(text, nul, where, first_line,
                        "holds \\u0000; a text cannot hold the NUL character: take it out");
    const char *end = NULL;
    *out            = cJSON_ParseWithLengthOpts(text, n, &end, false);
    if (!*out)
        return at_error(text, end ? (size_t)(end - text) : 0, where, first_line,
                        "not valid JSON here (is the file cut short?)");
    size_t after = (size_t)(end - text);
    while (after < n && memchr(" \n\r\t", text[after], 4)) after++;
    return after == n
               ? OK
               : json_unless(at_error(text, after, where, first_line, "text after the end of the JSON value"), out);
}

int json_read_file(json **out, const char *path, size_t max_bytes)
{
    *out     = NULL;
    str text = { 0 };
    int rc   = file_read(path, max_bytes, &text);
    if (!rc) rc = json_parse(out, str_c(&text), text.n, path);
    str_free(&text);
    return rc;
}

int json_unless(int rc, json **j)
{
    if (!rc) return OK;
    json_free(*j);
    *j = NULL;
    return rc;
}

void        json_free(json *j) { cJSON_Delete(j); }
const json *json_find(const json *obj, const char *key) { return cJSON_GetObjectItemCaseSensitive(obj, key); }

bool json_has(const json *obj, const char *key)
{
    const json *j = json_find(obj, key);
    return j && !cJSON_IsNull(j);
}

bool        json_is_object(const json *j) { return cJSON_IsObject(j); }
bool        json_is_array(const json *j) { return cJSON_IsArray(j); }
bool        json_is_null(const json *j) { return cJSON_IsNull(j); }
bool        json_is_bool(const json *j) { return cJSON_IsBool(j); }
bool        json_is_true(const json *j) { return cJSON_IsTrue(j); }
const char *json_text(const json *j) { return cJSON_IsString(j) ? j->valuestring : NULL; }
const char *json_raw(const json *j) { return cJSON_IsRaw(j) ? j->valuestring : NULL; }
bool        json_is_number(const json *j) { return cJSON_IsNumber(j); }
double      json_number(const json *j) { return cJSON_IsNumber(j) ? j->valuedouble : NAN; }
bool        json_equal(const json *a, const json *b) { return cJSON_Compare(a, b, true); }
const json *json_items(const json *array) { return json_is_array(array) ? array->child : NULL; }
const json *json_members(const json *obj) { return json_is_object(obj) ? obj->child : NULL; }
const json *json_at(const json *array, int i) { return cJSON_GetArrayItem(array, i); }
int         json_size(const json *j) { return cJSON_GetArraySize(j); }

int json_refuse(const json *value, const char *where, const char *key, const char *wanted)
{
    str shown = { 0 };
    if (!value) return input_error("%s: \"%s\" is missing; expected %s", where, key, wanted);
    json_print(value, &shown, false);
    int rc = input_error("%s: \"%s\": %.60s: must be %s", where, key, str_c(&shown), wanted);
    str_free(&shown);
    return rc;
}

/* The member, or NULL after recording why it is not usable. */
static const json *member(const json *obj, const char *where, const char *key, bool ok_type(const json *),
                          const char *type)
{
    const json *j = json_find(obj, key);
    if (j && ok_type(j)) return j;
    json_refuse(j, where, key, type);
    return NULL;
}

static bool is_string(const json *j) { return cJSON_IsString(j); }

int json_get_int(const json *obj, const char *where, const char *key, int64_t min, int64_t max, int64_t *out)
{
    const json *j = member(obj, where, key, json_is_number, "a whole number");
    if (!j) return ERR_INPUT;
    double v = j->valuedouble;
    if (!(v >= (double)min && v <= (double)max) || v != floor(v))
        return input_error("%s: \"%s\": %.17g: must be a whole number, %lld..%lld", where, key, v, (long long)min,
                           (long long)max);
    *out = (int64_t)v;
    return OK;
}

int json_get_num(const json *obj, const char *where, const char *key, double min, double max, double *out)
{
    const json *j = member(obj, where, key, json_is_number, "a number");
    if (!j) return ERR_INPUT;
    if (!(j->valuedouble >= min && j->valuedouble <= max))
        return input_error("%s: \"%s\": %g: must be %g..%g", where, key, j->valuedouble, min, max);
    *out = j->valuedouble;
    return OK;
}

int json_get_bool(const json *obj, const char *where, const char *key, bool *out)
{
    const json *j = member(obj, where, key, json_is_bool, "true or false");
    if (!j) return ERR_INPUT;
    *out = cJSON_IsTrue(j);
    return OK;
}

int json_get_str(const json *obj, const char *where, const char *key, const char **out)
{
    const json *j = member(obj, where, key, is_string, "a string");
    if (!j) return ERR_INPUT;
    *out = j->valuestring;
    return OK;
}

int json_get_array(const json *obj, const char *where, const char *key, const json **out)
{
    *out = member(obj, where, key, json_is_array, "an array");
    return *out ? OK : ERR_INPUT;
}

int json_get_object(const json *obj, const char *where, const char *key, const json **out)
{
    *out = member(obj, where, key, json_is_object, "an object");
    return *out ? OK : ERR_INPUT;
}

json *json_object(void) { return cJSON_CreateObject(); }
json *json_array(void) { return cJSON_CreateArray(); }
json *json_null(void) { return cJSON_CreateNull(); }
json *json_of_text(const char *s) { return s ? cJSON_CreateString(s) : json_null(); }
json *json_of_number(double value) { return isfinite(value) ? cJSON_CreateNumber(value) : json_null(); }
json *json_of_numbers(const double *values, int n) { return cJSON_CreateDoubleArray(values, n); }
json *json_of_bool(bool value) { return cJSON_CreateBool(value); }
json *json_of_raw(const char *text) { return cJSON_CreateRaw(text); }
json *json_copy(const json *j) { return j ? cJSON_Duplicate(j, true) : json_null(); }

json *json_list(json *first, ...)
{
    json   *list = json_array();
    va_list more;
    va_start(more, first);
    for (json *j = first; j; j = va_arg(more, json *)) json_push(list, j);
    va_end(more);
    return list;
}

void json_set(json *obj, const char *key, json *value) { cJSON_AddItemToObject(obj, key, value); }
void json_set_str(json *obj, const char *key, const char *value) { json_set(obj, key, json_of_text(value)); }
void json_set_num(json *obj, const char *key, double value) { json_set(obj, key, json_of_number(value)); }
void json_set_int(json *obj, const char *key, int64_t value) { json_set_num(obj, key, (double)value); }
void json_set_bool(json *obj, const char *key, bool value) { json_set(obj, key, json_of_bool(value)); }
void json_push(json *array, json *value) { cJSON_AddItemToArray(array, value); }
void json_replace(json *obj, const char *key, json *value)
{
    if (json_find(obj, key))
        cJSON_ReplaceItemInObjectCaseSensitive(obj, key, value);
    else
        json_set(obj, key, value);
}
json *json_take(json *obj, const char *key) { return cJSON_DetachItemFromObjectCaseSensitive(obj, key); }

void json_quote(str *out, const char *s, size_t n)
{
    static const char from[] = "\"\\\n\t\r", to[] = "\"\\ntr";
    str_putc(out, '"');
    for (size_t i = 0; i < n;) {
        unsigned cp;
        int      k = utf8_decode(s + i, n - i, &cp);
        if (!k) {
            str_puts(out, "\xEF\xBF\xBD");
            i++;
            continue;
        }
        const char *at = cp && cp < 0x80 ? strchr(from, (int)cp) : NULL;
        if (at)
            str_printf(out, "\\%c", to[at - from]);
        else if (cp < 0x20 || cp == 0x7F)
            str_printf(out, "\\u%04x", cp);
        else
            str_add(out, s + i, (size_t)k);
        i += (size_t)k;
    }
    str_putc(out, '"');
}

static void print_number(double v, str *out)
{
    char buf[40];
    if (!isfinite(v)) {
        str_puts(out, "null");
        return;
    }
    if (v == floor(v) && fabs(v) < 9007199254740992.0) {
        snprintf(buf, sizeof buf, "%.0f", v == 0 ? 0.0 : v);
    } else {
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(buf, sizeof buf, "%.*g", digits, v);
            if (strtod(buf, NULL) == v) break;
        }
    }
    str_puts(out, buf);
}

/* The members in the order of their keys, ended by NULL. */
static int by_key(const void *a, const void *b)
{
    return strcmp((*(const json *const *)a)->string, (*(const json *const *)b)->string);
}
static const json **sorted(const json *object)
{
    const int    n     = json_size(object);
    const json **items = mem_alloc((size_t)n + 1, sizeof *items);
    for (int i = 0; i < n; i++) items[i] = i ? items[i - 1]->next : object->child;
    qsort(items, (size_t)n, sizeof *items, by_key);
    return items;
}

static bool holds_scalars_alone(const json *array)
{
    for (const json *c = json_items(array); c; c = c->next)
        if (json_is_object(c) || json_is_array(c)) return false;
    return json_is_array(array);
}

static void print(const json *j, str *out, const json_style *s, int depth);
static void quote(str *out, const char *text, const json_style *s)
{
    (s->quote ? s->quote : json_quote)(out, text, strlen(text));
}

static void print_items(const json *j, str *out, const json_style *s, int depth)
{
    const bool   object = json_is_object(j);
    const bool   lines  = s->indent && j->child && !(s->flat && holds_scalars_alone(j));
    const json **order  = object && s->sorted ? sorted(j) : NULL, *next;
    str_putc(out, object ? '{' : '[');
    for (const json *c = order ? order[0] : j->child, *const *at = order; c; c = next) {
        next = at ? *++at : c->next;
        if (lines) str_printf(out, "\n%*s", s->indent * (depth + 1), "");
        if (object) {
            quote(out, c->string, s);
            str_puts(out, s->colon);
        }
        print(c, out, s, depth + 1);
        if (next) str_puts(out, lines ? "," : s->comma);
    }
    if (lines) str_printf(out, "\n%*s", s->indent * depth, "");
    str_putc(out, object ? '}' : ']');
    free(order);
}

static void print(const json *j, str *out, const json_style *s, int depth)
{
    if (json_text(j))
        quote(out, j->valuestring, s);
    else if (json_raw(j))
        str_puts(out, j->valuestring);
    else if (json_is_number(j))
        (s->number ? s->number : print_number)(j->valuedouble, out);
    else if (json_is_bool(j))
        str_puts(out, json_is_true(j) ? "true" : "false");
    else if (json_is_object(j) || json_is_array(j))
        print_items(j, out, s, depth);
    else
        str_puts(out, "null");
}

json *json_format(const char *format, ...)
{
    str     text = { 0 };
    json   *j    = NULL;
    va_list args;
    va_start(args, format);
    for (const char *f = format; *f; f++) {
        if (!strncmp(f, "%s", 2)) {
            const char *value = va_arg(args, const char *);
            json_quote(&text, value, strlen(value));
            f += 1;
        } else if (!strncmp(f, "%lld", 4)) {
            str_printf(&text, "%lld", va_arg(args, long long));
            f += 3;
        } else {
            str_putc(&text, (char)(*f == '\'' ? '"' : *f));
        }
    }
    va_end(args);
    bool valid = !json_parse(&j, str_c(&text), text.n, format);
    assert(valid); /* the format is a constant, and what goes into it is quoted */
    str_free(&text);
    return j;
}

void json_print_as(const json *j, str *out, const json_style *style) { print(j, out, style, 0); }

void json_print(const json *j, str *out, bool pretty)
{
    static const json_style line = { .comma = ",", .colon = ":" },
                            page = { .indent = 2, .flat = true, .comma = ", ", .colon = ": " };
    print(j, out, pretty ? &page : &line, 0);
    if (pretty) str_putc(out, '\n');
}

int json_write_file(const json *j, const char *path)
{
    str text = { 0 };
    json_print(j, &text, true);
    int rc = file_write_atomic(path, text.s, text.n);
    str_free(&text);
    return rc;
}

static void show(json *j, bool pretty)
{
    str text = { 0 };
    json_print(j, &text, pretty);
    if (!pretty) str_putc(&text, '\n');
    fputs(text.s, stdout);
    str_free(&text);
    json_free(j);
}

void json_show(json *j) { show(j, true); }
void json_show_line(json *j) { show(j, false); }
