#include "eval/harness.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/progress.h"
#include "eval/sample.h"
#include "tasks/item_stats.h"
#include "tasks/subset.h"

/* When no batch is asked for, a forward has so many tokens: enough rows for the matrix products to
 * run at full rate, few enough to stay in cache. */
enum { TOKENS_PER_FORWARD = 2048, SEQUENCES = 16, GROUPS_OF_SEQUENCES = 4, GROUPS_OF_REQUESTS = 64 };

/* --- what is asked */

static const char *const source_names[] = { [METRIC_TEXT]       = "scores generated texts",
                                            [METRIC_CHOICES]    = "scores multiple choice",
                                            [METRIC_LIKELIHOOD] = "scores log-likelihoods" };

int harness_metrics(const task *t, const char *names, metric_list *metrics, request_kind *kind)
{
    static const struct {
        metric_source source;
        request_kind  kind;
    } own[]              = { [TASK_GENERATE]   = { METRIC_TEXT, REQUEST_GENERATE },
                             [TASK_CHOICES]    = { METRIC_CHOICES, REQUEST_CHOICES },
                             [TASK_LIKELIHOOD] = { METRIC_LIKELIHOOD, REQUEST_TEXT } };
    metric_source source = own[t->answer].source;
    int           rc     = OK;
    *metrics             = t->metrics;
    *kind                = own[t->answer].kind;
    if (names) {
        metrics->n = 0;
        rc         = metric_list_parse(metrics, names, &t->options, "--metrics");
        if (!rc && metrics->rows[0].source == METRIC_LIKELIHOOD) {
            source = METRIC_LIKELIHOOD;
            *kind  = REQUEST_TARGET;
        }
    } else if (!task_needs_tokenizer(t)) {
        *kind = REQUEST_TARGET;
    }
    for (int i = 0; i < metrics->n && !rc; i++)
        if (metrics->rows[i].source != source)
            rc = input_error("metric %s %s, and the task %s %s", metrics->rows[i].name,
                             source_names[metrics->rows[i].source], t->name, source_names[source]);
    return rc;
}

static int plan_new_tokens(const task *t, int64_t asked, request_rules *rules)
{
    int64_t positions = rules->positions;
    if (asked && rules->kind != REQUEST_GENERATE)
        return input_error("--max-new-tokens %lld: nothing is generated here, %s: leave the option out",
                           (long long)asked,
                           t->answer == TASK_GENERATE ? "the metric scores the targets' log-likelihoods"
                                                      : "the task is answered by log-likelihoods");
    if (rules->kind != REQUEST_GENERATE) return OK;
    if (asked >= positions)
        return input_error("--max-new-tokens %lld: the model has %lld positions and one is the prompt's: 1..%lld",
                           (long long)asked, (long long)positions, (long long)(positions - 1));
    rules->max_new = asked ? asked : t->rules.max_new_tokens;
    if (rules->max_new >= positions) {
        rules->max_new = positions / 2;
        warn("the task %s asks for %lld new tokens and the model has %lld positions: "
             "%lld are generated, the rest is the prompt's",
             t->name, (long long)t->rules.max_new_tokens, (long long)positions, (long long)rules->max_new);
    }
    return OK;
}

int harness_make_plan(const harness *h, harness_plan *out)
{
    request_rules *rules = &out->rules;
    *out                 = (harness_plan) { 0 };
    int rc               = harness_metrics(h->task, h->metrics, &out->metrics, &rules->kind);
    rules->positions     = h->lm->max_length - h->lm->reserved[rules->kind];
    rules->as_text       = !h->lm->tok && task_needs_tokenizer(h->task);
    out->chosen          = subset_choose(h->data->n, h->limit, h->shuffled, h->shuffle_seed, &out->n);
    return rc ? rc : plan_new_tokens(h->task, h->max_new_tokens, rules);
}

void harness_plan_free(harness_plan *p)
{
    free(p->chosen);
    *p = (harness_plan) { 0 };
}

/* --- groups */

typedef struct {
    const harness      *h;
    const harness_plan *plan;
    harness_result     *out;
    lm_batch            batch; /* what all groups have in common */
    int64_t             n, group_items;
    request            *requests; /* [n] */
    int64_t            *order;    /* items, longest first */
    shot_set            shots;
    progress            bar;
    int64_t             done;
} run;

/* Longest first, so that the memory needed and the time left are known early; then data order. */
static int by_cost(const void *a, const void *b, void *requests)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b, cx = ((const request *)requests)[x].cost,
            cy = ((const request *)requests)[y].cost;
    return cx != cy ? (cx < cy ? 1 : -1) : (x > y) - (x < y);
}

static int prepare_item(run *r, int64_t i, str *shots)
{
    const harness   *h    = r->h;
    const data_item *item = &h->data->items[r->plan->chosen[i]];
    int              rc   = shots_text(&r->shots, r->plan->chosen[i], shots);
    if (rc) return rc;
    rc          = request_make(&r->requests[i], h->task, item, str_c(shots), h->lm->tok, r->plan->rules);
    r->order[i] = i;
    return rc && h->where ? error_context(rc, "%s", h->where) : rc;
}

