/* Scoring by metric: every line brings its own prediction and references. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/progress.h"
#include "score/lines.h"
#include "score/offline.h"
#include "metrics/text_limit.h"

/* One line as read; the texts belong to its document. */
typedef struct {
    str    id;
    bool   number;
    slice  prediction, *references;
    size_t n_references;
} text_item;

static int read_references(const json *array, const char *where, bool may_lack, text_item *out)
{
    if (!json_is_array(array))
        return input_error("%s: \"references\" %s; expected an array of texts, [\"...\"] for one", where,
                           array ? "is no array" : "is missing");
    size_t n = (size_t)json_size(array);
    if (!n && !may_lack)
        return input_error(
            "%s: \"references\" is empty; at least one text is needed (only squad-v2.0 has questions without an answer)",
            where);
    out->references = mem_alloc(n, sizeof *out->references);
    for (const json *r = array->child; r; r = r->next) {
        if (!json_text(r)) return input_error("%s: \"references\"[%zu]: is no text", where, out->n_references);
        out->references[out->n_references++] = slice_of(r->valuestring);
    }
    return OK;
}

static int read_item(const json *doc, const char *where, int64_t line, bool may_lack, text_item *out)
{
    if (!json_is_object(doc))
        return input_error("%s: must be an object {\"id\": ..., \"prediction\": \"...\", \"references\": [\"...\"]}",
                           where);
    const json *id = json_find(doc, "id"), *answer = json_find(doc, "prediction");
    int         rc = json_members_once(doc, where);
    if (rc) return rc;
    out->number = !id || json_is_number(id);
    if (id)
        rc = json_id(id, where, "id", &out->id);
    else
        str_printf(&out->id, "%lld", (long long)line);
    if (rc) return rc;
    if (!answer) return input_error("%s: \"prediction\" is missing; an item without an answer has \"\"", where);
    if (!json_text(answer))
        return input_error("%s: \"prediction\": is no text; an item without an answer has \"\"", where);
    out->prediction = slice_of(answer->valuestring);
    return read_references(json_find(doc, "references"), where, may_lack, out);
}

static bool references_may_lack(const metric_list *list)
{
    for (int m = 0; m < list->n; m++)
        if (!list->rows[m].no_references) return false;
    return true;
}

static int texts_only(const metric_list *list)
{
    for (int m = 0; m < list->n; m++)
        if (list->rows[m].source != METRIC_TEXT)
            return input_error("--metric %s: compares no texts: it needs log-likelihoods, which --task reads",
                               list->rows[m].name);
    return OK;
}

static void score_items(scored *s, int64_t first, const text_item *items, int64_t n)
{
#pragma omp parallel for schedule(dynamic, 16)
    for (int64_t i = 0; i < n; i++) {
        metric_input in = { .prediction   = items[i].prediction,
                            .references   = items[i].references,
                            .n_references = (int64_t)items[i].n_references };
        for (int m = 0; m < s->metrics.n; m++)
            metric_item(&s->metrics.rows[m], &in, s->stats[m] + (first + i) * s->metrics.rows[m].n_stats);
    }
}

typedef struct {
    int64_t *lines; /* the line of each item */
    size_t   cap;
    bool     may_lack;
    bool     vary; /* whether the number of references varies */
} by_metric;

/* Reads all items of a block, then scores them all. */
static int score_block(scored *s, const json_lines *in, by_metric *w, offline_time *time)
{
    text_item *items = mem_alloc((size_t)in->n, sizeof *items);
    int64_t    first = s->n;
    double     start = processor_s();
    int        rc    = OK;
    char       where[LINE_WHERE];
    for (int64_t i = 0; i < in->n && !rc; i++) {
        rc = read_item(in->docs[i], json_line_where(in, i, where), in->numbers[i], w->may_lack, &items[i]);
        if (!rc)
            rc = text_limit_check(&s->metrics, items[i].prediction, items[i].references, (int64_t)items[i].n_references,
                                  where);
        if (rc) break;
        int64_t k = scored_add(s, items[i].id.s, items[i].id.n), refs = (int64_t)items[i].n_references;
        if ((size_t)k == w->cap) w->lines = mem_grow(w->lines, &w->cap, sizeof *w->lines);
        w->lines[k] = in->numbers[i];
        s->numbers &= items[i].number;
        if (!k) s->n_refs = refs;
        w->vary |= refs != s->n_refs;
    }
    double between = processor_s();
    if (!rc) score_items(s, first, items, in->n);
    time->read_s += between - start;
    time->score_s += processor_s() - between;
    for (int64_t i = 0; i < in->n; i++) {
        str_free(&items[i].id);
        free(items[i].references);
    }
    free(items);
    return rc;
}

static int next_block(json_lines *in, offline_time *time)
{
    double start = processor_s();
    int    rc    = json_lines_next(in);
    time->read_s += processor_s() - start;
    return rc;
}

int score_by_metric(const offline_request *q, scored *out, offline_time *time)
{
    json_lines   in    = { 0 };
    by_metric    w     = { 0 };
    offline_time taken = { 0 };
    *out               = (scored) { .numbers = true, .name = mem_strdup(!strcmp(q->input, "-") ? "stdin" : q->input) };
    int rc             = metric_list_parse(&out->metrics, q->metrics, &q->options, "--metric");
    if (!rc) rc = texts_only(&out->metrics);
    if (!rc) rc = json_lines_open(&in, q->input);
    w.may_lack = references_may_lack(&out->metrics);
    while (!rc && !(rc = next_block(&in, &taken)) && in.n) rc = score_block(out, &in, &w, &taken);
    if (!rc && !out->n)
        rc = input_error(
            "%s: is empty; expected lines {\"id\": ..., \"prediction\": \"...\", \"references\": [\"...\"]}",
            out->name);
    if (!rc) rc = scored_check_ids(out, out->name, w.lines);
    if (w.vary) out->n_refs = 0;
    json_lines_close(&in);
    free(w.lines);
    if (time) *time = taken;
    if (rc) scored_free(out);
    return rc;
}
