/* Reads and checks task files. A variant (a member of "prompts") overrides what the file says for
 * all of them. Every variant is checked, so that a file that opens in one opens in all. */
#include "tasks/task.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/nearest.h"
#include "tasks/template.h"

/* Written by tasks/embed.sh. */
extern const struct {
    const char *name, *bytes;
    uint64_t    n;
} task_files[];

/* --- members as rows: what an object may hold, of which kind, and where its value goes */

typedef enum { TEXT, WHOLE_NUMBER, YES_NO, TEXTS, OBJECT } member_kind;
static const char *const kinds[] = { "a string", "a whole number 1..1000000", "true or false", "a list of strings",
                                     "an object" };

typedef struct {
    const char *name;
    member_kind kind;
    size_t      at; /* offset in the struct that is filled in */
} member;

#define FILE_AT(m) offsetof(task, m)
#define RULE_AT(m) offsetof(task_rules, m)

static const member file_members[] = {
    { "task", TEXT, FILE_AT(name) },
    { "version", WHOLE_NUMBER, FILE_AT(version) },
    { "about", TEXT, FILE_AT(about) },
    { "reader", TEXT, FILE_AT(reader) },
    { "default", TEXT, FILE_AT(default_variant) },
    { "prompts", OBJECT, FILE_AT(prompts) },
    { NULL, TEXT, 0 },
};
static const member rule_members[] = {
    { "answer", TEXT, RULE_AT(answer) },
    { "prompt", TEXT, RULE_AT(prompt) },
    { "prompt_filters", TEXTS, RULE_AT(prompt_filters) },
    { "target", TEXT, RULE_AT(target) },
    { "target_if_absent", TEXT, RULE_AT(target_if_absent) },
    { "delimiter", TEXT, RULE_AT(delimiter) },
    { "stop", TEXTS, RULE_AT(stop) },
    { "max_new_tokens", WHOLE_NUMBER, RULE_AT(max_new_tokens) },
    { "scores_bos", YES_NO, RULE_AT(scores_bos) },
    { "append_eos", YES_NO, RULE_AT(append_eos) },
    { "metrics", OBJECT, RULE_AT(metrics) },
    { "metric_options", OBJECT, RULE_AT(metric_options) },
    { "references", OBJECT, RULE_AT(references) },
    { "choices", OBJECT, RULE_AT(choices) },
    { "gold", TEXT, RULE_AT(gold) },
    { "fewshot", OBJECT, RULE_AT(fewshot) },
    { NULL, TEXT, 0 },
};
static const member reference_members[] = { { "each", TEXT, RULE_AT(references_each) }, { NULL, TEXT, 0 } };
static const member option_members[]    = { { "stemmer", YES_NO, RULE_AT(stemmer) },
                                            { "multi", TEXT, RULE_AT(multi) },
                                            { NULL, TEXT, 0 } };
static const member choice_members[]    = {
       { "each", TEXT, RULE_AT(choices_each) },
       { "list", TEXTS, RULE_AT(choices_list) },
       { "filters", TEXTS, RULE_AT(choices_filters) },
       { NULL, TEXT, 0 },
};

static const member shot_members[] = {
    { "separator", TEXT, RULE_AT(shot_separator) },
    { "drop_self", YES_NO, RULE_AT(shots_drop_self) },
    { NULL, TEXT, 0 },
};

static bool is_kind(const json *j, member_kind kind)
{
    double v = j->valuedouble;
    switch (kind) {
    case TEXT: return json_text(j);
    case WHOLE_NUMBER: return json_is_number(j) && v >= 1 && v <= 1e6 && v == (double)(int64_t)v;
    case YES_NO: return json_is_bool(j);
    case OBJECT: return json_is_object(j);
    case TEXTS:
        for (const json *e = json_is_array(j) ? j->child : NULL; e; e = e->next)
            if (!json_text(e)) return false;
        return json_is_array(j);
    }
    return false;
}

static void store(const json *j, member_kind kind, void *at)
{
    switch (kind) {
    case TEXT: *(const char **)at = j->valuestring; break;
    case WHOLE_NUMBER: *(int64_t *)at = (int64_t)j->valuedouble; break;
    case YES_NO: *(bool *)at = json_is_true(j); break;
    case TEXTS:
    case OBJECT: *(const json **)at = j; break;
    }
}

static const member *find_member(const member *rows, const char *name)
{
    for (; rows->name; rows++)
        if (!strcmp(rows->name, name)) return rows;
    return NULL;
}

static int unknown_member(const char *where, const char *name, const member *rows, const member *more)
{
    const char *names[64] = { 0 };
    size_t      n         = 0;
    for (; rows->name; rows++) names[n++] = rows->name;
    for (; more && more->name; more++) names[n++] = more->name;
    return input_error("%s: \"%.40s\": there is no such member here%s; there are %s", where, name,
                       did_you_mean_as(name, names, "\"", "\"").text, words_listed(names, ", ", ", ").text);
}

/* Reads every member of obj, by the rows, into `into`. Where obj may hold the members of a variant
 * too, these go into `rules`; else rules is NULL. */
