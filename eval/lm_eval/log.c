#include "eval/lm_eval/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/record.h"
#include "metrics/gsm8k.h"
#include "tasks/original.h"
#include "eval/lm_eval/pyjson.h"

/* --- filters: the harness scores a text once for each way of extracting its answer */

typedef struct {
    const char *ours, *theirs, *filter;
    slice (*extract)(slice text); /* NULL: the text as it is */
} metric_name;

static const metric_name names[] = {
    { "exact_match", "exact_match", "strict-match", gsm8k_strict },
    { "exact_match_flexible", "exact_match", "flexible-extract", gsm8k_flexible },
};
static const char no_filter[] = "none";

static const metric_name *name_of(const char *ours)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i].ours, ours)) return &names[i];
    return NULL;
}

void lm_eval_metric(const char *ours, const char **theirs, const char **filter)
{
    const metric_name *m = name_of(ours);
    *theirs              = m ? m->theirs : ours;
    *filter              = m ? m->filter : no_filter;
}

/* --- one line */

typedef struct {
    const lm_eval_run *run;
    originals          originals;
    str                out, hashes;
} log_file;

static void set_hash(json *line, const char *key, const char *text, size_t n)
{
    char hex[65];
    sha256_hex(text, n, hex);
    json_set_str(line, key, hex);
}

/* A log-likelihood as the harness's logs have it: a text. */
static json *repr(double ll)
{
    str number = { 0 };
    py_repr(ll, &number);
    json *text = json_of_text(number.s);
    str_free(&number);
    return text;
}

/* The pair (log-likelihood, is_greedy) as two strings. */
static json *scored_response(double ll, bool greedy)
{
    return json_list(repr(ll), json_of_text(greedy ? "True" : "False"), NULL);
}

/* What a sample's requests were and what was answered. */
typedef struct {
    json *arguments, *resps, *filtered;
} exchange;

/* Adds arguments.gen_args_I, which say what the model was asked, and its answer. second may be
 * NULL; filtered NULL: the answer as it is. */
static void add_request(exchange *x, const char *first, json *second, json *answer, json *filtered)
{
    char  key[32];
    json *args = json_object();
    snprintf(key, sizeof key, "gen_args_%d", json_size(x->resps));
    json_set_str(args, "arg_0", first);
    if (second) json_set(args, "arg_1", second);
    json_set(x->arguments, key, args);
    json_push(x->filtered, filtered ? filtered : json_copy(answer));
    json_push(x->resps, json_list(answer, NULL));
}

json *lm_eval_generation_kwargs(const lm_eval_run *r)
{
    json *args = json_object();
    json_set(args, "until", r->task->rules.stop ? json_copy(r->task->rules.stop) : json_array());
    json_set_bool(args, "do_sample", false);
    json_set(args, "temperature", py_float(0));
    json_set(args, "max_gen_toks",
             json_copy(record_get(record_get(r->record, field_record_asked), field_asked_max_new_tokens)));
    return args;
}

/* Adds the three members that hold a sample's requests and answers, in the harness's order. */
static void add_exchange(json *line, const lm_eval_run *r, const json *sample, const metric_name *filter)
{
    exchange    x       = { json_object(), json_array(), json_array() };
    const char *prompt  = json_find(sample, "prompt") ? json_find(sample, "prompt")->valuestring : "";
    const json *choices = json_find(sample, "choices"), *text = json_find(sample, "prediction");
    const json *greedy = json_find(sample, "greedy");
    if (choices) {
        int k = 0;
        for (const json *c = choices->child; c; c = c->next, k++) {
            double ll = json_number(json_at(json_find(sample, "loglikelihoods"), k));
            add_request(&x, prompt, json_copy(c), scored_response(ll, json_is_true(json_at(greedy, k))), NULL);
        }
    } else if (text) {
        slice whole = slice_of(text->valuestring), kept = filter && filter->extract ? filter->extract(whole) : whole;
        char *own = mem_strndup(kept.s, kept.n);
        add_request(&x, prompt, lm_eval_generation_kwargs(r), json_copy(text), json_of_text(own));
        free(own);
    } else {
        const char *target = json_text(json_find(sample, "target"));
        double      ll     = json_number(json_find(sample, "loglikelihood"));
        if (*prompt)
            add_request(&x, prompt, target ? json_of_text(target) : NULL, scored_response(ll, json_is_true(greedy)),
                        NULL);
        else /* a rolling request has the text alone, and its answer no is_greedy */
            add_request(&x, target ? target : "", NULL, json_list(repr(ll), NULL), repr(ll));
    }
    json_set(line, "arguments", x.arguments);
    json_set(line, "resps", x.resps);
    json_set(line, "filtered_resps", x.filtered);
}

