/* Scoring by task: the data file knows the right answers, and another file has the predictions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/progress.h"
#include "core/string_table.h"
#include "score/offline.h"
#include "tasks/item_stats.h"
#include "metrics/squad.h"
#include "metrics/text_limit.h"

typedef struct {
    const offline_request *q;
    task                  *task;
    dataset               *data;
    predictions            predicted;
    metric_list            metrics;
    int64_t                n;          /* the items to score: the first of the data */
    int64_t               *of_item;    /* [n]: each item's prediction; -1: it has none */
    bool                   squad, v2;  /* every metric is SQuAD's; it goes by the rules of v2.0 */
    bool                   no_answers; /* the data has questions without an answer */
    probabilities          na;
    string_table           na_index;
} by_task;

/* --- metrics */

static bool is_squads(const metric *m) { return !strncmp(m->rules, "squad-", 6); }

static int squad_rules_of(by_task *w)
{
    const char *rules = w->q->rules;
    w->squad          = !strcmp(w->task->reader, "squad");
    for (int m = 0; m < w->metrics.n; m++) w->squad &= is_squads(&w->metrics.rows[m]);
    if (!w->squad && (rules || w->q->na_probs))
        return input_error("--%s: only SQuAD and its metrics have such", rules ? "rules" : "na-probs");
    if (!w->squad) return OK;
    if (rules && w->q->metrics)
        return input_error("--rules %s: --metric says the rules already (squad-v1.1, squad-v2.0): leave one out",
                           rules);
    if (rules && strcmp(rules, "v1.1") != 0 && strcmp(rules, "v2.0") != 0)
        return input_error("--rules %s: must be v1.1 or v2.0", rules);
    if (w->q->metrics) {
        w->v2 = w->metrics.rows[0].order == 1;
        for (int m = 1; m < w->metrics.n; m++)
            if ((w->metrics.rows[m].order == 1) != w->v2)
                return input_error("--metric: the rules of SQuAD 1.1 and 2.0 do not go together");
    } else {
        w->v2        = rules ? !strcmp(rules, "v2.0") : w->no_answers;
        w->metrics.n = 0;
        int rc       = metric_list_add(&w->metrics, w->v2 ? "squad-v2.0" : "squad-v1.1", NULL, "--rules");
        if (rc) return rc;
    }
    if (!w->v2 && w->q->na_probs)
        return input_error("--na-probs: the rules of v1.1 know no questions without an answer; --rules v2.0 does");
    if (!w->v2 && w->no_answers)
        return input_error(
            "%s: has questions without an answer, which the rules of v1.1 do not know; take --rules v2.0", w->q->data);
    return OK;
}

static int plan_metrics(by_task *w)
{
    const offline_request *q    = w->q;
    metric_source          need = w->task->answer == TASK_CHOICES ? METRIC_CHOICES : METRIC_TEXT;
    int                    rc   = OK;
    if (w->task->answer == TASK_LIKELIHOOD)
        return input_error(
            "--task %s: is scored by a model's log-likelihood of the data; there are no predictions to score",
            w->task->name);
    if (q->metrics)
        rc = metric_list_parse(&w->metrics, q->metrics, &q->options, "--metric");
    else
        w->metrics = w->task->metrics;
    for (int m = 0; m < w->metrics.n && !rc; m++)
        if (w->metrics.rows[m].source != need)
            rc = input_error("--metric %s: does not go with the task %s, whose predictions are %s",
                             w->metrics.rows[m].name, w->task->name, need == METRIC_TEXT ? "texts" : "choices");
    return rc;
}

/* Adds, for each filter, the share of answers without a number: it says how far to trust a share of
 * right ones. */
