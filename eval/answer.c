#include "eval/answer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "eval/served/endpoint_answer.h"
#include "eval/window.h"
#include "model/generate.h"
#include "model/score.h"

typedef struct {
    void (*finished)(void *ctx, int64_t count);
    void          *ctx;
    const int64_t *requests_done; /* by number of parts finished; NULL: parts are requests */
    int64_t        count;
} reporter;

static void report(reporter *r, int64_t parts)
{
    r->count = r->requests_done ? r->requests_done[parts] : parts;
    if (r->finished) r->finished(r->ctx, r->count);
}

static void report_parts(void *ctx, int64_t parts) { report(ctx, parts); }

/* The decoder refuses such logits already; this is what sums of them could still become. */
static int not_finite(const answerer *a, double x)
{
    return input_error(
        "%s: a score is %g: the weights of this model, or of the adapter, hold NaN, Inf or numbers far too large",
        decoder_model(a->dec)->dir, x);
}

/* --- texts */

typedef struct {
    const stop_list *stops;
    answer          *answers;
    reporter        *progress;
} generating;

static bool text_ends(void *ctx, int64_t item, const int32_t *v, int64_t n)
{
    generating *g            = ctx;
    g->answers[item].stopped = stop_reached(g->stops, v, n);
    return g->answers[item].stopped != NULL;
}

static void text_done(void *ctx, int64_t item)
{
    generating *g = ctx;
    (void)item;
    report(g->progress, g->progress->count + 1);
}

static int answer_texts(const answerer *a, const request *const *requests, int64_t n, answer *answers,
                        reporter *progress)
{
    generate_item *items = mem_alloc((size_t)n, sizeof *items);
    generating     g     = { a->stops, answers, progress };
    for (int64_t i = 0; i < n; i++) {
        items[i]     = (generate_item) { .prompt   = requests[i]->input.ids,
                                         .n_prompt = (int64_t)requests[i]->input.n,
                                         .max_new  = a->rules.max_new };
        items[i].ids = mem_alloc((size_t)a->rules.max_new, sizeof *items[i].ids);
    }
    int rc = generate_items(
        a->dec, a->pairs, items, n,
        (generate_options) { .batch = a->sequences, .stop = text_ends, .done = text_done, .ctx = &g });
    for (int64_t i = 0; i < n && !rc; i++) {
        answers[i].n_new      = items[i].n_new;
        answers[i].min_margin = items[i].min_margin;
        rc                    = stop_cut(a->stops, items[i].ids, items[i].n_new, &answers[i].text);
        if (!rc && isnan(items[i].min_margin)) rc = not_finite(a, items[i].min_margin);
    }
    for (int64_t i = 0; i < n; i++) free(items[i].ids);
    free(items);
    return rc;
}

/* --- choices */

static int answer_choices(const answerer *a, const request *const *requests, int64_t n, answer *answers,
                          reporter *progress)
{
    int64_t parts = 0, p = 0;
    for (int64_t i = 0; i < n; i++) parts += requests[i]->text.n_choices;
    score_item   *items   = mem_alloc((size_t)parts, sizeof *items);
    score_result *results = mem_alloc((size_t)parts, sizeof *results);
    int64_t      *done    = mem_alloc((size_t)parts + 1, sizeof *done);
    for (int64_t i = 0; i < n; i++) {
        const request *r = requests[i];
        for (int64_t c = 0; c < r->text.n_choices; c++) {
            int64_t n_context = (int64_t)r->input.n, n_cont = (int64_t)r->choices[c].n;
            int64_t cut = request_context_cut(n_context, n_cont, a->rules.positions);
            items[p]    = (score_item) { r->input.ids + cut, r->choices[c].ids, n_context - cut, n_cont };
            done[++p]   = i + (c + 1 == r->text.n_choices);
        }
    }
    progress->requests_done = done;
    int rc = score_items(a->dec, a->pairs, items, parts, a->max_tokens, results, NULL, report_parts, progress);
    p      = 0;
    for (int64_t i = 0; i < n && !rc; i++) {
        answers[i].n_ll   = requests[i]->text.n_choices;
        answers[i].ll     = mem_alloc((size_t)answers[i].n_ll, sizeof *answers[i].ll);
        answers[i].greedy = mem_alloc((size_t)answers[i].n_ll, sizeof *answers[i].greedy);
        for (int64_t c = 0; c < answers[i].n_ll; c++, p++) {
            answers[i].ll[c]     = results[p].ll;
            answers[i].greedy[c] = results[p].greedy;
        }
    }
    free(items);
    free(results);
    free(done);
    return rc;
}

/* --- targets: windows of all requests, packed */

typedef struct {
    int64_t request;
    window  w;
} piece;

