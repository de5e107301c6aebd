#include "score/predictions.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/string_table.h"
#include "score/lines.h"

/* SQuAD's form is one object, so it is read whole: answers to a hundred thousand questions take
 * about 10 MB. */
#define WHOLE_FILE_MAX ((size_t)1 << 30)

enum { CHOICES_MAX = 1 << 20 };
/* How far above 0 a single-precision program may round a log-likelihood. */
#define ABOVE_ZERO 1e-3

static prediction *add(predictions *p)
{
    if ((size_t)p->n == p->cap) p->items = mem_grow(p->items, &p->cap, sizeof *p->items);
    prediction *x = &p->items[p->n++];
    *x            = (prediction) { .text = { "", 0 }, .target = { "", 0 }, .chosen = -1, .gold = -1 };
    return x;
}

static slice keep(predictions *p, const char *text, size_t n)
{
    return (slice) { arena_strndup(&p->memory, text, n), n };
}

static int check_likelihood(double x, const char *where, int64_t k)
{
    if (!isfinite(x)) return input_error("%s: log-likelihood %lld: %g: must be finite", where, (long long)k + 1, x);
    if (x > ABOVE_ZERO)
        return input_error(
            "%s: log-likelihood %lld: %g: must be at most 0, the largest is the best (is its sign turned?)", where,
            (long long)k + 1, x);
    return OK;
}

/* --- one prediction a line */

/* Takes the next number of a line; false at its end. A comma, blanks or both separate numbers. */
static bool next_field(slice *rest, slice *field)
{
    size_t i = 0;
    while (i < rest->n && strchr(", \t", rest->s[i])) i++;
    size_t start = i;
    while (i < rest->n && !strchr(", \t", rest->s[i])) i++;
    *field = (slice) { rest->s + start, i - start };
    *rest  = (slice) { rest->s + i, rest->n - i };
    return field->n > 0;
}

static bool field_number(slice field, double *out)
{
    char text[64], *end;
    if (field.n >= sizeof text) return false;
    memcpy(text, field.s, field.n);
    text[field.n] = '\0';
    *out          = strtod(text, &end);
    return !*end && strspn(text, "+-.0123456789eEinfatyINFATY") == field.n; /* refuses hexadecimal */
}

/* Whether it is a line of names, such as "nll_0,nll_1": no field is a number. */
static bool is_header(slice line)
{
    slice  field;
    double x;
    int    n = 0;
    for (; next_field(&line, &field); n++)
        if (field_number(field, &x)) return false;
    return n > 0;
}

static int choice_line(predictions *p, slice line, const char *where, prediction *x)
{
    slice   field, rest = line;
    double  first = 0, number = 0;
    size_t  cap = 0;
    double *ll  = NULL;
    int     rc  = OK;
    while (!rc && next_field(&rest, &field)) {
        if (!field_number(field, &number))
            rc = input_error("%s: \"%.*s\": must be a number", where, field.n < 60 ? (int)field.n : 60, field.s);
        if (!rc && x->n_ll == CHOICES_MAX) rc = input_error("%s: more than %d numbers", where, CHOICES_MAX);
        if ((size_t)x->n_ll == cap) ll = mem_grow(ll, &cap, sizeof *ll);
        if (!rc) ll[x->n_ll++] = number;
    }
    if (!rc && !x->n_ll)
        rc = input_error("%s: is blank; expected the chosen index, or a log-likelihood for each choice", where);
    first = x->n_ll ? ll[0] : 0;
    if (!rc && x->n_ll == 1) {
        if (!(first >= 0 && first < CHOICES_MAX) || first != floor(first))
            rc = input_error("%s: %g: a number alone is the index of the chosen one, from 0", where, first);
        else
            x->chosen = (int64_t)first;
        x->n_ll = 0;
    }
    for (int64_t k = 0; k < x->n_ll && !rc; k++) rc = check_likelihood(ll[k], where, k);
    if (!rc && x->n_ll) {
        double *own = arena_alloc(&p->memory, (size_t)x->n_ll, sizeof *own);
        memcpy(own, ll, (size_t)x->n_ll * sizeof *own);
        x->ll = own;
    }
    free(ll);
    return rc;
}

static int text_line(predictions *p, slice line, const char *name, prediction *x)
{
    size_t good = utf8_valid_prefix(line.s, line.n);
    if (good < line.n)
        return input_error("%s: line %lld, byte %zu: 0x%02X is not valid UTF-8; convert the file to UTF-8", name,
                           (long long)x->line, good + 1, (unsigned char)line.s[good]);
    x->text = keep(p, line.s, line.n);
    return OK;
}

