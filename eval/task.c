/* Task files: reading and checking. A variant (a member of "prompts") overrides what the file says for all. */
#include "eval/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/nearest.h"
#include "eval/encode.h"
#include "eval/template.h"

/* Written by eval/embed.sh. */
extern const struct {
    const char *name, *bytes;
    uint64_t    n;
} task_files[];

struct task {
    json            *doc;
    const json      *variant;
    char            *where; /* the file, in messages */
    char            *variant_name;
    const char      *name, *reader;
    task_answer_kind answer;
    int64_t          version, max_new_tokens;
};

/* Every member a task file may have; the first row's kinds: s string, i whole number, b bool, l list of strings, o object. */
static const struct {
    const char *name;
    char        kind;
    bool        in_variant;
} members[] = {
    { "task", 's' },
    { "version", 'i' },
    { "about", 's' },
    { "reader", 's' },
    { "default", 's' },
    { "prompts", 'o' },
    { "answer", 's', true },
    { "references", 'o', true },
    { "target", 's', true },
    { "target_if_absent", 's', true },
    { "stop", 'l', true },
    { "max_new_tokens", 'i', true },
    { "metrics", 'l', true },
    { "prompt", 's', true },
    { "prompt_filters", 'l', true },
    { "choices", 'o', true },
    { "gold", 's', true },
    { "delimiter", 's', true },
    { "scores_bos", 'b', true },
    { "append_eos", 'b', true },
};
enum { MEMBERS = sizeof members / sizeof members[0] };

const char *task_builtin_name(int i)
{
    for (int k = 0; k <= i; k++)
        if (!task_files[k].name) return NULL;
    return task_files[i].name;
}

static const json *member(const task *t, const char *name)
{
    const json *j = t->variant ? json_find(t->variant, name) : NULL;
    return j ? j : json_find(t->doc, name);
}

static const char *text_of(const task *t, const char *name, const char *other)
{
    const json *j = member(t, name);
    return j ? j->valuestring : other;
}

static const char *nth(const json *list, int i)
{
    const json *j = list ? cJSON_GetArrayItem(list, i) : NULL;
    return j ? j->valuestring : NULL;
}

static int check_member(const json *j, const char *where, bool variant)
{
    const char *names[MEMBERS + 1] = { 0 };
    for (int i = 0; i < MEMBERS; i++) {
        names[i] = members[i].name;
        if (strcmp(members[i].name, j->string) || (variant && !members[i].in_variant)) continue;
        char k  = members[i].kind;
        bool ok = k == 's'   ? cJSON_IsString(j)
                  : k == 'b' ? cJSON_IsBool(j)
                  : k == 'l' ? cJSON_IsArray(j)
                  : k == 'o' ? cJSON_IsObject(j)
                             : cJSON_IsNumber(j);
        for (const json *e = k == 'l' && ok ? j->child : NULL; e; e = e->next) ok = ok && cJSON_IsString(e);
        if (k == 'i' && ok) ok = j->valuedouble >= 1 && j->valuedouble <= 1e6 && j->valuedouble == (double)(int64_t)j->valuedouble;
        if (ok) return OK;
        return input_error("%s: \"%s\": must be %s", where, j->string,
                           k == 's'   ? "a string"
                           : k == 'b' ? "true or false"
                           : k == 'l' ? "a list of strings"
                           : k == 'o' ? "an object"
                                      : "a whole number 1..1000000");
    }
    const char *near = nearest_word(j->string, names);
    return input_error("%s: \"%s\": a task file has no such member%s%s%s", where, j->string, near ? "; did you mean \"" : "", near ? near : "",
                       near ? "\"?" : "");
}

static int check_members(const json *obj, const char *where, bool variant)
{
    int rc = OK;
    for (const json *j = obj->child; j && !rc; j = j->next) rc = check_member(j, where, variant);
    return rc;
}