static int add_invalid(by_task *w)
{
    static const char *const names[] = { "exact_match", "invalid", "exact_match_flexible", "invalid_flexible" };
    int                      asked = w->metrics.n, rc = OK;
    for (int k = 0; k < 4; k += 2) {
        const metric *match = metric_find(names[k]), *share = metric_find(names[k + 1]);
        bool          matched = false, told = false;
        for (int m = 0; m < asked; m++) {
            const metric *row = &w->metrics.rows[m];
            matched |= row->item == match->item && row->order == match->order;
            told |= row->item == share->item && row->order == share->order;
        }
        if (matched && !told && !rc) rc = metric_list_add(&w->metrics, names[k + 1], NULL, "--metric");
    }
    return rc;
}

/* Drops metrics that need lengths: a chosen index says only whether it is right. */
static int drop_lengths(by_task *w)
{
    int kept = 0;
    for (int m = 0; m < w->metrics.n; m++) {
        const metric *row = &w->metrics.rows[m];
        if (row->lengths && w->q->metrics)
            return input_error("--metric %s: needs log-likelihoods, and %s has chosen indices alone", row->name,
                               w->q->predictions);
        if (!row->lengths) w->metrics.rows[kept++] = *row;
    }
    w->metrics.n = kept;
    return OK;
}

/* --- whose prediction is whose */

static int64_t digits(const char *id)
{
    int64_t v = 0;
    for (const char *c = id; *c; c++) {
        if (*c < '0' || *c > '9' || v > (int64_t)1 << 50) return -1;
        v = v * 10 + (*c - '0');
    }
    return v;
}

static int index_data(const by_task *w, string_table *ix)
{
    for (int64_t i = 0; i < w->data->n; i++)
        if (string_table_put(ix, w->data->items[i].id, strlen(w->data->items[i].id), i) >= 0)
            return input_error(
                "%s: the id \"%.80s\" stands there twice: predictions cannot be told apart by id; give them in the data's order",
                w->q->data, w->data->items[i].id);
    return OK;
}

/* Judges ids that the data lacks. SQuAD's scripts skip them, and so does this unless there are no
 * others. */
static int judge_foreign(const by_task *w, int64_t foreign, const prediction *first)
{
    const offline_request *q = w->q;
    if (!foreign) return OK;
    if (w->squad && foreign < w->predicted.n) {
        warn("%s: %lld of %lld ids are not in %s and are passed over, the first is \"%.80s\"", q->predictions,
             (long long)foreign, (long long)w->predicted.n, q->data, first->id);
        return OK;
    }
    return input_error("%s: %lld of %lld ids are not in %s, the first is \"%.80s\"; the data's first is \"%.80s\"",
                       q->predictions, (long long)foreign, (long long)w->predicted.n, q->data, first->id,
                       w->predicted.by_position ? "0" : w->data->items[0].id);
}

static int judge_missing(const by_task *w)
{
    const offline_request *q       = w->q;
    int64_t                missing = 0, shown = 0;
    str                    names = { 0 };
    for (int64_t i = 0; i < w->n; i++) {
        if (w->of_item[i] >= 0) continue;
        missing++;
        if (shown < 3) str_printf(&names, "%s\"%.80s\"", shown++ ? ", " : "", w->data->items[i].id);
    }
    int rc = OK;
    if (missing && (!w->squad || missing == w->n))
        rc = input_error(
            "%s: %lld of the %lld items of %s have no prediction: %s%s (--limit N scores the first N items alone)",
            q->predictions, (long long)missing, (long long)w->n, q->data, str_c(&names),
            missing > shown ? ", ..." : "");
    else if (missing)
        warn("%s: %lld of %lld questions have no prediction and %s: %s%s", q->predictions, (long long)missing,
             (long long)w->n,
             w->v2 ? "are left out, as the official script of v2.0 does"
                   : "count as 0, as in the official script of v1.1",
             str_c(&names), missing > shown ? ", ..." : "");
    str_free(&names);
    return rc;
}

