#include "model/score.h"

#include <stdlib.h>

#include "core/error.h"
#include "core/memory.h"

/* The items of one forward, packed. rows[k] predicts token `index[k]` of the continuation of item
 * `owner[k]`. */
typedef struct {
    int32_t *ids, *pos, *rows, *targets, *index;
    int64_t *owner;
    double  *nll;
    int32_t *best;
    segment *segments;
    int64_t  n_tokens, n_rows, n_segments;
    int64_t  cap_tokens, cap_rows, cap_segments;
} pack;

static void pack_free(pack *p)
{
    void *all[] = { p->ids, p->pos, p->rows, p->targets, p->index, p->owner, p->nll, p->best, p->segments };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static int64_t grown(int64_t need) { return need + need / 2 + 64; }

static void reserve(pack *p, int64_t tokens, int64_t rows, int64_t segments)
{
    if (p->n_tokens + tokens > p->cap_tokens) {
        p->cap_tokens = grown(p->n_tokens + tokens);
        p->ids        = mem_resize(p->ids, (size_t)p->cap_tokens, sizeof *p->ids);
        p->pos        = mem_resize(p->pos, (size_t)p->cap_tokens, sizeof *p->pos);
    }
    if (p->n_rows + rows > p->cap_rows) {
        p->cap_rows = grown(p->n_rows + rows);
        p->rows     = mem_resize(p->rows, (size_t)p->cap_rows, sizeof *p->rows);
        p->targets  = mem_resize(p->targets, (size_t)p->cap_rows, sizeof *p->targets);
        p->index    = mem_resize(p->index, (size_t)p->cap_rows, sizeof *p->index);
        p->owner    = mem_resize(p->owner, (size_t)p->cap_rows, sizeof *p->owner);
        p->nll      = mem_resize(p->nll, (size_t)p->cap_rows, sizeof *p->nll);
        p->best     = mem_resize(p->best, (size_t)p->cap_rows, sizeof *p->best);
    }
    if (p->n_segments + segments > p->cap_segments) {
        p->cap_segments = grown(p->n_segments + segments);
        p->segments     = mem_resize(p->segments, (size_t)p->cap_segments, sizeof *p->segments);
    }
}

/* Adds a segment of n ids at positions pos, pos + 1, ...; with `join` it continues the segment
 * being built. */
static void add_tokens(pack *p, const int32_t *ids, int64_t n, int64_t pos, int32_t prefix, bool join)
{
    if (!n) return;
    reserve(p, n, 0, 1);
    if (join)
        p->segments[p->n_segments - 1].len += (int32_t)n;
    else
        p->segments[p->n_segments++] = (segment) { (int32_t)p->n_tokens, (int32_t)n, prefix };
    for (int64_t i = 0; i < n; i++) {
        p->ids[p->n_tokens]   = ids[i];
        p->pos[p->n_tokens++] = (int32_t)(pos + i);
    }
}

/* Notes that token `row` predicts cont[index] of an item. */
static void add_row(pack *p, const score_item *items, int64_t item, int64_t row, int64_t index)
{
    reserve(p, 0, 1, 0);
    p->rows[p->n_rows]    = (int32_t)row;
    p->targets[p->n_rows] = items[item].cont[index];
    p->index[p->n_rows]   = (int32_t)index;
    p->owner[p->n_rows++] = item;
}

static bool same_context(const score_item *a, const score_item *b)
{
    return a->context == b->context && a->n_context == b->n_context;
}

/* Whether no neighbour of the item has its context, whatever is packed with it. A continuation in
 * one piece with its context rounds differently from one that continues a shared prefix, so the
 * form must not depend on max_tokens. */
static bool stands_alone(const score_item *items, int64_t i, int64_t n)
{
    return (i == 0 || !same_context(&items[i - 1], &items[i])) &&
           (i + 1 == n || !same_context(&items[i], &items[i + 1]));
}

/* Adds items first .. first+count-1, which share a context: the context once, then each
 * continuation without its last token, which is never fed. */
static void add_group(pack *p, const score_item *items, int64_t first, int64_t count, bool join)
{
    const score_item *lead = &items[first];
    add_tokens(p, lead->context, lead->n_context, 0, -1, false);
    int64_t last_of_context = p->n_tokens - 1;
    int32_t context         = (int32_t)p->n_segments - 1;
    for (int64_t i = first; i < first + count; i++) add_row(p, items, i, last_of_context, 0);
    for (int64_t i = first; i < first + count; i++) {
        int64_t at = p->n_tokens;
        add_tokens(p, items[i].cont, items[i].n_cont - 1, lead->n_context, context, join);
        for (int64_t k = 1; k < items[i].n_cont; k++) add_row(p, items, i, at + k - 1, k);
    }
}

/* How many items from `first` on make the next group, and their tokens: all that share a context,
 * or, when those alone exceed max_tokens, as many as fit. */
static int64_t next_group(const score_item *items, int64_t first, int64_t n, int64_t max_tokens, int64_t *tokens)
{
    int64_t count = 1;
    *tokens       = items[first].n_context + items[first].n_cont - 1;
    while (first + count < n && same_context(&items[first], &items[first + count])) {
        int64_t more = items[first + count].n_cont - 1;
        if (*tokens + more > max_tokens) break;
        *tokens += more;
        count++;
    }
    return count;
}

static int run(decoder *d, pack *p, const pair_arrays *pairs, score_result *results, double *const *token_ll)
{
    batch b  = { .n_tokens   = p->n_tokens,
                 .n_segments = p->n_segments,
                 .n_rows     = p->n_rows,
                 .ids        = p->ids,
                 .pos        = p->pos,
                 .segments   = p->segments,
                 .rows       = p->rows,
                 .targets    = p->targets };
    int   rc = decoder_forward(d, &b, pairs, false);
    if (!rc) rc = decoder_nll(d, p->nll, p->best);
    for (int64_t k = 0; k < p->n_rows && !rc; k++) {
        score_result *r = &results[p->owner[k]];
        r->ll -= p->nll[k];
        r->greedy = r->greedy && p->best[k] == p->targets[k];
        if (token_ll && token_ll[p->owner[k]]) token_ll[p->owner[k]][p->index[k]] = -p->nll[k];
    }
    return rc;
}

int score_items(decoder *d, const pair_arrays *pairs, const score_item *items, int64_t n, int64_t max_tokens,
                score_result *results, double *const *token_ll, void (*done)(void *ctx, int64_t count), void *ctx)
{
    const model *m = decoder_model(d);
    for (int64_t i = 0; i < n; i++) {
        if (items[i].n_context < 1 || items[i].n_cont < 1 ||
            items[i].n_context + items[i].n_cont > m->cfg.positions + 1)
            return input_error(
                "%s: item %lld: a context of %lld tokens and a continuation of %lld: each must have one, and together they may have "
                "%lld",
                m->dir, (long long)i, (long long)items[i].n_context, (long long)items[i].n_cont,
                (long long)m->cfg.positions + 1);
        results[i] = (score_result) { .ll = 0, .greedy = true };
    }
    pack p  = { 0 };
    int  rc = OK;
    for (int64_t at = 0; at < n && !rc;) {
        p.n_tokens = p.n_rows = p.n_segments = 0;
        while (at < n) {
            int64_t tokens, count = next_group(items, at, n, max_tokens, &tokens);
            if (p.n_tokens && p.n_tokens + tokens > max_tokens) break;
            add_group(&p, items, at, count, stands_alone(items, at, n));
            at += count;
        }
        rc = run(d, &p, pairs, results, token_ll);
        if (!rc && done) done(ctx, at);
    }
    pack_free(&p);
    return rc;
}
