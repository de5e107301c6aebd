/* HellaSwag (Zellers et al. 2019): the original JSON lines, or the text form, which has six lines a
 * task: "activity: context", the label and four endings. */
#include <string.h>

#include "core/error.h"
#include "datasets/builder.h"

enum { ENDINGS = 4, TASK_LINES = 2 + ENDINGS };

/* The label is a digit as a number or a string. "", null and absence mean that it is hidden, as in
 * the test file. */
static int add_label(builder *b, const json *obj, const char *where)
{
    const json *label = json_find(obj, "label");
    const char *digit = json_text(label);
    if (!label || json_is_null(label) || (digit && !*digit)) return OK;
    double v = json_number(label);
    if (digit && strlen(digit) == 1) v = *digit - '0';
    if (!(v >= 0 && v < ENDINGS) || v != (int)v) {
        str shown = { 0 };
        json_print(label, &shown, false);
        int rc = input_error("%s: \"label\": %.40s: must be 0, 1, 2 or 3 (or left out, in a test file)", where,
                             str_c(&shown));
        str_free(&shown);
        return rc;
    }
    builder_add(b, "label", &"0123"[(int)v], 1);
    return OK;
}

static int item(builder *b, const json *obj, const char *where, int64_t line)
{
    static const char *const texts[] = { "activity_label", "ctx_a", "ctx_b", "ctx" };
    const json              *endings;
    int                      rc = OK;
    builder_begin(b, NULL, line);
    for (size_t i = 0; i < sizeof texts / sizeof *texts && !rc; i++)
        rc = builder_add_member(b, obj, where, texts[i], texts[i]);
    if (!rc) rc = json_get_array(obj, where, "endings", &endings);
    if (!rc && json_size(endings) != ENDINGS)
        rc = input_error("%s: \"endings\": has %d entries, must have %d", where, json_size(endings), ENDINGS);
    if (!rc) rc = builder_add_strings(b, endings, where, "endings", "ending");
    if (!rc) rc = add_label(b, obj, where);
    if (!rc) builder_end(b);
    return rc;
}

/* The context is taken whole: this form does not say where ctx_b begins. */
static int text_item(builder *b, const source *s, const text_line line[TASK_LINES])
{
    const char *colon = memmem(line[0].text, line[0].n, ": ", 2);
    if (!colon) return input_error("%s: line %lld: must be \"activity: context\"", s->where, (long long)line[0].number);
    if (line[1].n != 1 || line[1].text[0] < '0' || line[1].text[0] >= '0' + ENDINGS)
        return input_error("%s: line %lld: the label \"%.*s\": must be 0, 1, 2 or 3", s->where,
                           (long long)line[1].number, line[1].n < 20 ? (int)line[1].n : 20, line[1].text);
    size_t n = (size_t)(colon - line[0].text), n_context = line[0].n - n - 2;
    builder_begin(b, NULL, line[0].number);
    builder_add(b, "activity_label", line[0].text, n);
    builder_add(b, "ctx_a", colon + 2, n_context);
    builder_add(b, "ctx_b", "", 0);
    builder_add(b, "ctx", colon + 2, n_context);
    for (int e = 2; e < TASK_LINES; e++) builder_add(b, "ending", line[e].text, line[e].n);
    builder_add(b, "label", line[1].text, 1);
    builder_end(b);
    return OK;
}

static int read_lines(builder *b, const source *s)
{
    text_line l = { 0 }, task[TASK_LINES];
    bool      more;
    int       rc, got = 0;
    while (!(rc = text_next(&l, s, &more)) && more) {
        if (!got && !l.n) continue; /* a blank line between tasks or at the end of the file */
        task[got++] = l;
        if (got < TASK_LINES) continue;
        if ((rc = text_item(b, s, task))) return rc;
        got = 0;
    }
    if (!rc && got)
        rc = input_error("%s: line %lld: a task of six lines begins here, but the file ends after %d of them", s->where,
                         (long long)task[0].number, got);
    return rc;
}

int read_hellaswag(builder *b, const source *s)
{
    char c = first_char(s);
    return c == '{' || c == '[' ? each_json_item(b, s, item) : read_lines(b, s);
}