static int read_lines(predictions *p, line_blocks *b, prediction_kind kind)
{
    int  rc;
    char where[LINE_WHERE];
    while (!(rc = line_blocks_next(b)) && b->n) {
        for (int64_t i = 0; i < b->n && !rc; i++) {
            int64_t number = b->read + i + 1;
            if (number == 1 && kind == PREDICT_CHOICE && is_header(b->lines[i])) continue;
            prediction *x = add(p);
            x->line       = number;
            snprintf(where, sizeof where, "%.400s: line %lld", b->name, (long long)number);
            rc = kind == PREDICT_TEXT ? text_line(p, b->lines[i], b->name, x) : choice_line(p, b->lines[i], where, x);
        }
        if (rc) break;
    }
    return rc;
}

/* --- JSON lines */

static int set_text(predictions *p, const json *value, const char *where, const char *key, prediction *x)
{
    if (!json_text(value)) return json_refuse(value, where, key, "a text (\"\" for no answer)");
    x->text = keep(p, value->valuestring, strlen(value->valuestring));
    return OK;
}

/* Reads a number, or a text that is one, which some versions of the harness write. */
static bool number_in(const json *value, double *out)
{
    if (json_is_number(value)) return *out = value->valuedouble, true;
    return json_text(value) && value->valuestring[0] && field_number(slice_of(value->valuestring), out);
}

/* of(element) gives the value that holds an element's number. */
static int set_likelihoods(predictions *p, const json *array, const char *where, const char *key,
                           const json *of(const json *), prediction *x)
{
    if (!json_is_array(array) || !array->child)
        return json_refuse(array, where, key, "an array, a log-likelihood for each choice");
    int     n = json_size(array), k = 0, rc = OK;
    double *ll = arena_alloc(&p->memory, (size_t)n, sizeof *ll);
    for (const json *e = array->child; e && !rc; e = e->next, k++) {
        if (!number_in(of(e), &ll[k])) rc = json_refuse(e, where, key, "a number (log-likelihoods must be finite)");
        if (!rc) rc = check_likelihood(ll[k], where, k);
    }
    x->ll   = ll;
    x->n_ll = n;
    return rc;
}

static const json *itself(const json *e) { return e; }
/* [[log-likelihood, is greedy]]: a request has one answer. */
static const json *of_response(const json *e)
{
    return json_is_array(e) && json_is_array(e->child) && !e->child->next ? e->child->child : NULL;
}

static int set_chosen(const json *value, const char *where, prediction *x)
{
    double v = json_number(value);
    if (!(v >= 0 && v < CHOICES_MAX) || v != floor(v))
        return json_refuse(value, where, "prediction",
                           "the index of the chosen one, from 0 (or \"loglikelihoods\", a number for each)");
    x->chosen = (int64_t)v;
    return OK;
}

/* Reads the right choice where a log says it, which shows whether the log belongs to the data. */
static void set_gold(const json *value, prediction *x)
{
    double v;
    if (number_in(value, &v) && v >= 0 && v < CHOICES_MAX && v == floor(v)) x->gold = (int64_t)v;
}

static void set_target(predictions *p, const json *value, prediction *x)
{
    if (json_text(value)) x->target = keep(p, value->valuestring, strlen(value->valuestring));
}

static int own_object(predictions *p, const json *line, const char *where, prediction_kind kind, prediction *x)
{
    if (kind == PREDICT_TEXT) {
        set_target(p, json_find(line, "target"), x);
        return set_text(p, json_find(line, "prediction"), where, "prediction", x);
    }
    set_gold(json_find(line, "gold"), x);
    const json *ll = json_find(line, "loglikelihoods");
    if (ll) return set_likelihoods(p, ll, where, "loglikelihoods", itself, x);
    return set_chosen(json_find(line, "prediction"), where, x);
}

static int harness_object(predictions *p, const json *line, const char *where, prediction_kind kind, prediction *x)
{
    const json *resps = json_find(line, "resps"), *filtered = json_find(line, "filtered_resps");
    if (kind == PREDICT_CHOICE) {
        set_gold(json_find(line, "target"), x);
        return set_likelihoods(p, resps, where, "resps", of_response, x);
    }
    set_target(p, json_find(line, "target"), x);
    if (!resps && json_is_array(filtered)) return set_text(p, filtered->child, where, "filtered_resps", x);
    if (!json_is_array(resps) || !json_is_array(resps->child))
        return json_refuse(resps, where, "resps", "[[\"the answer\"]]");
    if (resps->child->child && resps->child->child->next)
        return input_error("%s: \"resps\": has %d answers to one question; a log with one each is needed", where,
                           json_size(resps->child));
    return set_text(p, resps->child->child, where, "resps", x);
}