static int choose_variant(task *t, const char *prompt)
{
    const json *prompts;
    const char *names[32] = { 0 };
    int         n = 0, rc = json_get_object(t->doc, t->where, "prompts", &prompts);
    if (!rc && !prompt) rc = json_get_str(t->doc, t->where, "default", &prompt);
    if (rc) return rc;
    for (const json *p = prompts->child; p && n < 31; p = p->next) {
        names[n++] = p->string;
        if (strcmp(p->string, prompt)) continue;
        if (!cJSON_IsObject(p)) return input_error("%s: prompts: \"%s\": must be an object", t->where, p->string);
        t->variant      = p;
        t->variant_name = mem_strdup(p->string);
        return check_members(p, t->where, true);
    }
    str list = { 0 };
    for (int i = 0; i < n; i++) str_printf(&list, "%s%s", i ? ", " : "", names[i]);
    const char *near = nearest_word(prompt, names);
    rc = input_error("%s: --prompt %s: the task has no such variant%s%s%s; there are %s", t->where, prompt, near ? "; did you mean " : "",
                     near ? near : "", near ? "?" : "", str_c(&list));
    str_free(&list);
    return rc;
}

static int check_templates(const task *t)
{
    int                      rc          = OK;
    static const char *const templates[] = { "prompt", "target" };
    for (int i = 0; i < 2 && !rc; i++) rc = template_check(text_of(t, templates[i], ""), t->where);
    for (int i = 0; !rc && nth(member(t, "prompt_filters"), i); i++) rc = template_filter(nth(member(t, "prompt_filters"), i), NULL);
    const json *choices = member(t, "choices");
    if (!rc && t->answer == TASK_CHOICES) {
        if (!choices || (!cJSON_IsString(json_find(choices, "each")) && !cJSON_IsArray(json_find(choices, "list"))))
            rc = input_error("%s: \"choices\": must be {\"each\": FIELD} or {\"list\": [...]}", t->where);
        if (!rc && !member(t, "gold")) rc = input_error("%s: \"gold\" is missing: the field that holds the right choice's index", t->where);
    }
    const json *references = member(t, "references");
    if (!rc && t->answer == TASK_GENERATE && (!references || !cJSON_IsString(json_find(references, "each"))))
        rc = input_error("%s: \"references\": must be {\"each\": FIELD}", t->where);
    if (!rc && !nth(member(t, "metrics"), 0)) rc = input_error("%s: \"metrics\": names no metric", t->where);
    return rc;
}

static int check_task(task *t, const char *prompt)
{
    static const char *const answers[] = { [TASK_GENERATE] = "generate", [TASK_CHOICES] = "choices", [TASK_LIKELIHOOD] = "likelihood", NULL };
    int rc = cJSON_IsObject(t->doc) ? check_members(t->doc, t->where, false) : input_error("%s: must be a JSON object", t->where);
    if (!rc) rc = json_get_str(t->doc, t->where, "task", &t->name);
    if (!rc) rc = json_get_int(t->doc, t->where, "version", 1, 1000000, &t->version);
    if (!rc) rc = json_get_str(t->doc, t->where, "reader", &t->reader);
    if (!rc) rc = choose_variant(t, prompt);
    if (rc) return rc;
    const char *kind = text_of(t, "answer", "generate");
    int         k    = 0;
    while (answers[k] && strcmp(answers[k], kind)) k++;
    if (!answers[k]) return input_error("%s: \"answer\": \"%s\": must be generate, choices or likelihood", t->where, kind);
    t->answer         = (task_answer_kind)k;
    const json *limit = member(t, "max_new_tokens");
    t->max_new_tokens = limit ? (int64_t)limit->valuedouble : 128;
    return check_templates(t);
}

static int load_doc(json **doc, const char *name)
{
    const char *names[64] = { 0 };
    size_t      length    = strlen(name);
    if (length > 5 && !strcmp(name + length - 5, ".json")) return json_read_file(doc, name, 1u << 20);
    for (int i = 0; task_files[i].name && i < 63; i++) {
        names[i] = task_files[i].name;
        if (!strcmp(name, names[i])) return json_parse(doc, task_files[i].bytes, task_files[i].n, name);
    }
    str list = { 0 };
    for (int i = 0; names[i]; i++) str_printf(&list, "%s%s", i ? ", " : "", names[i]);
    const char *near = nearest_word(name, names);
    int         rc   = input_error("task \"%s\": no such task%s%s%s; there are %s, or give the path of a task file (.json)", name,
                         near ? "; did you mean " : "", near ? near : "", near ? "?" : "", str_c(&list));
    str_free(&list);
    return rc;
}

