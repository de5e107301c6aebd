/* HellaSwag (Zellers et al. 2019): the original JSON lines, or the text form of six lines a task: "activity: context", the label, four endings. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "datasets/builder.h"

enum { ENDINGS = 4 };

/* label: a digit as number or string; "" and absence mean the hidden labels of the test file. */
static int add_label(builder *b, const json *obj, const char *where)
{
    const json *label = json_find(obj, "label");
    if (!label || (cJSON_IsString(label) && !label->valuestring[0])) return OK;
    double v = cJSON_IsNumber(label) ? label->valuedouble : -1;
    if (cJSON_IsString(label) && strlen(label->valuestring) == 1) v = label->valuestring[0] - '0';
    if (!(v >= 0 && v < ENDINGS) || v != (int)v) return input_error("%s: \"label\": must be 0, 1, 2 or 3", where);
    char digit = (char)('0' + (int)v);
    builder_add(b, "label", &digit, 1);
    return OK;
}

static int item(builder *b, const json *obj, const char *where, int64_t line)
{
    const json *endings;
    builder_begin(b, NULL, line);
    int rc = builder_add_member(b, obj, where, "activity_label", "activity_label");
    if (!rc) rc = builder_add_member(b, obj, where, "ctx_a", "ctx_a");
    if (!rc) rc = builder_add_member(b, obj, where, "ctx_b", "ctx_b");
    if (!rc) rc = builder_add_member(b, obj, where, "ctx", "ctx");
    if (!rc) rc = json_get_array(obj, where, "endings", &endings);
    if (!rc && cJSON_GetArraySize(endings) != ENDINGS)
        rc = input_error("%s: \"endings\": has %d entries, must have %d", where, cJSON_GetArraySize(endings), ENDINGS);
    for (const json *e = rc ? NULL : endings->child; e && !rc; e = e->next) {
        if (!cJSON_IsString(e)) return input_error("%s: \"endings\": each must be a string", where);
        builder_add(b, "ending", e->valuestring, strlen(e->valuestring));
    }
    if (!rc) rc = add_label(b, obj, where);
    if (!rc) builder_end(b);
    return rc;
}

static int read_lines(builder *b, const source *s)
{
    size_t      pos = 0, n[2 + ENDINGS];
    const char *line[2 + ENDINGS];
    for (int64_t number = 1;; number += 2 + ENDINGS) {
        int got = 0;
        while (got < 2 + ENDINGS && next_line(s->bytes, s->n, &pos, &line[got], &n[got])) got++;
        if (!got) return OK;
        if (got < 2 + ENDINGS)
            return input_error("%s: line %lld: a task of six lines begins here, but the file ends after %d of them", s->where, (long long)number,
                               got);
        const char *colon = memmem(line[0], n[0], ": ", 2);
        if (!colon) return input_error("%s: line %lld: must be \"activity: context\"", s->where, (long long)number);
        if (n[1] != 1 || line[1][0] < '0' || line[1][0] > '3')
            return input_error("%s: line %lld: the label must be 0, 1, 2 or 3", s->where, (long long)number + 1);
        size_t label = (size_t)(colon - line[0]);
        builder_begin(b, NULL, number);
        builder_add(b, "activity_label", line[0], label);
        builder_add(b, "ctx_a", colon + 2, n[0] - label - 2); /* where ctx_b begins is lost in this form */
        builder_add(b, "ctx_b", "", 0);
        builder_add(b, "ctx", colon + 2, n[0] - label - 2);
        for (int e = 0; e < ENDINGS; e++) builder_add(b, "ending", line[2 + e], n[2 + e]);
        builder_add(b, "label", line[1], 1);
        builder_end(b);
    }
}

int read_hellaswag(builder *b, const source *s)
{
    char c = first_char(s);
    return c == '{' || c == '[' ? each_json_item(b, s, item) : read_lines(b, s);
}