/* Reads a line of the form that the file began with. */
static int json_line(predictions *p, const json *line, const char *where, prediction_kind kind, prediction *x)
{
    if (kind == PREDICT_TEXT && json_text(line)) return set_text(p, line, where, "", x);
    if (kind == PREDICT_CHOICE && json_is_array(line)) return set_likelihoods(p, line, where, "", itself, x);
    if (kind == PREDICT_CHOICE && json_is_number(line)) return set_chosen(line, where, x);
    if (!json_is_object(line))
        return input_error("%s: must be %s, or an object {\"id\": ..., \"%s\": ...}", where,
                           kind == PREDICT_TEXT ? "a text" : "an array of numbers",
                           kind == PREDICT_TEXT ? "prediction" : "loglikelihoods");
    bool        foreign = json_find(line, "resps") || json_find(line, "filtered_resps");
    const char *key     = foreign ? "doc_id" : "id";
    const json *id      = json_find(line, key);
    str         text    = { 0 };
    int         rc      = json_members_once(line, where);
    if (!rc)
        rc = id ? json_id(id, where, key, &text) : foreign ? json_refuse(id, where, key, "the document's number") : OK;
    if (!rc && id) x->id = keep(p, text.s, text.n).s;
    str_free(&text);
    if (p->n > 1 && foreign != p->by_position) rc = input_error("%s: is of another kind than the lines before", where);
    p->by_position = foreign;
    if (rc) return rc;
    return foreign ? harness_object(p, line, where, kind, x) : own_object(p, line, where, kind, x);
}

static bool same_answer(const prediction *a, const prediction *b)
{
    if (a->n_ll != b->n_ll || !slice_equal(a->text, b->text)) return false;
    for (int64_t k = 0; k < a->n_ll; k++)
        if (a->ll[k] != b->ll[k]) return false;
    return true;
}

/* A line of the harness is identified by document and filter. */
static int check_filter(predictions *p, const json *line, const char *where, string_table *seen, const prediction *x)
{
    const char *filter = json_text(json_find(line, "filter"));
    str         both   = { 0 };
    str_printf(&both, "%s %s", x->id, filter ? filter : "none");
    slice   own = keep(p, both.s, both.n);
    int64_t old = string_table_put(seen, own.s, own.n, x->line);
    str_free(&both);
    return old < 0 ? OK
                   : input_error("%s: document %s stands in line %lld too, with the same filter", where, x->id,
                                 (long long)old);
}

/* Ids must be distinct. A further filter's line for a document is dropped when it holds the same
 * answer. */
static int settle_id(predictions *p, const json *line, const char *where, string_table *ids, string_table *filters)
{
    prediction *x = &p->items[p->n - 1];
    if (p->n > 1 && !x->id != !p->items[0].id)
        return input_error("%s: %s an id, unlike the lines before; all have one or none", where,
                           x->id ? "has" : "lacks");
    if (!x->id) return OK;
    int     rc  = p->by_position ? check_filter(p, line, where, filters, x) : OK;
    int64_t old = string_table_put(ids, x->id, strlen(x->id), p->n - 1);
    if (rc || old < 0) return rc;
    if (!p->by_position)
        return input_error("%s: the id \"%.80s\" stands in line %lld too", where, x->id, (long long)p->items[old].line);
    if (!same_answer(x, &p->items[old]))
        return input_error("%s: document %s has another answer than in line %lld", where, x->id,
                           (long long)p->items[old].line);
    p->n--;
    return OK;
}

static int read_json_lines(predictions *p, line_blocks *b, prediction_kind kind)
{
    json_lines   in;
    string_table ids = { 0 }, filters = { 0 };
    char         where[LINE_WHERE];
    int          rc;
    json_lines_from(&in, b);
    while (!(rc = json_lines_next(&in)) && in.n) {
        for (int64_t i = 0; i < in.n && !rc; i++) {
            prediction *x = add(p);
            x->line       = in.numbers[i];
            json_line_where(&in, i, where);
            rc = json_line(p, in.docs[i], where, kind, x);
            if (!rc) rc = settle_id(p, in.docs[i], where, &ids, &filters);
        }
        if (rc) break;
    }
    p->by_id = p->n && p->items[0].id;
    string_table_free(&ids);
    string_table_free(&filters);
    json_lines_close(&in);
    return rc;
}

/* --- SQuAD's form */

static int check_key(string_table *ids, const char *where, const json *member, int64_t k)
{
    if (!member->string[0]) return input_error("%s: a question's id is the empty text", where);
    if (string_table_put(ids, member->string, strlen(member->string), k) >= 0)
        return input_error("%s: the id \"%.80s\" stands there twice", where, member->string);
    return OK;
}

