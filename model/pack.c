#include "model/pack.h"

#include <stdlib.h>

#include "core/memory.h"

static int64_t grown(int64_t need) { return need + need / 2 + 64; }

static void reserve(pack *p, int64_t tokens, int64_t rows, int64_t segments)
{
    if (tokens > p->cap_tokens) {
        p->cap_tokens = grown(tokens);
        p->ids        = mem_resize(p->ids, (size_t)p->cap_tokens, sizeof *p->ids);
        p->pos        = mem_resize(p->pos, (size_t)p->cap_tokens, sizeof *p->pos);
    }
    if (rows > p->cap_rows) {
        p->cap_rows = grown(rows);
        p->rows     = mem_resize(p->rows, (size_t)p->cap_rows, sizeof *p->rows);
        p->targets  = mem_resize(p->targets, (size_t)p->cap_rows, sizeof *p->targets);
        p->owner    = mem_resize(p->owner, (size_t)p->cap_rows, sizeof *p->owner);
        p->nll      = mem_resize(p->nll, (size_t)p->cap_rows, sizeof *p->nll);
        p->best     = mem_resize(p->best, (size_t)p->cap_rows, sizeof *p->best);
    }
    if (segments > p->cap_segments) {
        p->cap_segments = grown(segments);
        p->segments     = mem_resize(p->segments, (size_t)p->cap_segments, sizeof *p->segments);
    }
    p->batch = (batch) { tokens, segments, rows, p->ids, p->pos, p->segments, p->rows, p->targets };
}

int64_t pack_join(pack *p, const int32_t *ids, int64_t n, int64_t pos)
{
    const int64_t first = p->batch.n_tokens;
    reserve(p, first + n, p->batch.n_rows, p->batch.n_segments);
    p->segments[p->batch.n_segments - 1].len += (int32_t)n;
    for (int64_t i = 0; i < n; i++) {
        p->ids[first + i] = ids[i];
        p->pos[first + i] = (int32_t)(pos + i);
    }
    return first;
}

int64_t pack_tokens(pack *p, const int32_t *ids, int64_t n, int64_t pos, int64_t prefix)
{
    const int64_t at = p->batch.n_segments;
    reserve(p, p->batch.n_tokens, p->batch.n_rows, at + 1);
    p->segments[at] = (segment) { .start = (int32_t)p->batch.n_tokens, .prefix = (int32_t)prefix };
    return pack_join(p, ids, n, pos);
}

void pack_row(pack *p, int64_t row, int32_t target, int64_t owner)
{
    const int64_t at = p->batch.n_rows;
    reserve(p, p->batch.n_tokens, at + 1, p->batch.n_segments);
    p->rows[at]    = (int32_t)row;
    p->targets[at] = target;
    p->owner[at]   = owner;
}

int pack_score(pack *p, decoder *d, const pair_arrays *pairs)
{
    int rc = decoder_forward(d, &p->batch, pairs, false);
    return rc ? rc : decoder_nll(d, p->nll, p->best);
}

void pack_clear(pack *p) { reserve(p, 0, 0, 0); }

void pack_free(pack *p)
{
    void *all[] = { p->ids, p->pos, p->rows, p->targets, p->segments, p->owner, p->nll, p->best };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    *p = (pack) { 0 };
}
