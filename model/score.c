#include "model/score.h"

#include "core/error.h"
#include "model/pack.h"

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

/* Can they continue one segment? Not where the frequencies of rotary positions depend on the
 * length of the whole text. */
static bool shares(const decoder *d, const score_item *items, int64_t first, int64_t count)
{
    bool can = true;
    for (int64_t i = first; i < first + count; i++)
        can = can && decoder_shares_prefixes(d, items[i].n_context + items[i].n_cont);
    return can;
}

/* Adds items first .. first+count-1, which share a context: the context once, then each
 * continuation without its last token, which is never fed. With `join` it goes on the context's
 * own segment. */
static void add_group(pack *p, const score_item *items, int64_t first, int64_t count, bool join)
{
    const score_item *lead    = &items[first];
    const int64_t     at      = pack_tokens(p, lead->context, lead->n_context, 0, -1);
    const int64_t     context = p->batch.n_segments - 1;
    for (int64_t i = first; i < first + count; i++) pack_row(p, at + lead->n_context - 1, items[i].cont[0], i);
    for (int64_t i = first; i < first + count; i++) {
        const int32_t *cont = items[i].cont;
        const int64_t  n = items[i].n_cont - 1, pos = lead->n_context;
        if (!n) continue;
        int64_t row = join ? pack_join(p, cont, n, pos) : pack_tokens(p, cont, n, pos, context);
        for (int64_t k = 1; k <= n; k++) pack_row(p, row++, cont[k], i);
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

static int run(decoder *d, pack *p, const pair_arrays *pairs, score_result *results)
{
    int rc = pack_score(p, d, pairs);
    for (int64_t k = 0; k < p->batch.n_rows && !rc; k++) {
        score_result *r = &results[p->owner[k]];
        r->ll -= p->nll[k];
        r->greedy = r->greedy && p->best[k] == p->targets[k];
    }
    pack_clear(p);
    return rc;
}

int score_items(decoder *d, const pair_arrays *pairs, const score_item *items, int64_t n, int64_t max_tokens,
                score_result *results, void (*done)(void *ctx, int64_t count), void *ctx)
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
        while (at < n) {
            int64_t tokens, count = next_group(items, at, n, max_tokens, &tokens);
            if (p.batch.n_tokens && p.batch.n_tokens + tokens > max_tokens) break;
            if (shares(d, items, at, count))
                add_group(&p, items, at, count, stands_alone(items, at, n));
            else
                for (int64_t i = at; i < at + count; i++) add_group(&p, items, i, 1, true);
            at += count;
        }
        rc = run(d, &p, pairs, results);
        if (!rc && done) done(ctx, at);
    }
    pack_free(&p);
    return rc;
}