int task_open(task **out, const char *name_or_file, const char *prompt)
{
    task *t  = mem_alloc(1, sizeof *t);
    t->where = mem_strdup(name_or_file);
    int rc   = load_doc(&t->doc, name_or_file);
    if (!rc) rc = check_task(t, prompt);
    if (rc) {
        task_close(t);
        t = NULL;
    }
    *out = t;
    return rc;
}

void task_close(task *t)
{
    if (!t) return;
    json_free(t->doc);
    free(t->where);
    free(t->variant_name);
    free(t);
}

const char      *task_name(const task *t) { return t->name; }
const char      *task_prompt(const task *t) { return t->variant_name; }
int64_t          task_version(const task *t) { return t->version; }
task_answer_kind task_answer(const task *t) { return t->answer; }
int64_t          task_max_new_tokens(const task *t) { return t->max_new_tokens; }
const char      *task_stop(const task *t, int i) { return nth(member(t, "stop"), i); }
const char      *task_metric(const task *t, int i) { return nth(member(t, "metrics"), i); }
bool             task_scores_bos(const task *t) { return cJSON_IsTrue(member(t, "scores_bos")); }
int              task_read(const task *t, const char *path, dataset **out) { return dataset_read(out, t->reader, path); }
bool             task_needs_tokenizer(const task *t) { return strcmp(t->reader, "tokens") != 0; }

/* ---- one item to text */

static int filtered(const json *list, str *text)
{
    int rc = OK;
    for (int i = 0; !rc && nth(list, i); i++) rc = template_filter(nth(list, i), text);
    return rc;
}

static char *take(str *s)
{
    char *text = s->s ? s->s : mem_strdup("");
    *s         = (str) { 0 };
    return text;
}

/* The i-th choice's text after its filters; false past the last. */
static int choice_text(const json *choices, const data_item *item, int64_t i, str *out, bool *more)
{
    const json *each = json_find(choices, "each"), *list = json_find(choices, "list");
    if (each) {
        const field *f = record_fields(item, each->valuestring, i);
        *more          = f != NULL;
        if (f) str_add(out, f->text, f->n);
    } else {
        const char *text = nth(list, (int)i);
        *more            = text != NULL;
        if (text) str_puts(out, text);
    }
    return *more ? filtered(json_find(choices, "filters"), out) : OK;
}

static int render_choices(const task *t, const data_item *item, task_text *out)
{
    const json *choices = member(t, "choices");
    const char *gold = record_field(item, member(t, "gold")->valuestring), *delimiter = text_of(t, "delimiter", " ");
    size_t      cap  = 0;
    bool        more = true;
    int         rc   = OK;
    while (more && !rc) {
        str text = { 0 }, whole = { 0 };
        rc = choice_text(choices, item, out->n_choices, &text, &more);
        if (!rc && more) {
            str_printf(&whole, "%s", delimiter);
            str_add(&whole, str_c(&text), text.n);
            if ((size_t)out->n_choices == cap) out->choices = mem_grow(out->choices, &cap, sizeof *out->choices);
            out->choices[out->n_choices++] = take(&whole);
        }
        str_free(&text);
        str_free(&whole);
    }
    if (rc) return rc;
    out->delimiter = (int64_t)strlen(delimiter);
    if (!gold)
        return input_error("the field \"%s\" is missing: the right choice is not known, so the item cannot be scored or learnt",
                           member(t, "gold")->valuestring);
    char *end;
    out->gold = strtol(gold, &end, 10);
    if (end == gold || *end || out->gold < 0 || out->gold >= out->n_choices)
        return input_error("the field \"%s\": \"%s\": must be an index 0..%lld", member(t, "gold")->valuestring, gold, (long long)out->n_choices - 1);
    out->target = mem_strdup(out->choices[out->gold]);
    return OK;
}

