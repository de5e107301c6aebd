#include "eval/harness.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/progress.h"
#include "tasks/subset.h"

/* Tokens of one forward when no batch is asked for: enough rows for the products to run at their
 * rate, few enough to stay in cache. */
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
    metric_source source = own[task_answer(t)].source;
    int           rc     = OK;
    *metrics             = *task_metrics(t);
    *kind                = own[task_answer(t)].kind;
    if (names) {
        metrics->n = 0;
        rc         = metric_list_parse(metrics, names, task_metric_options(t), "--metrics");
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
                             source_names[metrics->rows[i].source], task_name(t), source_names[source]);
    return rc;
}

static int plan_new_tokens(const task *t, int64_t asked, request_rules *rules)
{
    int64_t positions = rules->positions;
    if (asked && rules->kind != REQUEST_GENERATE)
        return input_error("--max-new-tokens %lld: nothing is generated here, %s: leave the option out",
                           (long long)asked,
                           task_answer(t) == TASK_GENERATE ? "the metric scores the targets' log-likelihoods"
                                                           : "the task is answered by log-likelihoods");
    if (rules->kind != REQUEST_GENERATE) return OK;
    if (asked >= positions)
        return input_error("--max-new-tokens %lld: the model has %lld positions and one is the prompt's: 1..%lld",
                           (long long)asked, (long long)positions, (long long)(positions - 1));
    rules->max_new = asked ? asked : task_max_new_tokens(t);
    if (rules->max_new >= positions) {
        rules->max_new = positions / 2;
        warn(
            "the task %s asks for %lld new tokens and the model has %lld positions: %lld are generated, the rest is the prompt's",
            task_name(t), (long long)task_max_new_tokens(t), (long long)positions, (long long)rules->max_new);
    }
    return OK;
}

int harness_plan(const harness *h, int64_t positions, metric_list *metrics, request_rules *rules)
{
    *rules = (request_rules) { .positions = h->max_length ? h->max_length : positions };
    int rc = harness_metrics(h->task, h->metrics, metrics, &rules->kind);
    if (!rc && h->max_length > positions)
        rc = input_error("--max-length %lld: the model has %lld positions: 2..%lld", (long long)h->max_length,
                         (long long)positions, (long long)positions);
    if (h->served) rules->positions = endpoint_positions(h->served, rules->kind);
    rules->as_text = h->served && !h->tok && task_needs_tokenizer(h->task);
    return rc ? rc : plan_new_tokens(h->task, h->max_new_tokens, rules);
}

/* --- groups */

typedef struct {
    const harness *h;
    answerer       ask;
    int64_t        n, group_items;
    int64_t       *chosen;   /* [n]: places in the data */
    request       *requests; /* [n] */
    int64_t       *order;    /* items, longest first */
    shot_set       shots;
    progress       bar;
    int64_t        done;
} run;

/* Longest first, so that memory and time left are known early; then data order. */
static int by_cost(const void *a, const void *b, void *requests)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b, cx = ((const request *)requests)[x].cost,
            cy = ((const request *)requests)[y].cost;
    return cx != cy ? (cx < cy ? 1 : -1) : (x > y) - (x < y);
}

static int prepare_item(run *r, int64_t i, str *shots)
{
    const harness *h  = r->h;
    int            rc = shots_text(&r->shots, r->chosen[i], shots);
    if (rc) return rc;
    rc = request_make(&r->requests[i], h->task, &h->data->items[r->chosen[i]], str_c(shots), h->tok, r->ask.rules);
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
    if (!rc) rc = shots_draw(&r->shots, h->data, h->where, r->n ? r->chosen[r->n - 1] + 1 : 0);
    for (int64_t i = 0; i < r->n && !rc; i++) {
        rc = prepare_item(r, i, &shots);
        str_clear(&shots);
    }
    str_free(&shots);
    if (!rc) qsort_r(r->order, (size_t)r->n, sizeof *r->order, by_cost, r->requests);
    return rc;
}

/* Prompts and targets as they are asked, each followed by a NUL: what a score can be compared
 * under. */
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

