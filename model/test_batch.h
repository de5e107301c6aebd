/* For tests: packed batches that own their arrays, read from padded reference batches or copied. */
#ifndef TIEBREAK_MODEL_TEST_BATCH_H
#define TIEBREAK_MODEL_TEST_BATCH_H
#include "core/test.h"

#include "core/memory.h"
#include "model/decoder.h"
#include "model/safetensors.h"

typedef struct {
    batch    b;
    int32_t *ids, *pos, *rows, *targets;
    segment *segments;
} packed;

static inline packed packed_new(int64_t tokens, int64_t segments)
{
    packed p = { .ids      = mem_alloc((size_t)tokens, 4),
                 .pos      = mem_alloc((size_t)tokens, 4),
                 .rows     = mem_alloc((size_t)tokens, 4),
                 .targets  = mem_alloc((size_t)tokens, 4),
                 .segments = mem_alloc((size_t)segments, sizeof(segment)) };
    p.b      = (batch) { .ids = p.ids, .pos = p.pos, .rows = p.rows, .targets = p.targets, .segments = p.segments };
    return p;
}

static inline void packed_free(packed *p)
{
    free(p->ids);
    free(p->pos);
    free(p->rows);
    free(p->targets);
    free(p->segments);
}

static inline packed packed_copy(const batch *b)
{
    packed p     = packed_new(b->n_tokens, b->n_segments);
    p.b.n_tokens = b->n_tokens, p.b.n_segments = b->n_segments, p.b.n_rows = b->n_rows;
    memcpy(p.ids, b->ids, (size_t)b->n_tokens * 4);
    memcpy(p.pos, b->pos, (size_t)b->n_tokens * 4);
    memcpy(p.rows, b->rows, (size_t)b->n_rows * 4);
    memcpy(p.targets, b->targets, (size_t)b->n_rows * 4);
    memcpy(p.segments, b->segments, (size_t)b->n_segments * sizeof(segment));
    return p;
}

/* Asks for every token's logits; the target is the next id of the text, or 0. */
static inline void packed_want_all(packed *p)
{
    p->b.n_rows = p->b.n_tokens;
    for (int64_t i = 0; i < p->b.n_tokens; i++) {
        p->rows[i]    = (int32_t)i;
        p->targets[i] = i + 1 < p->b.n_tokens ? p->ids[i + 1] : 0;
    }
}

/* Loads batch<i> of <data>/<base>.safetensors without its padding; a row is wanted where the next
 * label is not -100. */
static inline packed packed_load(const char *data, const char *base, int i)
{
    char         name[96];
    double      *column[3];
    int64_t      n = 0, width = 0;
    safetensors *f;
    snprintf(name, sizeof name, "%.60s.safetensors", base);
    char *path = path_join(data, name);
    assert_ok(safetensors_open(&f, path));
    free(path);
    static const char *const columns[] = { "input_ids", "attention_mask", "labels" };
    for (int c = 0; c < 3; c++) {
        snprintf(name, sizeof name, "batch%d/%s", i, columns[c]);
        const tensor_view *t = safetensors_find(f, name);
        assert_non_null(t);
        n = t->count, width = t->shape[1];
        column[c] = mem_alloc((size_t)n, sizeof(double));
        assert_ok(tensor_read_f64(column[c], t, 0, n));
    }
    packed p = packed_new(n, n / width);
    for (int64_t s = 0; s < n / width; s++) {
        segment *seg = &p.segments[p.b.n_segments++];
        *seg         = (segment) { (int32_t)p.b.n_tokens, 0, -1 };
        for (int64_t t = 0; t < width; t++) {
            int64_t at = s * width + t;
            if (column[1][at] == 0) continue;
            p.ids[p.b.n_tokens] = (int32_t)column[0][at];
            p.pos[p.b.n_tokens] = seg->len++;
            if (t + 1 < width && column[2][at + 1] >= 0) {
                p.rows[p.b.n_rows]      = (int32_t)p.b.n_tokens;
                p.targets[p.b.n_rows++] = (int32_t)column[2][at + 1];
            }
            p.b.n_tokens++;
        }
    }
    for (int c = 0; c < 3; c++) free(column[c]);
    safetensors_close(f);
    return p;
}

/* Compares the logits of every row with a stored array: the largest difference over the largest
 * value. */
static inline void packed_check_logits(decoder *d, const packed *p, const pair_arrays *pairs, const char *path,
                                       const char *name, double tolerance)
{
    safetensors *f;
    assert_ok(safetensors_open(&f, path));
    const tensor_view *t;
    int64_t            shape[] = { p->b.n_rows, decoder_model(d)->cfg.vocab };
    assert_ok(safetensors_get(f, name, 2, shape, &t));
    double *want = mem_alloc((size_t)t->count, sizeof *want), *got = mem_alloc((size_t)t->count, sizeof *got),
           worst = 0, largest = 0;
    assert_ok(tensor_read_f64(want, t, 0, t->count));
    assert_ok(decoder_forward(d, &p->b, pairs, false));
    assert_ok(decoder_logits(d, 0, p->b.n_rows, got));
    for (int64_t i = 0; i < t->count; i++) {
        worst   = fmax(worst, fabs(got[i] - want[i]));
        largest = fmax(largest, fabs(want[i]));
    }
    assert_within(worst / largest, tolerance);
    free(want);
    free(got);
    safetensors_close(f);
}
#endif
