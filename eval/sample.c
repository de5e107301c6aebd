#include "eval/sample.h"

#include <stdlib.h>

#include "core/json.h"
#include "core/memory.h"

int sample_stats(const request *r, const answer *a, request_kind kind, const metric_list *metrics, double *stats)
{
    const task_text *t          = &r->text;
    slice           *references = mem_alloc((size_t)t->n_references, sizeof *references);
    int64_t         *chars      = mem_alloc((size_t)t->n_choices, sizeof *chars),
            *bytes              = mem_alloc((size_t)t->n_choices, sizeof *bytes);
    metric_input in             = { .prediction   = { str_c(&a->text), a->text.n },
                                    .references   = references,
                                    .n_references = t->n_references };
    for (int64_t i = 0; i < t->n_references; i++) references[i] = slice_of(t->references[i]);
    if (kind == REQUEST_CHOICES) {
        for (int64_t i = 0; i < t->n_choices; i++) {
            slice choice = slice_of(t->choices[i] + t->delimiter);
            chars[i]     = py_length(choice);
            bytes[i]     = (int64_t)choice.n;
        }
        in.choice_ll    = a->ll;
        in.choice_chars = chars;
        in.choice_bytes = bytes;
        in.n_choices    = t->n_choices;
        in.gold         = t->gold;
    } else if (a->n_ll) {
        slice target = slice_of(t->target ? t->target : "");
        in.ll        = a->ll[0];
        in.tokens    = a->tokens ? a->tokens[0] : r->scored;
        in.words     = t->target ? py_resplit_words(target) : 0;
        in.bytes     = (int64_t)target.n;
    }
    int k = 0;
    for (int m = 0; m < metrics->n; k += metrics->rows[m++].n_stats) metric_item(&metrics->rows[m], &in, stats + k);
    free(references);
    free(chars);
    free(bytes);
    return k;
}

static void set_text(json *j, const char *key, const char *text)
{
    if (text) json_set_str(j, key, text);
}

static json *choice_numbers(const request *r, const answer *a, json *tokens, json *greedy)
{
    json *lls = json_array();
    for (int64_t i = 0; i < a->n_ll; i++) {
        json_push(lls, cJSON_CreateNumber(a->ll[i]));
        json_push(tokens, cJSON_CreateNumber((double)(a->tokens ? a->tokens[i] : (int64_t)r->choices[i].n)));
        json_push(greedy, cJSON_CreateBool(a->greedy[i]));
    }
    return lls;
}

static void set_choices(json *j, const request *r, const answer *a)
{
    json *choices = json_array(), *tokens = json_array(), *greedy = json_array();
    for (int64_t i = 0; i < r->text.n_choices; i++) json_push(choices, cJSON_CreateString(r->text.choices[i]));
    json_set(j, "choices", choices);
    json_set_int(j, "gold", r->text.gold);
    json_set(j, "loglikelihoods", choice_numbers(r, a, tokens, greedy));
    json_set(j, "tokens", tokens);
    json_set(j, "greedy", greedy);
}

static void set_scores(json *j, const metric_list *metrics, const double *stats)
{
    json *scores = json_object(), *counts = NULL;
    for (const metric *m = metrics->rows; m < metrics->rows + metrics->n; stats += m++->n_stats) {
        json_set_num(scores, m->name, metric_sentence(m, stats));
        if (m->source != METRIC_TEXT || m->n_stats < 2) continue;
        if (!counts) counts = json_object();
        json_set(counts, m->name, cJSON_CreateDoubleArray(stats, m->n_stats));
    }
    json_set(j, "scores", scores);
    if (counts) json_set(j, "stats", counts);
}

void sample_print(str *out, const data_item *item, const request *r, const answer *a, request_kind kind,
                  const metric_list *metrics, const double *stats)
{
    json *j = json_object();
    json_set_str(j, "id", item->id);
    set_text(j, "prompt", r->text.prompt);
    set_text(j, "target", r->text.target);
    if (kind == REQUEST_GENERATE) {
        json_set_str(j, "prediction", str_c(&a->text));
        json_set_str(j, "stopped", a->stopped);
        json_set_int(j, "tokens", a->n_new);
        json_set_num(j, "min_margin", a->min_margin);
    } else if (kind == REQUEST_CHOICES) {
        set_choices(j, r, a);
    } else {
        json_set_num(j, "loglikelihood", a->ll[0]);
        json_set_int(j, "tokens", a->tokens ? a->tokens[0] : r->scored);
        json_set_bool(j, "greedy", a->greedy[0]);
    }
    json_set_int(j, "cut", r->cut);
    set_scores(j, metrics, stats);
    json_print(j, out, false);
    json_free(j);
}