static int read_object(predictions *p, line_blocks *b, prediction_kind kind)
{
    str          text = { 0 };
    json        *doc  = NULL;
    string_table ids  = { 0 };
    int          rc   = line_blocks_rest(b, WHOLE_FILE_MAX, &text);
    if (!rc) rc = json_parse_finite(&doc, str_c(&text), text.n, b->name, 1);
    for (const json *m = rc ? NULL : doc->child; m && !rc; m = m->next) {
        prediction *x = add(p);
        if (!(rc = check_key(&ids, b->name, m, p->n - 1))) x->id = keep(p, m->string, strlen(m->string)).s;
        if (!rc)
            rc = kind == PREDICT_TEXT ? set_text(p, m, b->name, m->string, x)
                                      : set_likelihoods(p, m, b->name, m->string, itself, x);
    }
    p->by_id = true;
    json_free(doc);
    string_table_free(&ids);
    str_free(&text);
    return rc;
}

/* --- which form */

typedef int reader(predictions *p, line_blocks *b, prediction_kind kind);

/* Whether the first line is an object with a member that lines have, even when the object goes on
 * in the next line. Any other object is SQuAD's form, on one line or more. */
static bool has_line_members(slice line, const json *parsed)
{
    static const char *const members[] = { "\"prediction\"",     "\"loglikelihoods\"", "\"resps\"",
                                           "\"filtered_resps\"", "\"doc_id\"",         "\"scores\"" };
    char                     key[32];
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        snprintf(key, sizeof key, "%.*s", (int)strlen(members[i]) - 2, members[i] + 1);
        if (parsed ? json_find(parsed, key) != NULL : memmem(line.s, line.n, members[i], strlen(members[i])) != NULL)
            return true;
    }
    return false;
}

static reader *choose(slice start, prediction_form form)
{
    if (form == PREDICTIONS_LINES) return read_lines;
    while (start.n && strchr(" \t\r\n", start.s[0])) start.s++, start.n--;
    if (!start.n || !strchr("{[\"", start.s[0])) return form == PREDICTIONS_JSON ? read_json_lines : read_lines;
    const char *end  = memchr(start.s, '\n', start.n);
    slice       line = { start.s, end ? (size_t)(end - start.s) : start.n };
    json       *parsed;
    bool        ok     = !json_parse(&parsed, line.s, line.n, "first line");
    bool        object = line.s[0] == '{' && !has_line_members(line, parsed);
    json_free(parsed);
    error_clear();
    if (object) return read_object;
    return ok || line.s[0] == '{' || form == PREDICTIONS_JSON ? read_json_lines : read_lines;
}

static int all_of_a_kind(predictions *p, const char *name, prediction_kind kind)
{
    if (!p->n) return input_error("%s: holds no prediction", name);
    p->chosen_only = kind == PREDICT_CHOICE && !p->items[0].ll;
    for (int64_t i = 1; i < p->n && kind == PREDICT_CHOICE; i++)
        if (!p->items[i].ll != p->chosen_only)
            return input_error("%s: line %lld: %s, unlike the lines before", name, (long long)p->items[i].line,
                               p->items[i].ll ? "has log-likelihoods" : "has an index alone");
    return OK;
}

int predictions_read(predictions *out, const char *path, prediction_kind kind, prediction_form form)
{
    line_blocks b;
    slice       start;
    char       *name = mem_strdup(!strcmp(path, "-") ? "stdin" : path);
    *out             = (predictions) { 0 };
    int rc           = line_blocks_open(&b, path);
    if (!rc) rc = line_blocks_peek(&b, &start);
    if (!rc) rc = choose(start, form)(out, &b, kind);
    if (!rc) rc = all_of_a_kind(out, name, kind);
    line_blocks_close(&b);
    free(name);
    if (rc) predictions_free(out);
    return rc;
}

void predictions_free(predictions *p)
{
    free(p->items);
    arena_free(&p->memory);
    *p = (predictions) { 0 };
}

int probabilities_read(probabilities *out, const char *path)
{
    json        *doc;
    string_table ids = { 0 };
    *out             = (probabilities) { 0 };
    int rc           = json_read_file(&doc, path, WHOLE_FILE_MAX);
    if (rc) return rc;
    if (!json_is_object(doc) || !doc->child) rc = input_error("%s: must be an object {\"id\": probability, ...}", path);
    size_t n    = rc ? 0 : (size_t)json_size(doc);
    out->ids    = mem_alloc(n, sizeof *out->ids);
    out->values = mem_alloc(n, sizeof *out->values);
    for (const json *m = rc ? NULL : doc->child; m && !rc; m = m->next) {
        if ((rc = check_key(&ids, path, m, out->n))) break;
        if (!isfinite(json_number(m))) rc = json_refuse(m, path, m->string, "a finite number");
        out->ids[out->n]      = arena_strndup(&out->memory, m->string, strlen(m->string));
        out->values[out->n++] = m->valuedouble;
    }
    json_free(doc);
    string_table_free(&ids);
    if (rc) probabilities_free(out);
    return rc;
}

void probabilities_free(probabilities *p)
{
    free(p->ids);
    free(p->values);
    arena_free(&p->memory);
    *p = (probabilities) { 0 };
}