static json *texts(char *const *items, int64_t n)
{
    json *list = json_array();
    for (int64_t i = 0; i < n; i++) json_push(list, json_of_text(items[i]));
    return list;
}

/* A metric's value for one document: a number, or the pieces that the metric over all documents is
 * made of. */
static json *metric_json(const char *name, const json *sample, const task_text *text)
{
    const metric *m     = metric_find(name);
    const json   *score = json_find(json_find(sample, "scores"), name);
    if (m->source == METRIC_LIKELIHOOD) {
        metric_input in = { .ll = 0, .tokens = (int64_t)json_find(sample, "tokens")->valuedouble };
        double       stats[METRIC_STATS_MAX];
        in.words = text->target ? py_resplit_words(slice_of(text->target)) : 0;
        in.bytes = text->target ? (int64_t)strlen(text->target) : 0;
        metric_item(m, &in, stats);
        return json_list(py_float(json_number(json_find(sample, "loglikelihood"))), json_of_number(stats[1]), NULL);
    }
    if (m->n_stats == 1) return py_float(score->valuedouble);
    json *references = text->n_references == 1 ? json_of_text(text->references[0])
                                               : texts(text->references, text->n_references);
    return json_list(references, json_copy(json_find(sample, "prediction")), NULL);
}

/* The document: the item as its file has it, and for multiple choice what HellaSwag's
 * process_docs adds. */
static json *document(const log_file *f, const data_item *item, const task_text *text)
{
    json *doc = original_or_fields(&f->originals, item);
    if (!text->n_choices) return doc;
    json *choices = json_array();
    for (int64_t i = 0; i < text->n_choices; i++) json_push(choices, json_of_text(text->choices[i] + text->delimiter));
    json_set_str(doc, "query", text->prompt);
    json_set(doc, "choices", choices);
    json_set_int(doc, "gold", text->gold);
    return doc;
}

/* Appends the target as the harness logs it: the right choice's index, or the answer without its
 * delimiter; nothing where there is none. */
static void put_target(const task_text *text, str *out)
{
    if (text->target && text->n_choices)
        str_printf(out, "%lld", (long long)text->gold);
    else if (text->target)
        str_puts(out, text->target + text->delimiter);
}

static void add_line(log_file *f, int64_t i, const json *sample, const task_text *text, const char *filter)
{
    const lm_eval_run *r = f->run;
    json *line = json_object(), *doc = document(f, &r->data->items[r->chosen[i]], text), *listed = json_array(),
         *values              = json_object();
    const metric_name *how    = NULL;
    str                dumped = { 0 }, target = { 0 };
    put_target(text, &target);
    const char *theirs, *of;
    for (const json *s = json_find(sample, "scores")->child; s; s = s->next) {
        lm_eval_metric(s->string, &theirs, &of);
        if (strcmp(of, filter)) continue;
        how = name_of(s->string);
        json_push(listed, json_of_text(theirs));
        json_set(values, theirs, metric_json(s->string, sample, text));
    }
    json_set_int(line, "doc_id", r->chosen[i]);
    py_dumps(doc, 2, &dumped);
    json_set(line, "doc", doc);
    json_set_str(line, "target", str_c(&target));
    add_exchange(line, r, sample, how);
    json_set_str(line, "filter", filter);
    json_set(line, "metrics", listed);
    const char *first = json_find(json_find(json_find(line, "arguments"), "gen_args_0"), "arg_0")->valuestring;
    set_hash(line, "doc_hash", dumped.s, dumped.n);
    set_hash(line, "prompt_hash", first, strlen(first));
    set_hash(line, "target_hash", str_c(&target), target.n);
    for (const char *const *h = (const char *const[]) { "doc_hash", "prompt_hash", "target_hash", NULL }; *h; h++)
        str_puts(&f->hashes, json_find(line, *h)->valuestring);
    for (json *v = values->child, *next; v; v = next) {
        next = v->next;
        json_set(line, v->string, json_copy(v));
    }
    py_dumps(line, 0, &f->out);
    str_putc(&f->out, '\n');
    str_free(&dumped);
    str_free(&target);
    json_free(values);
    json_free(line);
}

