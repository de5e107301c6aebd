/* Turns one item into text: prompt, target, choices, references. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "tasks/task.h"
#include "tasks/template.h"

static int filtered(const json *list, str *text)
{
    int rc = OK;
    for (const json *f = list ? list->child : NULL; f && !rc; f = f->next) rc = template_filter(f->valuestring, text);
    return rc;
}

static char *take(str *s)
{
    char *text = s->s ? s->s : mem_strdup("");
    *s         = (str) { 0 };
    return text;
}

static int64_t count_fields(const data_item *item, const char *name)
{
    int64_t n = 0;
    for (int64_t i = 0; i < item->n_fields; i++) n += !strcmp(item->fields[i].name, name);
    return n;
}

static int render_choice(const task_rules *r, const data_item *item, int64_t i, char **out)
{
    str         text = { 0 }, with_delimiter = { 0 };
    const char *raw = r->choices_each ? item_fields(item, r->choices_each, i)->text
                                      : json_at(r->choices_list, (int)i)->valuestring;
    str_puts(&text, raw);
    int rc = filtered(r->choices_filters, &text);
    str_puts(&with_delimiter, r->delimiter);
    str_add(&with_delimiter, str_c(&text), text.n);
    *out = take(&with_delimiter);
    str_free(&text);
    return rc;
}

static int render_gold(const task_rules *r, const data_item *item, int64_t n, int64_t *gold)
{
    const char *text = item_field(item, r->gold);
    if (!text)
        return input_error("the field \"%s\" is missing: "
                           "the right choice is not known, so the item can be read but not learnt or scored",
                           r->gold);
    char *end;
    *gold = strtol(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || *gold >= n)
        return input_error("the field \"%s\": \"%.40s\": must be an index 0..%lld", r->gold, text, (long long)n - 1);
    return OK;
}

static int render_choices(const task_rules *r, const data_item *item, task_text *out)
{
    int64_t n = r->choices_each ? count_fields(item, r->choices_each) : json_size(r->choices_list);
    if (!n) return template_missing(item, r->choices_each, 0);
    int rc         = OK;
    out->choices   = mem_alloc((size_t)n, sizeof *out->choices);
    out->delimiter = (int64_t)strlen(r->delimiter);
    while (out->n_choices < n && !rc)
        rc = render_choice(r, item, out->n_choices, &out->choices[out->n_choices]), out->n_choices++;
    if (!rc) rc = render_gold(r, item, n, &out->gold);
    if (!rc) out->target = mem_strdup(out->choices[out->gold]);
    return rc;
}

static int render_target(const task_rules *r, const data_item *item, task_text *out)
{
    str text       = { 0 };
    out->delimiter = (int64_t)strlen(r->delimiter);
    str_puts(&text, r->delimiter);
    int rc = template_fill(r->target ? r->target : "", item, &text);
    if (rc && r->target_if_absent) {
        str_clear(&text);
        str_printf(&text, "%s%s", r->delimiter, r->target_if_absent);
        error_clear();
        rc = OK;
    }
    out->target = take(&text);
    return rc;
}

static void render_references(const task_rules *r, const data_item *item, task_text *out)
{
    if (!r->references_each) return;
    out->n_references = count_fields(item, r->references_each);
    out->references   = mem_alloc((size_t)out->n_references + 1, sizeof *out->references);
    for (int64_t i = 0; i < out->n_references; i++)
        out->references[i] = mem_strdup(item_fields(item, r->references_each, i)->text);
}

int task_render(const task *t, const data_item *item, task_text *out)
{
    str prompt = { 0 };
    *out       = (task_text) { 0 };
    int rc     = template_fill(t->rules.prompt ? t->rules.prompt : "", item, &prompt);
    if (!rc) rc = filtered(t->rules.prompt_filters, &prompt);
    out->prompt = take(&prompt);
    if (!rc)
        rc = t->answer == TASK_CHOICES ? render_choices(&t->rules, item, out) : render_target(&t->rules, item, out);
    if (!rc) {
        render_references(&t->rules, item, out);
        return OK;
    }
    task_text_free(out);
    return item->line ? error_context(rc, "line %lld", (long long)item->line) : rc;
}

void task_text_free(task_text *x)
{
    for (int64_t i = 0; i < x->n_choices; i++) free(x->choices[i]);
    for (int64_t i = 0; i < x->n_references; i++) free(x->references[i]);
    free(x->choices);
    free(x->references);
    free(x->prompt);
    free(x->target);
    *x = (task_text) { 0 };
}