static int read_members(const json *obj, const char *where, const member *rows, void *into, task_rules *rules)
{
    for (const json *j = obj->child; j; j = j->next) {
        const member *m = find_member(rows, j->string);
        void         *s = into;
        if (!m && rules) m = find_member(rule_members, j->string), s = rules;
        if (!m) return unknown_member(where, j->string, rows, rules ? rule_members : NULL);
        if (!is_kind(j, m->kind)) return json_refuse(j, where, m->name, kinds[m->kind]);
        if (json_find(obj, j->string) != j) return input_error("%s: \"%s\": is there twice", where, m->name);
        store(j, m->kind, (char *)s + m->at);
    }
    return OK;
}

/* --- what a variant must say */

static const char *const answers[] = {
    [TASK_GENERATE] = "generate", [TASK_CHOICES] = "choices", [TASK_LIKELIHOOD] = "likelihood", NULL
};

/* The index of text in a list that NULL ends, or -1 with a message that names what there is. */
static int index_in(const char *const *names, const char *text, const char *where, const char *key)
{
    int i = word_index(text, names);
    if (i < 0) input_error("%s: %s: \"%.40s\": must be %s", where, key, text, words_listed(names, ", ", " or ").text);
    return i;
}

static int read_metric_options(const task_rules *r, const char *where, metric_options *out)
{
    *out  = (metric_options) { .stemmer = r->stemmer };
    int k = r->multi ? index_in(metric_multi_names, r->multi, where, "metric_options: \"multi\"") : REFERENCES_MAX;
    if (k < 0) return ERR_INPUT;
    out->multi = (metric_multi)k;
    return OK;
}

static int check_metrics(const task_rules *r, const char *where, metric_options *options, metric_list *out)
{
    str place = { 0 };
    out->n    = 0;
    str_printf(&place, "%s: metrics", where);
    int rc = read_metric_options(r, where, options);
    for (const json *j = r->metrics ? r->metrics->child : NULL; j && !rc; j = j->next) {
        rc = metric_list_add(out, j->string, options, place.s);
        if (rc) break;
        const metric *m = &out->rows[out->n - 1];
        if (!json_text(j) || strcmp(j->valuestring, m->higher ? "higher" : "lower"))
            rc = input_error("%s: \"%s\": must be \"%s\": that way it is better", place.s, m->name,
                             m->higher ? "higher" : "lower");
    }
    str_free(&place);
    if (rc) return rc;
    return out->n
               ? OK
               : input_error("%s: \"metrics\": names none; it must be an object such as {\"exact_match\": \"higher\"}",
                             where);
}

static int check_filters(const json *list, const char *where)
{
    for (const json *f = list ? list->child : NULL; f; f = f->next) {
        int rc = template_filter(f->valuestring, NULL);
        if (rc) return error_context(rc, "%s", where);
    }
    return OK;
}

static int check_choices(const task_rules *r, const char *where)
{
    if (!r->choices || !r->choices_each == !(r->choices_list && r->choices_list->child))
        return input_error("%s: \"choices\": must be {\"each\": FIELD} or {\"list\": [TEXT, ...]}", where);
    if (!r->gold)
        return input_error("%s: \"gold\" is missing: the field that holds the right choice's index, from 0", where);
    return check_filters(r->choices_filters, where);
}

static int check_generation(const task_rules *r, const char *where)
{
    if (!r->target) return input_error("%s: \"target\" is missing: the template of the right answer", where);
    if (!r->references_each)
        return input_error("%s: \"references\": must be {\"each\": FIELD}: the right answers", where);
    if (!r->max_new_tokens)
        return input_error("%s: \"max_new_tokens\" is missing: the most an answer may take, 1..1000000", where);
    for (const json *s = r->stop ? r->stop->child : NULL; s; s = s->next)
        if (!s->valuestring[0])
            return input_error("%s: \"stop\": an empty string would stop every answer at once", where);
    return OK;
}

static int check_rules(const task *t, const task_rules *r, const char *where, task_answer_kind *answer)
{
    int k = index_in(answers, r->answer, where, "\"answer\"");
    if (k < 0) return ERR_INPUT;
    *answer = (task_answer_kind)k;
    if (!task_needs_tokenizer(t)) return OK; /* its items are ready-made ids, so there is no text to make */
    if (!r->prompt) return input_error("%s: \"prompt\" is missing", where);
    int rc = template_check(r->prompt, where);
    if (!rc && r->target) rc = template_check(r->target, where);
    if (!rc) rc = check_filters(r->prompt_filters, where);
    if (!rc && *answer == TASK_GENERATE) rc = check_generation(r, where);
    if (!rc && *answer == TASK_CHOICES) rc = check_choices(r, where);
    if (!rc && *answer == TASK_LIKELIHOOD && !r->target)
        rc = input_error("%s: \"target\" is missing: the template of the text to score", where);
    return rc;
}