static int render_target(const task *t, const data_item *item, task_text *out)
{
    const char *absent = text_of(t, "target_if_absent", NULL);
    str         text   = { 0 };
    str_puts(&text, text_of(t, "delimiter", " "));
    int rc = template_fill(text_of(t, "target", ""), item, &text);
    if (rc == ERR_INPUT && absent) {
        str_clear(&text);
        str_printf(&text, "%s%s", text_of(t, "delimiter", " "), absent);
        rc = OK;
    }
    if (!rc) out->target = take(&text);
    str_free(&text);
    return rc;
}

static void render_references(const task *t, const data_item *item, task_text *out)
{
    const json *references = member(t, "references"), *each = references ? json_find(references, "each") : NULL;
    int64_t     n = 0;
    while (each && record_fields(item, each->valuestring, n)) n++;
    out->references = mem_alloc((size_t)n + 1, sizeof *out->references);
    for (int64_t i = 0; i < n; i++) out->references[i] = mem_strdup(record_fields(item, each->valuestring, i)->text);
    out->n_references = n;
}

int task_render(const task *t, const data_item *item, task_text *out)
{
    str prompt = { 0 };
    *out       = (task_text) { 0 };
    int rc     = template_fill(text_of(t, "prompt", ""), item, &prompt);
    if (!rc) rc = filtered(member(t, "prompt_filters"), &prompt);
    out->prompt = take(&prompt);
    if (!rc) rc = t->answer == TASK_CHOICES ? render_choices(t, item, out) : render_target(t, item, out);
    if (!rc) render_references(t, item, out);
    if (!rc) return OK;
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

/* ---- one item to a training example */

static void set_example(train_example *x, const int32_t *tokens, int64_t n, int64_t n_prompt)
{
    *x = (train_example) { .ids = mem_alloc((size_t)n + 1, sizeof *x->ids), .targets = mem_alloc((size_t)n + 1, sizeof *x->targets), .n = n };
    for (int64_t i = 0; i < n; i++) {
        bool scored   = i + 1 < n && i + 1 >= n_prompt;
        x->ids[i]     = tokens[i];
        x->targets[i] = scored ? tokens[i + 1] : -1;
        x->n_scored += scored;
    }
}

/* Labels name the token at their own place, so the one at i is predicted at i - 1. */
static void set_labelled(train_example *x, const data_item *item)
{
    set_example(x, item->token_ids, item->n_tokens, item->n_tokens);
    for (int64_t i = 0; i + 1 < x->n; i++) {
        x->targets[i] = item->token_labels[i + 1] < 0 ? -1 : item->token_labels[i + 1];
        x->n_scored += x->targets[i] >= 0;
    }
}

int task_encode(const task *t, const data_item *item, const tokenizer *tok, train_example *out)
{
    *out = (train_example) { 0 };
    if (item->token_ids) {
        set_labelled(out, item);
        return OK;
    }
    task_text text;
    ids       all = { 0 }, rest = { 0 };
    int       rc = task_render(t, item, &text);
    if (rc) return rc;
    slice target = slice_of(text.target);
    rc           = encode_continuations(tok, slice_of(text.prompt), &target, 1, &all, &rest);
    size_t n     = all.n;
    for (size_t i = 0; i < rest.n && !rc; i++) ids_push(&all, rest.ids[i]);
    const json *append = member(t, "append_eos");
    if (!rc && tokenizer_eos(tok) >= 0 && !(append && cJSON_IsFalse(append))) ids_push(&all, tokenizer_eos(tok));
    if (!rc) set_example(out, all.ids, (int64_t)all.n, (int64_t)n);
    ids_free(&all);
    ids_free(&rest);
    task_text_free(&text);
    return rc;
}

void train_example_free(train_example *x)
{
    free(x->ids);
    free(x->targets);
    *x = (train_example) { 0 };
}