static int match_ids(by_task *w)
{
    string_table      ix      = { 0 };
    int64_t           foreign = 0;
    const prediction *first   = NULL;
    int               rc      = w->predicted.by_position ? OK : index_data(w, &ix);
    for (int64_t k = 0; k < w->predicted.n && !rc; k++) {
        const prediction *p    = &w->predicted.items[k];
        int64_t           item = w->predicted.by_position ? digits(p->id) : string_table_get(&ix, p->id, strlen(p->id));
        if (item < 0 || item >= w->data->n) {
            if (!foreign++) first = p;
        } else if (item < w->n) {
            w->of_item[item] = k;
        }
    }
    string_table_free(&ix);
    if (!rc) rc = judge_foreign(w, foreign, first);
    return rc ? rc : judge_missing(w);
}

static int match(by_task *w)
{
    const offline_request *q = w->q;
    w->n                     = q->limit && q->limit < w->data->n ? q->limit : w->data->n;
    w->of_item               = mem_alloc((size_t)w->n, sizeof *w->of_item);
    for (int64_t i = 0; i < w->n; i++) w->of_item[i] = -1;
    if (w->predicted.by_id) return match_ids(w);
    if (w->predicted.n != w->n && w->predicted.n != w->data->n)
        return input_error(
            "%s: has %lld predictions, but there are %lld items in %s: one for each is needed, in their order, or ids",
            q->predictions, (long long)w->predicted.n, (long long)w->n, q->data);
    for (int64_t i = 0; i < w->n; i++) w->of_item[i] = i;
    return OK;
}

/* --- scores */

static int check_choices(const by_task *w, const prediction *p, const task_text *text, const data_item *item)
{
    const char *file = w->q->predictions;
    if (p->ll && p->n_ll != text->n_choices)
        return input_error("%s: line %lld: has %lld log-likelihoods, but the item \"%.80s\" has %lld choices", file,
                           (long long)p->line, (long long)p->n_ll, item->id, (long long)text->n_choices);
    if (!p->ll && p->chosen >= text->n_choices)
        return input_error("%s: line %lld: chooses %lld, but the item \"%.80s\" has the choices 0..%lld", file,
                           (long long)p->line, (long long)p->chosen, item->id, (long long)text->n_choices - 1);
    if (p->gold >= 0 && p->gold != text->gold)
        return input_error(
            "%s: line %lld: says that %lld is right, but %s says %lld for \"%.80s\": do the files belong together?",
            file, (long long)p->line, (long long)p->gold, w->q->data, (long long)text->gold, item->id);
    return OK;
}

static int check_length(const by_task *w, const prediction *p, const task_text *text)
{
    char where[512];
    if (p->line)
        snprintf(where, sizeof where, "%.400s: line %lld", w->q->predictions, (long long)p->line);
    else
        snprintf(where, sizeof where, "%.400s: \"%.80s\"", w->q->predictions, p->id);
    slice *refs = mem_alloc((size_t)text->n_references, sizeof *refs);
    for (int64_t k = 0; k < text->n_references; k++) refs[k] = slice_of(text->references[k]);
    int rc = text_limit_check(&w->metrics, p->text, refs, text->n_references, where);
    free(refs);
    return rc;
}

/* Computes the statistics of item i and the number of its references. */
static int stats_of_item(const by_task *w, int64_t i, double *stats, int64_t *n_refs)
{
    const data_item  *item = &w->data->items[i];
    const prediction *p    = &w->predicted.items[w->of_item[i]];
    bool              pick = w->task->answer == TASK_CHOICES;
    double           *ll   = NULL;
    task_text         text;
    int               rc = task_render(w->task, item, &text);
    if (rc) return error_context(rc, "%s", w->q->data);
    rc = pick ? check_choices(w, p, &text, item) : check_length(w, p, &text);
    if (!rc && !pick && !text.n_references && !w->squad)
        rc = input_error("%s: the item \"%.80s\" has no reference to compare with", w->q->data, item->id);
    if (pick && !rc) {
        ll = mem_alloc((size_t)text.n_choices, sizeof *ll);
        for (int64_t k = 0; k < text.n_choices; k++) ll[k] = p->ll ? p->ll[k] : k == p->chosen ? 0 : -1;
    }
    *n_refs = text.n_references;
    if (!rc) item_stats(&text, &(item_answer) { .prediction = p->text, .choice_ll = ll }, &w->metrics, stats);
    free(ll);
    task_text_free(&text);
    return rc;
}