static piece *all_pieces(const answerer *a, const request *const *requests, int64_t n, int64_t *n_pieces)
{
    size_t cap    = 0;
    piece *pieces = NULL;
    *n_pieces     = 0;
    for (int64_t i = 0; i < n; i++) {
        window w;
        for (int64_t k = 0; window_at(&w, k, (int64_t)requests[i]->input.n, requests[i]->row, a->rules.positions);
             k++) {
            if ((size_t)*n_pieces == cap) pieces = mem_grow(pieces, &cap, sizeof *pieces);
            pieces[(*n_pieces)++] = (piece) { i, w };
        }
    }
    return pieces;
}

/* One forward over `count` pieces: their rows' log-likelihoods are added to the answers. */
static int score_pieces(const answerer *a, const request *const *requests, const piece *pieces, int64_t count,
                        answer *answers)
{
    int64_t tokens = 0, at = 0, rows = 0;
    for (int64_t k = 0; k < count; k++) tokens += pieces[k].w.n;
    int32_t *packed = mem_alloc((size_t)tokens * 4, sizeof *packed);
    int32_t *pos = packed + tokens, *row = packed + 2 * tokens, *target = packed + 3 * tokens;
    int64_t *owner      = mem_alloc((size_t)tokens, sizeof *owner);
    double  *nll        = mem_alloc((size_t)tokens, sizeof *nll);
    int32_t *best       = mem_alloc((size_t)tokens, sizeof *best);
    segment *segment_of = mem_alloc((size_t)count, sizeof *segment_of);
    for (int64_t k = 0; k < count; k++) {
        const request *r = requests[pieces[k].request];
        window         w = pieces[k].w;
        segment_of[k]    = (segment) { .start = (int32_t)at, .len = (int32_t)w.n, .prefix = -1 };
        for (int64_t i = 0; i < w.n; i++, at++) {
            packed[at] = r->input.ids[w.first + i];
            pos[at]    = (int32_t)i;
            if (w.first + i < w.row || r->targets[w.first + i] < 0) continue;
            row[rows]     = (int32_t)at;
            target[rows]  = r->targets[w.first + i];
            owner[rows++] = pieces[k].request;
        }
    }
    batch b  = { .n_tokens   = tokens,
                 .n_segments = count,
                 .n_rows     = rows,
                 .ids        = packed,
                 .pos        = pos,
                 .segments   = segment_of,
                 .rows       = row,
                 .targets    = target };
    int   rc = decoder_forward(a->dec, &b, a->pairs, false);
    if (!rc) rc = decoder_nll(a->dec, nll, best);
    for (int64_t i = 0; i < rows && !rc; i++) {
        answers[owner[i]].ll[0] -= nll[i];
        answers[owner[i]].greedy[0] &= best[i] == target[i];
    }
    free(packed);
    free(owner);
    free(nll);
    free(best);
    free(segment_of);
    return rc;
}

static int answer_targets(const answerer *a, const request *const *requests, int64_t n, answer *answers,
                          reporter *progress)
{
    int64_t n_pieces;
    piece  *pieces = all_pieces(a, requests, n, &n_pieces);
    int     rc     = OK;
    for (int64_t i = 0; i < n; i++) {
        answers[i].n_ll      = 1;
        answers[i].ll        = mem_alloc(1, sizeof *answers[i].ll);
        answers[i].greedy    = mem_alloc(1, sizeof *answers[i].greedy);
        answers[i].greedy[0] = true;
    }
    for (int64_t first = 0, end; first < n_pieces && !rc; first = end) {
        int64_t tokens = pieces[first].w.n;
        for (end = first + 1; end < n_pieces && tokens + pieces[end].w.n <= a->max_tokens; end++)
            tokens += pieces[end].w.n;
        rc = score_pieces(a, requests, pieces + first, end - first, answers);
        if (!rc) report(progress, end < n_pieces ? pieces[end].request : n);
    }
    free(pieces);
    return rc;
}

int answer_requests(const answerer *a, const request *const *requests, int64_t n, answer *answers,
                    void (*finished)(void *ctx, int64_t count), void *ctx)
{
    reporter progress = { .finished = finished, .ctx = ctx };
    int      rc;
    if (a->served) return endpoint_answer(a, requests, n, answers, finished, ctx);
    switch (a->rules.kind) {
    case REQUEST_GENERATE: rc = answer_texts(a, requests, n, answers, &progress); break;
    case REQUEST_CHOICES: rc = answer_choices(a, requests, n, answers, &progress); break;
    default: rc = answer_targets(a, requests, n, answers, &progress);
    }
    for (int64_t i = 0; i < n && !rc; i++)
        for (int64_t k = 0; k < answers[i].n_ll && !rc; k++)
            if (!isfinite(answers[i].ll[k])) rc = not_finite(a, answers[i].ll[k]);
    return rc;
}

void answer_free(answer *a)
{
    str_free(&a->text);
    free(a->ll);
    free(a->greedy);
    free(a->tokens);
    *a = (answer) { 0 };
}
