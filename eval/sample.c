#include "eval/sample.h"

#include "core/json.h"

static void set_text(json *j, const char *key, const char *text)
{
    if (text) json_set_str(j, key, text);
}

static void set_choices(json *j, const request *r, const answer *a)
{
    json *choices = json_array(), *tokens = json_array(), *greedy = json_array();
    for (int64_t i = 0; i < r->text.n_choices; i++) {
        json_push(choices, json_of_text(r->text.choices[i]));
        json_push(tokens, json_of_number((double)a->tokens[i]));
        json_push(greedy, json_of_bool(a->greedy[i]));
    }
    json_set(j, "choices", choices);
    json_set_int(j, "gold", r->text.gold);
    json_set(j, "loglikelihoods", json_of_numbers(a->ll, (int)a->n_ll));
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
        json_set(counts, m->name, json_of_numbers(stats, m->n_stats));
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
        json_set_int(j, "tokens", a->completion_tokens);
        json_set_num(j, "min_margin", a->min_margin);
    } else if (kind == REQUEST_CHOICES) {
        set_choices(j, r, a);
    } else {
        json_set_num(j, "loglikelihood", a->ll[0]);
        json_set_int(j, "tokens", a->tokens[0]);
        json_set_bool(j, "greedy", a->greedy[0]);
    }
    json_set_int(j, "cut", r->cut);
    set_scores(j, metrics, stats);
    json_print(j, out, false);
    json_free(j);
}
