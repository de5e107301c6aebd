/* SQuAD v1.1 and v2.0 (Rajpurkar et al. 2016, 2018): the official JSON of articles, paragraphs and questions, or flat JSON lines of one question
 * each. */
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "datasets/builder.h"

static int add_answers(builder *b, const json *answers, const char *where)
{
    for (const json *a = answers->child; a; a = a->next) {
        int rc = cJSON_IsObject(a) ? builder_add_member(b, a, where, "text", "answer") : input_error("%s: answers: each must be an object", where);
        if (rc) return rc;
    }
    return OK;
}

static int question(builder *b, const json *qa, const char *where, const char *title, const char *context)
{
    const char *id;
    const json *answers;
    int         rc = json_get_str(qa, where, "id", &id);
    if (rc) return rc;
    builder_begin(b, id, 0);
    builder_add(b, "title", title, strlen(title));
    builder_add(b, "context", context, strlen(context));
    rc = builder_add_member(b, qa, where, "question", "question");
    if (!rc) rc = json_get_array(qa, where, "answers", &answers);
    if (!rc) rc = add_answers(b, answers, where);
    if (!rc) builder_end(b);
    return rc;
}

static int paragraph(builder *b, const json *p, const char *where, const char *title)
{
    const char *context;
    const json *qas;
    int         rc = json_get_str(p, where, "context", &context);
    if (!rc) rc = json_get_array(p, where, "qas", &qas);
    int64_t i = 0;
    for (const json *q = rc ? NULL : qas->child; q && !rc; q = q->next, i++) {
        str at = { 0 };
        str_printf(&at, "%s.qas[%lld]", where, (long long)i);
        rc = cJSON_IsObject(q) ? question(b, q, at.s, title, context) : input_error("%s: must be an object", at.s);
        str_free(&at);
    }
    return rc;
}

static int article(builder *b, const json *a, const char *where)
{
    const json *title = json_find(a, "title"), *paragraphs;
    int         rc    = json_get_array(a, where, "paragraphs", &paragraphs);
    int64_t     i     = 0;
    for (const json *p = rc ? NULL : paragraphs->child; p && !rc; p = p->next, i++) {
        str at = { 0 };
        str_printf(&at, "%s.paragraphs[%lld]", where, (long long)i);
        rc = cJSON_IsObject(p) ? paragraph(b, p, at.s, cJSON_IsString(title) ? title->valuestring : "") : input_error("%s: must be an object", at.s);
        str_free(&at);
    }
    return rc;
}

static int official(builder *b, const json *doc, const char *where)
{
    const json *data;
    int         rc = json_get_array(doc, where, "data", &data);
    int64_t     i  = 0;
    for (const json *a = rc ? NULL : data->child; a && !rc; a = a->next, i++) {
        str at = { 0 };
        str_printf(&at, "%s: data[%lld]", where, (long long)i);
        rc = cJSON_IsObject(a) ? article(b, a, at.s) : input_error("%s: must be an object", at.s);
        str_free(&at);
    }
    return rc;
}

/* {"id", "title", "context", "question", "answers": {"text": [...], "answer_start": [...]}}, the hub's form. */
static int flat(builder *b, const json *obj, const char *where, int64_t line)
{
    const json *answers, *texts;
    const char *id;
    int         rc = json_get_str(obj, where, "id", &id);
    if (rc) return rc;
    builder_begin(b, id, line);
    const json *title = json_find(obj, "title");
    const char *name  = cJSON_IsString(title) ? title->valuestring : "";
    builder_add(b, "title", name, strlen(name));
    rc = builder_add_member(b, obj, where, "context", "context");
    if (!rc) rc = builder_add_member(b, obj, where, "question", "question");
    if (!rc && cJSON_IsArray(json_find(obj, "answers"))) {
        rc = add_answers(b, json_find(obj, "answers"), where);
    } else {
        if (!rc) rc = json_get_object(obj, where, "answers", &answers);
        if (!rc) rc = json_get_array(answers, where, "text", &texts);
        for (const json *t = rc ? NULL : texts->child; t && !rc; t = t->next) {
            if (!cJSON_IsString(t)) rc = input_error("%s: answers.text: each must be a string", where);
            if (!rc) builder_add(b, "answer", t->valuestring, strlen(t->valuestring));
        }
    }
    if (!rc) builder_end(b);
    return rc;
}

int read_squad(builder *b, const source *s)
{
    /* Flat lines are many objects, the official form is one: its key "data" or "version" comes before any "question". */
    const char *data = memmem(s->bytes, s->n, "\"data\"", 6), *asks = memmem(s->bytes, s->n, "\"question\"", 10);
    if (first_char(s) == '[' || (asks && (!data || asks < data) && !memmem(s->bytes, s->n, "\"paragraphs\"", 12))) return each_json_item(b, s, flat);
    json *doc;
    int   rc = json_parse(&doc, s->bytes, s->n, s->where);
    if (!rc) rc = cJSON_IsObject(doc) ? official(b, doc, s->where) : input_error("%s: must be a JSON object with \"data\"", s->where);
    json_free(doc);
    return rc;
}
