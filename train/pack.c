#include "train/pack.h"

#include <stdlib.h>

#include "core/memory.h"

int64_t pack_length(const train_example *e)
{
    int64_t n = e->n;
    while (n && e->targets[n - 1] < 0) n--;
    return n;
}

static void reserve(pack *p, int64_t tokens, int64_t rows, int64_t segments)
{
    if (tokens > p->tokens_cap) {
        p->tokens_cap = tokens + tokens / 4;
        p->ids        = mem_resize(p->ids, (size_t)p->tokens_cap, sizeof *p->ids);
        p->pos        = mem_resize(p->pos, (size_t)p->tokens_cap, sizeof *p->pos);
    }
    if (rows > p->rows_cap) {
        p->rows_cap = rows + rows / 4;
        p->rows     = mem_resize(p->rows, (size_t)p->rows_cap, sizeof *p->rows);
        p->targets  = mem_resize(p->targets, (size_t)p->rows_cap, sizeof *p->targets);
        p->nll      = mem_resize(p->nll, (size_t)p->rows_cap, sizeof *p->nll);
    }
    if (segments > p->segments_cap) {
        p->segments_cap = segments;
        p->segments     = mem_resize(p->segments, (size_t)segments, sizeof *p->segments);
    }
}

void pack_items(pack *p, const train_example *const *items, int64_t n)
{
    int64_t tokens = 0, rows = 0, segments = 0;
    for (int64_t i = 0; i < n; i++) tokens += pack_length(items[i]), rows += items[i]->n_scored;
    reserve(p, tokens, rows, n);
    tokens = rows = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t length = pack_length(items[i]);
        if (!length) continue;
        p->segments[segments++] = (segment) { .start = (int32_t)tokens, .len = (int32_t)length, .prefix = -1 };
        for (int64_t k = 0; k < length; k++, tokens++) {
            p->ids[tokens] = items[i]->ids[k];
            p->pos[tokens] = (int32_t)k;
            if (items[i]->targets[k] < 0) continue;
            p->rows[rows]      = (int32_t)tokens;
            p->targets[rows++] = items[i]->targets[k];
        }
    }
    p->batch = (batch) { .n_tokens   = tokens,
                         .n_segments = segments,
                         .n_rows     = rows,
                         .ids        = p->ids,
                         .pos        = p->pos,
                         .segments   = p->segments,
                         .rows       = p->rows,
                         .targets    = p->targets };
}

void pack_free(pack *p)
{
    free(p->ids);
    free(p->pos);
    free(p->rows);
    free(p->targets);
    free(p->segments);
    free(p->nll);
    *p = (pack) { 0 };
}
