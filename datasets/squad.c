/* SQuAD v1.1 and v2.0 (Rajpurkar et al. 2016, 2018): the official JSON of articles, paragraphs and
 * questions, or the hub's form, flat JSON lines of one question each. answer_start is not read,
 * because the official scores do not use it. A question that the text does not answer has no
 * answers. */
#include <string.h>

#include "core/error.h"
#include "datasets/builder.h"

/* A text shared by the questions below it; text is NULL when there is none. */
typedef struct {
    const char *text;
    size_t      n;
} kept;

static kept keep(builder *b, const json *text)
{
    if (!json_text(text)) return (kept) { 0 };
    size_t n = strlen(text->valuestring);
    return (kept) { builder_keep(b, text->valuestring, n), n };
}

static int add_answers(builder *b, const json *answers, const char *where)
{
    int64_t i = 0;
    for (const json *a = answers->child; a; a = a->next, i++) {
        const char *text = json_text(json_find(a, "text"));
        if (!text)
            return input_error("%s.answers[%lld]: must be an object with the string \"text\"", where, (long long)i);
        builder_add(b, "answer", text, strlen(text));
    }
    return OK;
}

/* Calls each() with every object of an array member; `where` grows by ".key[i]". */
typedef int (*part_fn)(builder *b, const json *part, str *where, kept title, kept context);
static int each_part(builder *b, const json *obj, const char *key, str *where, part_fn each, kept title, kept context)
{
    const json *array;
    int         rc = json_get_array(obj, str_c(where), key, &array);
    size_t      n  = where->n;
    int64_t     i  = 0;
    for (const json *j = rc ? NULL : array->child; j && !rc; j = j->next, i++) {
        str_printf(where, "%s%s[%lld]", where->s[n - 1] == ' ' ? "" : ".", key, (long long)i);
        rc = json_is_object(j) ? each(b, j, where, title, context) : input_error("%s: must be an object", where->s);
        where->n    = n;
        where->s[n] = '\0';
    }
    return rc;
}

static int question(builder *b, const json *qa, str *where, kept title, kept context)
{
    const char *id;
    const json *answers;
    int         rc = json_get_str(qa, where->s, "id", &id);
    if (rc) return rc;
    builder_begin(b, id, 0);
    if (title.text) builder_add_kept(b, "title", title.text, title.n);
    builder_add_kept(b, "context", context.text, context.n);
    rc = builder_add_member(b, qa, where->s, "question", "question");
    if (!rc) rc = json_get_array(qa, where->s, "answers", &answers);
    if (!rc) rc = add_answers(b, answers, where->s);
    if (!rc) builder_end(b);
    return rc;
}

static int paragraph(builder *b, const json *p, str *where, kept title, kept context)
{
    const char *text;
    int         rc = json_get_str(p, where->s, "context", &text);
    if (rc) return rc;
    context = keep(b, json_find(p, "context"));
    return each_part(b, p, "qas", where, question, title, context);
}

static int article(builder *b, const json *a, str *where, kept title, kept context)
{
    title = keep(b, json_find(a, "title"));
    return each_part(b, a, "paragraphs", where, paragraph, title, context);
}

static int official(builder *b, const json *doc, const char *file)
{
    const json *data;
    int         rc = json_get_array(doc, file, "data", &data);
    if (rc) return rc;
    str where = { 0 };
    str_printf(&where, "%s: ", file);
    rc = each_part(b, doc, "data", &where, article, (kept) { 0 }, (kept) { 0 });
    str_free(&where);
    return rc;
}

/* {"id", "title", "context", "question", "answers": {"text": [...], "answer_start": [...]}}.
 * Answers in the official form are read too. */
static int flat(builder *b, const json *obj, const char *where, int64_t line)
{
    const json *answers = json_find(obj, "answers"), *texts;
    const char *id;
    int         rc = json_get_str(obj, where, "id", &id);
    if (rc) return rc;
    builder_begin(b, id, line);
    if (json_has(obj, "title")) rc = builder_add_member(b, obj, where, "title", "title");
    if (!rc) rc = builder_add_member(b, obj, where, "context", "context");
    if (!rc) rc = builder_add_member(b, obj, where, "question", "question");
    if (!rc && json_is_array(answers)) {
        rc = add_answers(b, answers, where);
    } else if (!rc) {
        rc = json_get_object(obj, where, "answers", &answers);
        if (!rc) rc = json_get_array(answers, where, "text", &texts);
        if (!rc) rc = builder_add_strings(b, texts, where, "answers.text", "answer");
    }
    if (!rc) builder_end(b);
    return rc;
}

static bool is_blank(const char *text, size_t n)
{
    while (n && (*text == ' ' || *text == '\n' || *text == '\r' || *text == '\t')) text++, n--;
    return !n;
}

/* The first line as JSON when it is a whole value by itself, else NULL. *last: only blanks follow
 * it. */
static json *first_line(const source *s, bool *last)
{
    text_line l = { 0 };
    bool      more;
    json     *j = NULL;
    do {
        if (text_next(&l, s, &more) || !more) return NULL;
    } while (is_blank(l.text, l.n));
    if (json_parse_text(&j, l.text, l.n, s->where, l.number)) error_clear();
    *last = is_blank(s->bytes + l.pos, s->n - l.pos);
    return j;
}

/* The official form is one object with "data", on one line or indented. Flat lines begin with an
 * object that asks a question. */
int read_squad(builder *b, const source *s)
{
    bool  last = false;
    json *doc  = first_char(s) == '{' ? first_line(s, &last) : NULL;
    int   rc   = OK;
    if (first_char(s) == '[' || json_find(doc, "question") || json_find(doc, "context")) {
        json_free(doc);
        return each_json_item(b, s, flat);
    }
    if (!doc || !last) {
        json_free(doc);
        rc = s->n ? json_parse_text(&doc, s->bytes, s->n, s->where, 1) : OK;
    }
    if (!rc && s->n)
        rc = json_is_object(doc) ? official(b, doc, s->where)
                                 : input_error("%s: must be a JSON object with \"data\"", s->where);
    json_free(doc);
    return rc;
}