/* Whether a log's target is one of the item's right answers, or what the task would have taught. */
static bool is_target(const task_text *text, slice target)
{
    target = py_strip(target);
    for (int64_t k = -1; k < text->n_references; k++) {
        const char *own = k < 0 ? text->target : text->references[k];
        slice       one = py_strip(slice_of(own ? own : ""));
        if (slice_equal(one, target)) return true;
    }
    return false;
}

/* A log of texts has nothing but its targets to show that it belongs to another file of the same
 * length. */
static void judge_targets(const by_task *w)
{
    int64_t told = 0, same = 0;
    for (int64_t i = 0; i < w->n; i++) {
        task_text   text;
        const slice target = w->of_item[i] < 0 ? slice_of("") : w->predicted.items[w->of_item[i]].target;
        if (!target.n || task_render(w->task, &w->data->items[i], &text)) continue;
        told++;
        same += is_target(&text, target);
        task_text_free(&text);
    }
    error_clear();
    if (2 * same < told)
        warn("%s: %lld of its %lld targets are not the answers in %s: do the files belong together?", w->q->predictions,
             (long long)(told - same), (long long)told, w->q->data);
}

/* Computes every item on its own, in parallel; the error is that of the first item that has one.
 * stats [n, width]. */
static int all_stats(const by_task *w, double *stats, int width, int64_t *n_refs)
{
    int64_t bad = w->n;
    int     rc  = OK;
    char   *why = NULL;
#pragma omp parallel for schedule(dynamic, 16)
    for (int64_t i = 0; i < w->n; i++) {
        int failed = w->of_item[i] < 0 ? OK : stats_of_item(w, i, stats + i * width, &n_refs[i]);
        if (!failed) continue;
#pragma omp critical
        if (i < bad) {
            bad = i;
            rc  = failed;
            free(why);
            why = mem_strdup(error_text());
        }
    }
    /* an error's text belongs to its thread: record it again in this one */
    if (why) input_error("%s", why);
    free(why);
    return rc;
}

static void fill(const by_task *w, scored *out, const double *stats, int width, const int64_t *n_refs)
{
    bool vary = false;
    for (int64_t i = 0; i < w->n; i++) {
        if (w->of_item[i] < 0 && w->v2) continue;
        const char   *id = w->data->items[i].id;
        int64_t       k  = scored_add(out, id, strlen(id));
        const double *at = stats + i * width;
        out->numbers &= digits(id) == k;
        for (int m = 0; m < w->metrics.n; at += w->metrics.rows[m++].n_stats)
            memcpy(out->stats[m] + k * w->metrics.rows[m].n_stats, at, (size_t)w->metrics.rows[m].n_stats * sizeof *at);
        if (!k) out->n_refs = n_refs[i];
        vary |= n_refs[i] != out->n_refs;
    }
    if (vary) out->n_refs = 0;
}

/* --- SQuAD 2.0 */

static int read_probabilities(by_task *w)
{
    if (!w->q->na_probs) return OK;
    int rc = probabilities_read(&w->na, w->q->na_probs);
    for (int64_t k = 0; k < w->na.n && !rc; k++) string_table_put(&w->na_index, w->na.ids[k], strlen(w->na.ids[k]), k);
    int64_t     missing = 0;
    const char *first   = NULL;
    for (int64_t i = 0; i < w->n && !rc; i++) {
        const char *id = w->data->items[i].id;
        if (w->of_item[i] < 0 || string_table_get(&w->na_index, id, strlen(id)) >= 0) continue;
        if (!missing++) first = id;
    }
    if (!rc && missing)
        rc = input_error("%s: %lld questions that have a prediction have no probability there, the first is \"%.80s\"",
                         w->q->na_probs, (long long)missing, first);
    return rc;
}