/* Reads one variant's rules over those of the file; the chosen variant's stay in the task. */
static int read_variant(task *t, const task_rules *common, const json *variant, bool chosen)
{
    task_rules       r      = *common;
    task_answer_kind answer = TASK_GENERATE;
    metric_options   options;
    metric_list      metrics;
    str              where = { 0 };
    str_printf(&where, "%s: prompts.%s", t->where, variant->string);
    int rc = json_is_object(variant) ? read_members(variant, where.s, rule_members, &r, NULL)
                                     : input_error("%s: must be an object", where.s);
    if (!rc && r.references) rc = read_members(r.references, where.s, reference_members, &r, NULL);
    if (!rc && r.choices) rc = read_members(r.choices, where.s, choice_members, &r, NULL);
    if (!rc && r.metric_options) rc = read_members(r.metric_options, where.s, option_members, &r, NULL);
    if (!rc && r.fewshot) rc = read_members(r.fewshot, where.s, shot_members, &r, NULL);
    if (!rc) rc = check_rules(t, &r, where.s, &answer);
    if (!rc) rc = check_metrics(&r, where.s, &options, &metrics);
    if (!rc && chosen) {
        t->variant = variant->string;
        t->rules   = r;
        t->answer  = answer;
        t->options = options;
        t->metrics = metrics;
    }
    str_free(&where);
    return rc;
}

static int no_variant(const task *t, const char *what, const char *name)
{
    const char *names[32] = { 0 };
    int         n         = 0;
    for (const json *p = t->prompts->child; p && n < 31; p = p->next) names[n++] = p->string;
    return input_error("%s: %s %.40s: the task has no such variant%s; there are %s", t->where, what, name,
                       did_you_mean(name, names).text, n ? words_listed(names, ", ", ", ").text : "none");
}

static int check_reader(const task *t)
{
    const char *names[16] = { 0 };
    for (int i = 0; i < 15 && dataset_reader_name(i); i++) names[i] = dataset_reader_name(i);
    if (word_index(t->reader, names) >= 0) return OK;
    return input_error("%s: \"reader\": \"%.40s\": there are %s", t->where, t->reader,
                       words_listed(names, ", ", ", ").text);
}

static int read_task(task *t, const char *prompt)
{
    task_rules common = {
        .answer = answers[TASK_GENERATE], .delimiter = " ", .append_eos = true, .shot_separator = "\n\n"
    };
    if (!json_is_object(t->doc)) return input_error("%s: must be a JSON object", t->where);
    int rc = read_members(t->doc, t->where, file_members, t, &common);
    for (const member *m = file_members; m->name && !rc; m++)
        if (strcmp(m->name, "about") && !json_find(t->doc, m->name))
            rc = json_refuse(NULL, t->where, m->name, kinds[m->kind]);
    if (!rc) rc = check_reader(t);
    const char *chosen = prompt ? prompt : t->default_variant;
    for (const json *v = rc ? NULL : t->prompts->child; v && !rc; v = v->next)
        rc = read_variant(t, &common, v, !strcmp(v->string, chosen));
    if (!rc && !json_find(t->prompts, t->default_variant)) return no_variant(t, "\"default\":", t->default_variant);
    if (!rc && !t->variant) return no_variant(t, "--prompt", chosen);
    return rc;
}

/* --- opening */

int task_parse(task **out, const char *text, size_t n, const char *where, const char *prompt)
{
    task *t  = mem_alloc(1, sizeof *t);
    t->where = mem_strdup(where);
    int rc   = json_parse(&t->doc, text, n, where);
    if (!rc) rc = read_task(t, prompt);
    if (rc) {
        task_close(t);
        t = NULL;
    }
    *out = t;
    return rc;
}

static int no_task(const char *name)
{
    const char *names[64] = { 0 };
    for (int i = 0; task_files[i].name && i < 63; i++) names[i] = task_files[i].name;
    return input_error("task \"%s\": no such task%s; there are %s, or give the path of a task file (.json)", name,
                       did_you_mean(name, names).text, words_listed(names, ", ", ", ").text);
}

int task_open(task **out, const char *name_or_file, const char *prompt)
{
    size_t n = strlen(name_or_file);
    *out     = NULL;
    if (n > 5 && !strcmp(name_or_file + n - 5, ".json")) {
        str text = { 0 };
        int rc   = file_read(name_or_file, 1u << 20, &text);
        if (!rc) rc = task_parse(out, str_c(&text), text.n, name_or_file, prompt);
        str_free(&text);
        return rc;
    }
    for (int i = 0; task_files[i].name; i++)
        if (!strcmp(name_or_file, task_files[i].name))
            return task_parse(out, task_files[i].bytes, task_files[i].n, name_or_file, prompt);
    return no_task(name_or_file);
}

void task_close(task *t)
{
    if (!t) return;
    json_free(t->doc);
    free(t->where);
    free(t);
}

const char *task_builtin_name(int i)
{
    for (int k = 0; k <= i; k++)
        if (!task_files[k].name) return NULL;
    return task_files[i].name;
}

int  task_read(const task *t, const char *path, dataset **out) { return dataset_read(out, t->reader, path); }
bool task_needs_tokenizer(const task *t) { return strcmp(t->reader, "tokens") != 0; }