static int check_adapter(const run *r, harness_result *out)
{
    const harness *h = r->h;
    if (!h->pairs) return OK;
    int rc = identity_probe(h->dec, h->pairs, r->requests, r->n, r->ask.rules.positions, &out->delta);
    if (!rc && out->delta.max_abs_logit == 0 && !h->allow_identity)
        rc = run_error(
            "%s: changes no logit of the first %lld items: this adapter was not trained or not applied, and its scores would be the base's; "
            "--allow-identity scores it all the same",
            h->adapter ? h->adapter : "the adapter", (long long)out->delta.items);
    return rc;
}

/* The end of the group that begins at `first`: fixed by the data and the batch, never by what is
 * already finished. */
static int64_t group_end(const run *r, int64_t first)
{
    if (r->group_items) return first + r->group_items < r->n ? first + r->group_items : r->n;
    int64_t tokens = r->requests[r->order[first]].cost, end = first + 1;
    while (end < r->n && tokens + r->requests[r->order[end]].cost <= r->ask.max_tokens)
        tokens += r->requests[r->order[end++]].cost;
    return end;
}

static void show(void *ctx, int64_t count)
{
    run *r = ctx;
    progress_update(&r->bar, r->done + count, NULL);
}

static int keep(run *r, harness_result *out, int64_t item, const answer *a)
{
    double         stats[METRICS_MAX * METRIC_STATS_MAX];
    str            sample = { 0 };
    const request *q      = &r->requests[item];
    request_kind   kind   = r->ask.rules.kind;
    sample_stats(q, a, kind, &out->metrics, stats);
    sample_print(&sample, &r->h->data->items[r->chosen[item]], q, a, kind, &out->metrics, stats);
    int64_t seen = a->n_seen ? a->n_seen : q->cost;
    out->work += seen + a->n_new;
    return journal_add(
        &out->items, item,
        (finished_item) { .cut = q->cut, .seen = seen, .made = a->n_new, .stats = stats, .sample = sample.s });
}

static bool group_finished(const run *r, const harness_result *out, int64_t first, int64_t end)
{
    for (int64_t i = first; i < end; i++)
        if (!out->items.items[r->order[i]].finished) return false;
    return true;
}

/* Items that an earlier run left finished: the bar begins there, and its rate is of what is done
 * now. */
static int64_t finished_before(const run *r, const harness_result *out)
{
    int64_t n = 0;
    for (int64_t first = 0, end; first < r->n; first = end) {
        end = group_end(r, first);
        if (group_finished(r, out, first, end)) n += end - first;
    }
    return n;
}

/* A group at work. */
typedef struct {
    run            *r;
    harness_result *out;
    int64_t         n, *places; /* items asked, and where they stand */
    answer         *answers;
} group;

static int keep_one(void *ctx, int64_t i)
{
    group *g = ctx;
    return keep(g->r, g->out, g->places[i], &g->answers[i]);
}

/* Of a group that is not finished all is asked again, so that forwards are made of the same
 * requests, and kept when all is answered. A served model is asked only for the rest, and each
 * answer is kept as it comes. */
static int work_on(run *r, harness_result *out, int64_t first, int64_t end)
{
    group g                  = { .r = r, .out = out, .places = mem_alloc((size_t)(end - first), sizeof *g.places) };
    g.answers                = mem_alloc((size_t)(end - first), sizeof *g.answers);
    const request **requests = mem_alloc((size_t)(end - first), sizeof *requests);
    bool            finished = true;
    int             rc       = OK;
    for (int64_t i = first; i < end; i++) {
        bool know = out->items.items[r->order[i]].finished;
        finished &= know;
        if (know && r->h->served) continue;
        g.places[g.n]   = r->order[i];
        requests[g.n++] = &r->requests[r->order[i]];
    }
    r->ask.whole     = keep_one;
    r->ask.whole_ctx = &g;
    if (!finished) rc = answer_requests(&r->ask, requests, g.n, g.answers, show, r);
    for (int64_t i = 0; i < g.n && !finished && !rc && !r->h->served; i++) rc = keep_one(&g, i);
    r->done += end - first;
    progress_update(&r->bar, r->done, NULL);
    for (int64_t i = 0; i < g.n; i++) answer_free(&g.answers[i]);
    free(g.answers);
    free(g.places);
    free(requests);
    return rc;
}