static int prepare(run *r)
{
    const harness *h     = r->h;
    str            shots = { 0 };
    r->requests          = mem_alloc((size_t)r->n, sizeof *r->requests);
    r->order             = mem_alloc((size_t)r->n, sizeof *r->order);
    int rc               = shots_open(&r->shots, &h->shots, h->task);
    if (!rc) rc = shots_draw(&r->shots, h->data, h->where, r->n ? r->plan->chosen[r->n - 1] + 1 : 0);
    for (int64_t i = 0; i < r->n && !rc; i++) {
        rc = prepare_item(r, i, &shots);
        str_clear(&shots);
    }
    str_free(&shots);
    if (!rc) qsort_r(r->order, (size_t)r->n, sizeof *r->order, by_cost, r->requests);
    return rc;
}

/* Hashes prompts, targets and choices as they are asked, each followed by a NUL. Scores can be
 * compared where this hash is the same. */
static void hash_prompts(const run *r, char out[65])
{
    str all = { 0 };
    for (int64_t i = 0; i < r->n; i++) {
        const task_text *t = &r->requests[i].text;
        if (t->prompt) str_add(&all, t->prompt, strlen(t->prompt) + 1);
        if (t->target) str_add(&all, t->target, strlen(t->target) + 1);
        for (int64_t c = 0; c < t->n_choices; c++) str_add(&all, t->choices[c], strlen(t->choices[c]) + 1);
    }
    sha256_hex(str_c(&all), all.n, out);
    str_free(&all);
}

static int check_adapter(const run *r)
{
    lm            *m     = r->h->lm;
    adapter_delta *delta = &r->out->delta;
    if (!m->probe) return OK;
    int rc = m->probe(m, r->requests, r->n, r->plan->rules.positions, delta);
    if (!rc && delta->max_abs_logit == 0 && !r->h->allow_identity)
        rc = run_error("%s: changes no logit of the first %lld items: this adapter was not trained or not applied, "
                       "and its scores would be the base's; --allow-identity scores it all the same",
                       m->adapter ? m->adapter : "the adapter", (long long)delta->items);
    return rc;
}

/* The end of the group that begins at `first`. It depends on the data and the batch alone, never on
 * what is finished already. */
static int64_t group_end(const run *r, int64_t first)
{
    if (r->group_items) return first + r->group_items < r->n ? first + r->group_items : r->n;
    int64_t tokens = r->requests[r->order[first]].cost, end = first + 1;
    while (end < r->n && tokens + r->requests[r->order[end]].cost <= r->batch.max_tokens)
        tokens += r->requests[r->order[end++]].cost;
    return end;
}

static bool item_finished(const run *r, int64_t item) { return r->out->items.items[item].finished; }

static bool group_finished(const run *r, int64_t first, int64_t end)
{
    for (int64_t i = first; i < end; i++)
        if (!item_finished(r, r->order[i])) return false;
    return true;
}

/* Items of groups that an earlier run finished. The progress bar begins there, so that its rate
 * counts only what is done now. */
static int64_t finished_before(const run *r)
{
    int64_t n = 0;
    for (int64_t first = 0, end; first < r->n; first = end) {
        end = group_end(r, first);
        if (group_finished(r, first, end)) n += end - first;
    }
    return n;
}

/* --- answers */

/* A group at work. */
typedef struct {
    run     *r;
    int64_t *places; /* the items asked */
    answer  *answers;
} group;

static void show(void *ctx, int64_t count)
{
    group *g = ctx;
    progress_update(&g->r->bar, g->r->done + count, NULL);
}

static int keep(void *ctx, int64_t i)
{
    double             stats[METRICS_MAX * METRIC_STATS_MAX];
    str                sample  = { 0 };
    group             *g       = ctx;
    run               *r       = g->r;
    const answer      *a       = &g->answers[i];
    const request     *q       = &r->requests[g->places[i]];
    const metric_list *metrics = &r->plan->metrics;
    request_kind       kind    = r->plan->rules.kind;
    item_answer        known   = { .prediction = { str_c(&a->text), a->text.n } };
    if (kind == REQUEST_CHOICES) known.choice_ll = a->ll;
    if (kind == REQUEST_TEXT || kind == REQUEST_TARGET) known.ll = a->ll[0], known.tokens = a->tokens[0];
    item_stats(&q->text, &known, metrics, stats);
    sample_print(&sample, &r->h->data->items[r->plan->chosen[g->places[i]]], q, a, kind, metrics, stats);
    r->out->tokens_now += a->prompt_tokens + a->completion_tokens;
    return journal_add(&r->out->items, g->places[i],
                       (finished_item) { .cut               = q->cut,
                                         .prompt_tokens     = a->prompt_tokens,
                                         .completion_tokens = a->completion_tokens,
                                         .stats             = stats,
                                         .sample            = sample.s });
}

/* Asks what is left of a group, or all of it again where the model needs its batches whole, and
 * keeps each answer as it comes. */