/* --- the file */

static int parse_samples(const lm_eval_run *r, json ***out)
{
    str         text = { 0 };
    size_t      at   = 0, n;
    const char *line;
    int64_t     i = 0;
    *out          = mem_alloc((size_t)r->n, sizeof **out);
    int rc        = file_read(r->samples, (size_t)1 << 36, &text);
    while (!rc && next_line(str_c(&text), text.n, &at, &line, &n) && i < r->n)
        rc = json_parse(&(*out)[i++], line, n, r->samples);
    if (!rc && i < r->n)
        rc = input_error("%s: holds %lld samples, the record says %lld", r->samples, (long long)i, (long long)r->n);
    str_free(&text);
    return rc;
}

/* Adds a line for each sample under one filter. */
static int add_filter(log_file *f, json *const *samples, const char *filter)
{
    const lm_eval_run *r  = f->run;
    int                rc = OK;
    for (int64_t i = 0; i < r->n && !rc; i++) {
        task_text text = { 0 };
        if (task_needs_tokenizer(r->task)) rc = task_render(r->task, &r->data->items[r->chosen[i]], &text);
        if (!rc) add_line(f, i, samples[i], &text, filter);
        task_text_free(&text);
    }
    return rc;
}

/* Goes through the filters in the metrics' order: all documents of one, then all of the next. */
static int add_lines(log_file *f, json *const *samples)
{
    const char *done[METRICS_MAX], *theirs, *filter;
    int         n = 0, rc = OK;
    const json *metrics = record_get(record_get(f->run->record, field_record_result), field_result_metrics);
    for (const json *m = json_members(metrics); m && !rc; m = m->next) {
        bool seen = false;
        lm_eval_metric(m->string, &theirs, &filter);
        for (int k = 0; k < n; k++) seen |= !strcmp(done[k], filter);
        if (seen) continue;
        done[n++] = filter;
        rc        = add_filter(f, samples, filter);
    }
    return rc;
}

/* Makes "2026-01-31T12-00-00.123456", the form of the harness's file names, of the record's
 * "2026-01-31T12:00:00Z". The last six digits come from the cell's id, so that two runs of one
 * second have different names. */
static void date_of(const lm_eval_run *r, char out[40])
{
    unsigned long long id = strtoull(record_text(r->record, field_record_id, ""), NULL, 16);
    snprintf(out, 40, "%.19s.%06u", record_text(r->record, field_record_created, ""), (unsigned)(id % 1000000));
    for (char *c = out; *c; c++)
        if (*c == ':') *c = '-';
}

int lm_eval_log_write(const lm_eval_run *r, const char *dir)
{
    log_file f       = { .run = r };
    json   **samples = NULL;
    char     date[40], hash[65];
    str      results = { 0 };
    int      rc      = file_make_dirs(dir);
    if (!rc) rc = parse_samples(r, &samples);
    if (!rc) rc = originals_open(&f.originals, r->data_file);
    if (!rc) originals_find_lists(&f.originals, r->data);
    if (!rc) rc = add_lines(&f, samples);
    if (!rc) {
        str name = { 0 };
        date_of(r, date);
        sha256_hex(str_c(&f.hashes), f.hashes.n, hash);
        json *all = lm_eval_results(r, hash);
        py_dumps(all, 2, &results);
        json_free(all);
        str_printf(&name, "samples_%s_%s.jsonl", r->task->name, date);
        rc = file_write_in(dir, name.s, &f.out);
        str_clear(&name);
        str_printf(&name, "results_%s.json", date);
        if (!rc) rc = file_write_in(dir, name.s, &results);
        str_free(&name);
    }
    for (int64_t i = 0; samples && i < r->n; i++) json_free(samples[i]);
    free(samples);
    originals_free(&f.originals);
    str_free(&f.out);
    str_free(&f.hashes);
    str_free(&results);
    return rc;
}