static void question_of(const by_task *w, int64_t i, squad_question *out)
{
    const data_item *item = &w->data->items[i];
    *out = (squad_question) { .predicted = w->of_item[i] >= 0, .has_answer = item_field(item, "answer") != NULL };
    if (!out->predicted) return;
    slice   text = w->predicted.items[w->of_item[i]].text;
    slice  *refs = mem_alloc((size_t)item->n_fields, sizeof *refs);
    int64_t n    = 0;
    for (const field *f; (f = item_fields(item, "answer", n)); n++) refs[n] = (slice) { f->text, f->n };
    out->answered = text.n > 0;
    out->em       = squad_em(text, refs, n, SQUAD_V2);
    out->f1       = squad_f1(text, refs, n, SQUAD_V2);
    free(refs);
    if (w->q->na_probs) {
        out->na_rank = string_table_get(&w->na_index, item->id, strlen(item->id));
        out->na_prob = w->na.values[out->na_rank];
    }
}

/* Writes the report and applies the threshold to each question's numbers. */
static void report_v2(const by_task *w, double *stats, int width, squad_report *report)
{
    squad_question *questions = mem_alloc((size_t)w->n, sizeof *questions);
#pragma omp parallel for schedule(dynamic, 64)
    for (int64_t i = 0; i < w->n; i++) {
        question_of(w, i, &questions[i]);
        for (int k = 0; k < width && questions[i].na_prob > w->q->na_threshold; k++)
            stats[i * width + k] = !questions[i].has_answer;
    }
    *report = squad_report_of(questions, w->n, w->q->na_probs != NULL, w->q->na_threshold);
    free(questions);
}

/* --- all of it */

static int read_all(by_task *w)
{
    const offline_request *q  = w->q;
    int                    rc = task_open(&w->task, q->task, q->prompt);
    if (!rc) rc = plan_metrics(w);
    if (!rc) rc = task_read(w->task, q->data, &w->data);
    for (int64_t i = 0; !rc && i < w->data->n; i++) w->no_answers |= !item_field(&w->data->items[i], "answer");
    if (!rc) rc = squad_rules_of(w);
    if (!rc) rc = add_invalid(w);
    if (!rc)
        rc = predictions_read(&w->predicted, q->predictions,
                              w->task->answer == TASK_CHOICES ? PREDICT_CHOICE : PREDICT_TEXT, q->form);
    if (!rc && w->predicted.chosen_only) rc = drop_lengths(w);
    if (!rc) rc = match(w);
    return rc ? rc : read_probabilities(w);
}

static int score_all(by_task *w, scored *out, squad_report *report)
{
    int width = 0;
    for (int m = 0; m < w->metrics.n; m++) width += w->metrics.rows[m].n_stats;
    double  *stats  = mem_alloc((size_t)w->n * (size_t)width, sizeof *stats);
    int64_t *n_refs = mem_alloc((size_t)w->n, sizeof *n_refs);
    out->metrics    = w->metrics;
    int rc          = all_stats(w, stats, width, n_refs);
    if (!rc) judge_targets(w);
    if (!rc && w->squad && w->v2) report_v2(w, stats, width, report);
    if (!rc) fill(w, out, stats, width, n_refs);
    free(stats);
    free(n_refs);
    return rc;
}

int score_by_task(const offline_request *q, scored *out, squad_report *report, offline_time *time)
{
    by_task w     = { .q = q };
    double  start = processor_s(), between;
    *report       = (squad_report) { 0 };
    *out    = (scored) { .numbers = true, .name = mem_strdup(!strcmp(q->predictions, "-") ? "stdin" : q->predictions) };
    int rc  = read_all(&w);
    between = processor_s();
    if (!rc) rc = score_all(&w, out, report);
    if (time) *time = (offline_time) { between - start, processor_s() - between };
    predictions_free(&w.predicted);
    probabilities_free(&w.na);
    string_table_free(&w.na_index);
    dataset_free(w.data);
    task_close(w.task);
    free(w.of_item);
    if (rc) scored_free(out);
    return rc;
}