static int work_on(run *r, int64_t first, int64_t end)
{
    lm             *m        = r->h->lm;
    size_t          most     = (size_t)(end - first);
    const request **requests = mem_alloc(most, sizeof *requests);
    group           g        = { r, mem_alloc(most, sizeof *g.places), mem_alloc(most, sizeof *g.answers) };
    lm_batch        ask      = r->batch;
    ask.requests             = requests;
    for (int64_t i = first; i < end; i++) {
        if (item_finished(r, r->order[i]) && !m->whole_batches) continue;
        g.places[ask.n]   = r->order[i];
        requests[ask.n++] = &r->requests[r->order[i]];
    }
    int rc = m->answer(m, &ask, g.answers, (lm_listener) { .progress = show, .answered = keep, .ctx = &g });
    r->done += end - first;
    progress_update(&r->bar, r->done, NULL);
    for (int64_t i = 0; i < ask.n; i++) answer_free(&g.answers[i]);
    free(g.answers);
    free(g.places);
    free(requests);
    return rc;
}

/* --- sums */

static void summarize(const run *r)
{
    harness_result    *out     = r->out;
    const metric_list *metrics = &r->plan->metrics;
    double            *column  = NULL;
    int                offset  = 0;
    for (int m = 0; m < metrics->n; offset += metrics->rows[m++].n_stats) {
        int width = metrics->rows[m].n_stats;
        column    = mem_resize(column, (size_t)(out->n * width), sizeof *column);
        for (int64_t i = 0; i < out->n; i++)
            memcpy(column + i * width, out->items.items[i].stats + offset, (size_t)width * sizeof *column);
        out->value[m] = metric_value(&metrics->rows[m], column, out->n);
        out->error[m] = metric_stderr(&metrics->rows[m], column, out->n);
    }
    free(column);
    for (int64_t i = 0; i < out->n; i++) {
        const finished_item *f = &out->items.items[i];
        out->prompt_tokens += f->prompt_tokens;
        out->completion_tokens += f->completion_tokens;
        out->cut_items += f->cut > 0;
        out->cut_tokens += f->cut;
        int64_t n_refs = r->requests[i].text.n_references;
        out->n_refs    = i == 0 || n_refs == out->n_refs ? n_refs : 0;
    }
}

/* How many requests make a group, and how they are packed into forwards. */
static void plan_groups(run *r, const stop_list *stops)
{
    int64_t asked = r->h->batch, tokens = asked * r->plan->rules.positions;
    r->batch = (lm_batch) { .rules      = r->plan->rules,
                            .stops      = stops,
                            .sequences  = asked ? asked : SEQUENCES,
                            .max_tokens = tokens > TOKENS_PER_FORWARD ? tokens : TOKENS_PER_FORWARD };
    if (!asked && r->h->lm->group)
        r->group_items = r->h->lm->group;
    else
        r->group_items = r->plan->rules.kind == REQUEST_GENERATE ? r->batch.sequences * GROUPS_OF_SEQUENCES : asked;
}

static int open_journal(const run *r)
{
    char text[64];
    int  n_stats = 0;
    snprintf(text, sizeof text, "batch %lld", (long long)r->h->batch);
    for (int m = 0; m < r->plan->metrics.n; m++) n_stats += r->plan->metrics.rows[m].n_stats;
    return journal_open(&r->out->items, r->h->journal, r->h->cell, text, r->n, n_stats);
}

static int work_through(run *r)
{
    int rc = OK;
    r->bar = progress_start(r->h->task->name, r->n, "item", r->h->quiet);
    progress_update(&r->bar, r->done = finished_before(r), NULL);
    for (int64_t first = 0, end; first < r->n && !rc; first = end) {
        end = group_end(r, first);
        if (!group_finished(r, first, end)) rc = work_on(r, first, end);
    }
    progress_end(&r->bar);
    return rc;
}

int harness_run(const harness *h, const harness_plan *plan, harness_result *out)
{
    stop_list stops = { 0 };
    run       r     = { .h = h, .plan = plan, .out = out, .n = plan->n };
    *out            = (harness_result) { .n = plan->n };
    plan_groups(&r, &stops);
    int rc = OK;
    if (plan->rules.kind == REQUEST_GENERATE) rc = stop_list_make(&stops, h->task->rules.stop, h->lm->tok, h->lm->cfg);
    if (plan->rules.kind == REQUEST_GENERATE && !rc && h->lm->tok && h->lm->cfg && !h->lm->cfg->n_eos && !*stops.eos)
        warn("no end token in the model's configs: an answer ends at %s",
             stops.n ? "a stop string or its longest length" : "its longest length");
    if (!rc) rc = prepare(&r);
    if (!rc) hash_prompts(&r, out->prompt_sha256);
    if (!rc) rc = check_adapter(&r);
    if (!rc) rc = open_journal(&r);
    if (!rc) rc = work_through(&r);
    if (!rc) summarize(&r);
    for (int64_t i = 0; r.requests && i < r.n; i++) request_free(&r.requests[i]);
    free(r.requests);
    free(r.order);
    shots_close(&r.shots);
    stop_list_free(&stops);
    if (rc) harness_result_free(out);
    return rc;
}

void harness_result_free(harness_result *r)
{
    journal_close(&r->items);
    *r = (harness_result) { 0 };
}