/* --- sums */

static void summarize(const run *r, harness_result *out)
{
    double *column = NULL;
    int     offset = 0;
    for (int m = 0; m < out->metrics.n; offset += out->metrics.rows[m++].n_stats) {
        int width = out->metrics.rows[m].n_stats;
        column    = mem_resize(column, (size_t)(out->n * width), sizeof *column);
        for (int64_t i = 0; i < out->n; i++)
            memcpy(column + i * width, out->items.items[i].stats + offset, (size_t)width * sizeof *column);
        out->value[m] = metric_value(&out->metrics.rows[m], column, out->n);
        out->error[m] = metric_stderr(&out->metrics.rows[m], column, out->n);
    }
    free(column);
    for (int64_t i = 0; i < out->n; i++) {
        const finished_item *f = &out->items.items[i];
        out->seen += f->seen;
        out->made += f->made;
        out->cut_items += f->cut > 0;
        out->cut_tokens += f->cut;
        int64_t n_refs = r->requests[i].text.n_references;
        out->n_refs    = i == 0 || n_refs == out->n_refs ? n_refs : 0;
    }
}

static int plan(run *r, harness_result *out)
{
    const harness *h    = r->h;
    request_rules *rule = &r->ask.rules;
    int64_t        all  = h->served ? endpoint_max_length(h->served) : decoder_model(h->dec)->cfg.positions;
    int            rc   = harness_plan(h, all, &out->metrics, rule);
    out->max_new_tokens = rule->max_new;
    r->ask.sequences    = h->batch ? h->batch : SEQUENCES;
    r->ask.max_tokens   = h->batch * rule->positions > TOKENS_PER_FORWARD ? h->batch * rule->positions
                                                                          : TOKENS_PER_FORWARD;
    r->group_items      = rule->kind == REQUEST_GENERATE ? r->ask.sequences * GROUPS_OF_SEQUENCES : h->batch;
    if (h->served && !h->batch) r->group_items = endpoint_concurrency(h->served) * GROUPS_OF_REQUESTS;
    return rc;
}

static int open_journal(const run *r, harness_result *out)
{
    char text[64];
    int  n_stats = 0;
    snprintf(text, sizeof text, "batch %lld", (long long)r->h->batch);
    for (int m = 0; m < out->metrics.n; m++) n_stats += out->metrics.rows[m].n_stats;
    return journal_open(&out->items, r->h->journal, r->h->cell, text, r->n, n_stats);
}

int harness_run(const harness *h, harness_result *out)
{
    stop_list stops = { 0 };
    run       r     = { .h = h, .ask = { .dec = h->dec, .pairs = h->pairs, .served = h->served } };
    *out            = (harness_result) { 0 };
    r.chosen        = subset_choose(h->data->n, h->limit, h->shuffled, h->shuffle_seed, &r.n);
    out->n          = r.n;
    int rc          = plan(&r, out);
    if (!rc && r.ask.rules.kind == REQUEST_GENERATE)
        rc = stop_list_make(&stops, h->task, h->tok, h->dec ? &decoder_model(h->dec)->cfg : NULL);
    r.ask.stops = &stops;
    if (!rc) rc = prepare(&r);
    if (!rc) hash_prompts(&r, out->prompt_sha256);
    if (!rc) rc = check_adapter(&r, out);
    if (!rc) rc = open_journal(&r, out);
    r.bar = progress_start(task_name(h->task), r.n, "item", h->quiet);
    if (!rc) progress_update(&r.bar, r.done = finished_before(&r, out), NULL);
    for (int64_t first = 0, end; first < r.n && !rc; first = end) {
        end = group_end(&r, first);
        if (!group_finished(&r, out, first, end)) rc = work_on(&r, out, first, end);
    }
    progress_end(&r.bar);
    if (!rc) summarize(&r, out);
    for (int64_t i = 0; r.requests && i < r.n; i++) request_free(&r.requests[i]);
    free(r.requests);
    free(r.order);
    free(r.chosen);
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
