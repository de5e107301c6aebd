/* The decoder: what a run is made of, its rows of logits, the loss and the way back. The layers
 * are in decoder_layer.c. */
#include "model/decoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "model/decoder_private.h"
#include "model/rotary.h"

/* Logits held at once: enough rows for an efficient product, little memory (32 MB of f32). A GPU
 * wants more rows: each chunk reads all of lm_head. */
enum { LOGITS_MAX = 1 << 23, LOGITS_MAX_GPU = 1 << 25, CHUNK_MIN = 16 };

real *buffer_need(const backend *be, buffer *b, int64_t count)
{
    if (count <= b->count && b->p) return b->p;
    int64_t step = 64;
    /* Rounding up by an eighth at most keeps batches of nearly the same size from allocating. */
    while (step * 16 < count) step *= 2;
    be->release(be, b->p);
    b->count = (count + step - 1) / step * step;
    b->p     = be->alloc(be, b->count);
    return b->p;
}

param *params_need(const backend *be, buffer *b, int64_t count)
{
    buffer_need(be->params, b, count);
    return b->params;
}

void buffer_free(const backend *be, buffer *b)
{
    be->release(be, b->p);
    *b = (buffer) { 0 };
}

decoder *decoder_new(model *m)
{
    decoder *d    = mem_alloc(1, sizeof *d);
    d->m          = m;
    d->be         = m->be;
    d->q_out      = m->cfg.heads * m->cfg.head_dim;
    d->kv_out     = m->cfg.kv_heads * m->cfg.head_dim;
    d->chunk_rows = (m->be->host ? LOGITS_MAX : LOGITS_MAX_GPU) / m->cfg.vocab / CHUNK_MIN * CHUNK_MIN;
    if (d->chunk_rows < CHUNK_MIN) d->chunk_rows = CHUNK_MIN;
    d->kept   = mem_alloc((size_t)m->cfg.layers, sizeof *d->kept);
    d->pairs  = mem_alloc((size_t)m->cfg.layers * SITE_COUNT, sizeof *d->pairs);
    d->copies = mem_alloc((size_t)m->cfg.layers * STAGE_COUNT, sizeof *d->copies);
    return d;
}

static void activations_free(const backend *be, activations *a)
{
    buffer *all[] = { &a->x,
                      &a->qkv,
                      &a->q,
                      &a->kv,
                      &a->qk,
                      &a->o,
                      &a->lse,
                      &a->mid,
                      &a->gate_up,
                      &a->branch[ATTENTION],
                      &a->stats1,
                      &a->stats2,
                      &a->stats_qk,
                      &a->branch[MLP],
                      &a->stats_after[ATTENTION],
                      &a->stats_after[MLP] };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) buffer_free(be, all[i]);
    for (int i = 0; i < STAGE_COUNT; i++) buffer_free(be, &a->pairs_kept[i]);
}

void decoder_free(decoder *d)
{
    if (!d) return;
    const backend *be     = d->be;
    buffer        *all[]  = { &d->rope_table[0], &d->rope_table[1], &d->last_kept, &d->y,
                              &d->stats_y,       &d->logits,        &d->capped,    &d->xn,
                              &d->xn_rows,       &d->act,           &d->dx,        &d->dx_rows,
                              &d->dxn,           &d->dxn_rows,      &d->dact,      &d->dqkv,
                              &d->d_o,           &d->normed,        &d->d_scaled,  &d->d_branch,
                              &d->dqk,           &d->pairs_scratch };
    void          *ints[] = { d->integers, d->targets, d->best, d->nll };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) buffer_free(be, all[i]);
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) be->release(be, ints[i]);
    for (int64_t l = 0; l < d->m->cfg.layers; l++) activations_free(be, &d->kept[l]);
    activations_free(be, &d->scratch);
    for (int64_t i = 0; i < d->m->cfg.layers * STAGE_COUNT; i++) buffer_free(be, &d->copies[i].room);
    free(d->copies);
    free(d->kept);
    free(d->pairs);
    free(d->spans);
    free(d->row_spans);
    free(d->lengths);
    free(d->sections);
    free(d->host_integers);
    free(d->host_nll);
    free(d);
}

model *decoder_model(decoder *d) { return d->m; }

/* --- a run */

static int check_plan(const decoder *d, const run_plan *p)
{
    const model_config *c = &d->m->cfg;
    for (int64_t i = 0; i < p->n; i++) {
        if (p->ids[i] < 0 || p->ids[i] >= c->vocab)
            return input_error("%s: token id %d: must be 0..%lld", d->m->dir, p->ids[i], (long long)c->vocab - 1);
        if (p->pos[i] < 0 || p->pos[i] >= c->positions)
            return input_error("%s: position %d: the model has 0..%lld; use shorter texts", d->m->dir, p->pos[i],
                               (long long)c->positions - 1);
    }
    for (int64_t i = 0; i < p->n_rows; i++)
        if (p->rows[i] < (i ? p->rows[i - 1] : 0) || p->rows[i] >= p->n)
            return run_error("decoder: row %lld is token %d of %lld: rows must be ascending tokens of the batch",
                             (long long)i, p->rows[i], (long long)p->n);
    return OK;
}

static int32_t *ints_need(const backend *be, int32_t *p, int64_t count)
{
    be->release(be, p);
    return be->alloc_bytes(be, count * (int64_t)sizeof(int32_t));
}

static void need_rows(decoder *d, int64_t n_rows)
{
    const backend *be = d->be;
    if (n_rows <= d->cap_rows) return;
    d->cap_rows = n_rows + n_rows / 8;
    d->targets  = ints_need(be, d->targets, d->cap_rows);
    d->best     = ints_need(be, d->best, d->cap_rows);
    be->release(be, d->nll);
    d->nll      = be->alloc_bytes(be, d->cap_rows * (int64_t)sizeof(double));
    d->host_nll = mem_resize(d->host_nll, (size_t)d->cap_rows, sizeof *d->host_nll);
}

/* Where the run's integers lie in their one array, which is a matter of the run's sizes alone: a
 * graph finds them again. */
static int64_t place_integers(decoder *d, const run_plan *p)
{
    enum { SPAN = sizeof(attention_span) / sizeof(int32_t) };
    const int64_t ids = 0, pos = ids + p->n, rows = pos + p->n, row_pos = rows + p->n_rows,
                  cache_rows = row_pos + p->n_rows, spans = cache_rows + (p->cache ? p->n : 0),
                  count = spans + (p->decode ? p->n_spans * SPAN : 0);
    if (count > d->cap_integers) {
        d->cap_integers  = count + count / 8;
        d->integers      = ints_need(d->be, d->integers, d->cap_integers);
        d->host_integers = mem_resize(d->host_integers, (size_t)d->cap_integers, sizeof *d->host_integers);
    }
    d->ids        = d->integers + ids;
    d->pos        = d->integers + pos;
    d->rows       = d->integers + rows;
    d->row_pos    = d->integers + row_pos;
    d->cache_rows = d->integers + cache_rows;
    d->dev_spans  = (const attention_span *)(d->integers + spans);
    return count;
}

/* The section of a span's text. New ones are empty. */
static rope_section *section_of(decoder *d, const run_plan *p, int64_t span)
{
    const attention_span *s      = &p->spans[span];
    const int64_t         length = rotary_class(&d->m->cfg, p->lengths ? p->lengths[span] : s->pre_len + s->kv_len);
    size_t                i      = 0;
    while (i < d->n_sections && d->sections[i].length != length) i++;
    if (i == d->n_sections) {
        if (i == d->cap_sections) d->sections = mem_grow(d->sections, &d->cap_sections, sizeof *d->sections);
        d->sections[d->n_sections++] = (rope_section) { .length = length };
    }
    return &d->sections[i];
}

/* Makes the tables anew, of the sections that this run uses. */
static void fill_rope_tables(decoder *d)
{
    const model_config *c     = &d->m->cfg;
    const backend      *be    = d->be->params;
    const int64_t       width = rotary_width(c);
    int64_t             rows = 0, n = 0;
    for (size_t i = 0; i < d->n_sections; i++) {
        if (!d->sections[i].used) continue;
        d->sections[i].first = rows;
        rows += d->sections[i].positions;
        d->sections[n++] = d->sections[i];
    }
    d->n_sections = (size_t)n;
    double *table = mem_alloc((size_t)(rows * width), sizeof *table);
    for (int rope = 0; rope < (families[c->family].two_bases ? 2 : 1); rope++) {
        for (const rope_section *s = d->sections; s < d->sections + n; s++)
            rotary_table(c, rope, s->length, s->positions, table + s->first * width);
        be->upload(be, params_need(d->be, &d->rope_table[rope], rows * width), table, rows * width);
    }
    free(table);
}

/* The tables cover the positions that occur, in powers of two: a long-context model used on short
 * texts has small ones. */
static void need_rope_tables(decoder *d, const run_plan *p)
{
    const model_config *c    = &d->m->cfg;
    bool                grow = false;
    if (c->plan.positions) return;
    for (size_t i = 0; i < d->n_sections; i++) d->sections[i].used = false;
    for (int64_t i = 0; i < p->n_spans; i++) {
        const attention_span *s    = &p->spans[i];
        rope_section         *in   = section_of(d, p, i);
        int64_t               need = in->positions ? in->positions : 1;
        for (int64_t t = s->q0; t < s->q0 + s->q_len; t++)
            while (need <= p->pos[t]) need *= 2;
        if (need > c->positions) need = c->positions;
        grow          = grow || need > in->positions;
        in->positions = need, in->used = true;
    }
    if (grow) fill_rope_tables(d);
}

/* The row of each token's position in the rotary tables, or of the learned positions. */
static void table_rows(decoder *d, int32_t *to, const run_plan *p)
{
    memcpy(to, p->pos, (size_t)p->n * sizeof *to);
    for (int64_t i = 0; i < p->n_spans && rotary_same_until(&d->m->cfg) < INT64_MAX; i++)
        for (int64_t t = p->spans[i].q0; t < p->spans[i].q0 + p->spans[i].q_len; t++)
            to[t] += (int32_t)section_of(d, p, i)->first;
}

/* The run's integers, on the device by one copy. */
static void put_integers(decoder *d, const run_plan *p)
{
    const int64_t count = place_integers(d, p);
    int32_t      *to = d->host_integers, *pos = to + p->n;
    need_rows(d, p->n_rows);
    for (int64_t i = 0; i < p->n; i++) *to++ = p->ids[i];
    table_rows(d, pos, p);
    to += p->n;
    for (int64_t i = 0; i < p->n_rows; i++) *to++ = p->rows[i];
    for (int64_t i = 0; i < p->n_rows; i++) *to++ = pos[p->rows[i]];
    for (const attention_span *s = p->spans; p->cache && s < p->spans + p->n_spans; s++)
        for (int32_t i = 0; i < s->q_len; i++) *to++ = s->kv0 + s->kv_len - s->q_len + i;
    if (p->decode) memcpy(to, p->spans, (size_t)p->n_spans * sizeof *p->spans);
    d->be->put(d->be, d->integers, d->host_integers, count * (int64_t)sizeof(int32_t));
}

/* Where the gradient can stop: below the lowest pair that trains, or nowhere when the base does. */
static void find_lowest(decoder *d)
{
    d->low_layer = d->m->cfg.layers, d->low_order = 0;
    for (int64_t l = d->m->cfg.layers - 1; l >= 0; l--)
        for (int s = 0; s < SITE_COUNT; s++) {
            const pair_arrays *p = &d->pairs[l * SITE_COUNT + s];
            if (!p->r || (!p->dA && !p->dB)) continue;
            int order = site_order((site_id)s);
            if (l < d->low_layer || order < d->low_order) d->low_layer = l, d->low_order = order;
        }
    if (d->m->flat) d->low_layer = -1;
}

int decoder_prepare(decoder *d, const run_plan *p, const pair_arrays *pairs, bool keep)
{
    const size_t n_pairs = (size_t)d->m->cfg.layers * SITE_COUNT;
    int          rc      = check_plan(d, p);
    if (rc) return rc;
    /* After a forward with keep the pairs may have been trained. */
    if (keep || d->keep_before || !pairs || memcmp(d->pairs, pairs, n_pairs * sizeof *pairs) != 0) d->adapter++;
    if (pairs)
        memcpy(d->pairs, pairs, n_pairs * sizeof *pairs);
    else
        memset(d->pairs, 0, n_pairs * sizeof *d->pairs);
    d->run  = *p;
    d->keep = d->keep_before = keep, d->has_targets = false;
    if (pairs && (rc = stage_check(d, p->n, keep))) return rc;
    d->trim = p->n_rows != p->n;
    for (int64_t i = 0; i < p->n_rows && !d->trim; i++) d->trim = p->rows[i] != i;
    find_lowest(d);
    need_rope_tables(d, p);
    put_integers(d, p);
    return OK;
}

void decoder_compute(decoder *d)
{
    const backend      *be = d->be;
    const model_config *c  = &d->m->cfg;
    const int64_t       n = d->run.n, n_rows = d->run.n_rows;
    d->last = buffer_need(be, &layer_activations(d, 0)->x, n * c->hidden);
    be->gather_rows(be, d->last, d->m->embed, d->ids, n, c->hidden);
    if (c->embedding_scale != 0) be->blend(be, d->last, NULL, c->embedding_scale, 0, n * c->hidden);
    if (d->m->positions) {
        real *positions = buffer_need(be, &d->xn, n * c->hidden);
        be->gather_rows(be, positions, d->m->positions, d->pos, n, c->hidden);
        be->blend(be, d->last, positions, 1, 1, n * c->hidden);
    }
    for (int64_t l = 0; l < c->layers; l++) layer_fwd(d, l);
    decoder_norm_fwd(d, buffer_need(be, &d->y, n_rows * c->hidden), &d->stats_y, d->last, d->m->norm, d->m->norm_bias,
                     n_rows);
}

int decoder_run(decoder *d, const run_plan *p, const pair_arrays *pairs, bool keep)
{
    int rc = decoder_prepare(d, p, pairs, keep);
    if (!rc) decoder_compute(d);
    return rc;
}

/* --- packed batches */

/* Every segment is one span of queries; it must follow the one before it, and continue an
 * earlier one that stands alone. */
static int spans_of(decoder *d, const batch *b)
{
    int64_t at = 0;
    for (int64_t i = 0; i < b->n_segments; i++) {
        const segment *s = &b->segments[i];
        if (s->start != at || s->len < 1 || s->prefix >= i || (s->prefix >= 0 && b->segments[s->prefix].prefix >= 0))
            return run_error(
                "decoder: segment %lld (start %d, %d tokens, prefix %d) does not follow the one before it, or continues a later or "
                "continued one",
                (long long)i, s->start, s->len, s->prefix);
        if ((size_t)i == d->cap_spans) d->spans = mem_grow(d->spans, &d->cap_spans, sizeof *d->spans);
        attention_span *to = &d->spans[i];
        *to                = (attention_span) { .q0 = s->start, .q_len = s->len, .kv0 = s->start, .kv_len = s->len };
        if (s->prefix >= 0) to->pre0 = b->segments[s->prefix].start, to->pre_len = b->segments[s->prefix].len;
        at += s->len;
    }
    if (at != b->n_tokens)
        return run_error("decoder: the segments hold %lld tokens, the batch %lld", (long long)at,
                         (long long)b->n_tokens);
    return OK;
}

bool decoder_shares_prefixes(const decoder *d, int64_t length) { return length <= rotary_same_until(&d->m->cfg); }

/* Each text's length, where rotary frequencies depend on it (dynamic, longrope): that of the text
 * alone, not of a padded batch. A last token that is asked for what follows has something behind
 * it. */
static const int64_t *lengths_of(decoder *d, const batch *b)
{
    if (rotary_same_until(&d->m->cfg) == INT64_MAX) return NULL;
    int64_t row = 0;
    for (int64_t i = 0; i < b->n_segments; i++) {
        const attention_span *s    = &d->spans[i];
        const int32_t         last = s->q0 + s->q_len - 1;
        while (row < b->n_rows && b->rows[row] < last) row++;
        const bool more = b->targets && row < b->n_rows && b->rows[row] == last && b->targets[row] >= 0;
        if ((size_t)i == d->cap_lengths) d->lengths = mem_grow(d->lengths, &d->cap_lengths, sizeof *d->lengths);
        d->lengths[i] = s->pre_len + s->kv_len + more;
    }
    return d->lengths;
}

/* The wanted rows as queries: runs of neighbours inside one segment. */
static int64_t row_spans_of(decoder *d, const batch *b)
{
    int64_t n = 0, seg = 0;
    for (int64_t i = 0; i < b->n_rows; i++) {
        int32_t row = b->rows[i];
        while (seg + 1 < b->n_segments && b->segments[seg + 1].start <= row) seg++;
        bool joins = i > 0 && row == b->rows[i - 1] + 1 && b->segments[seg].start < row;
        if (joins) {
            d->row_spans[n - 1].q_len++;
            d->row_spans[n - 1].kv_len++;
            continue;
        }
        if ((size_t)n == d->cap_row_spans)
            d->row_spans = mem_grow(d->row_spans, &d->cap_row_spans, sizeof *d->row_spans);
        attention_span *to = &d->row_spans[n++];
        *to                = d->spans[seg];
        to->q0 = (int32_t)i, to->q_len = 1, to->kv_len = row - b->segments[seg].start + 1;
    }
    return n;
}

int decoder_forward(decoder *d, const batch *b, const pair_arrays *pairs, bool keep)
{
    const int64_t vocab = d->m->cfg.vocab;
    if (b->n_tokens > INT32_MAX) return run_error("decoder: %lld tokens in one batch", (long long)b->n_tokens);
    for (int64_t i = 0; b->targets && i < b->n_rows; i++)
        if (b->targets[i] < -1 || b->targets[i] >= vocab)
            return input_error("%s: target id %d: must be -1..%lld", d->m->dir, b->targets[i], (long long)vocab - 1);
    int rc = spans_of(d, b);
    if (rc) return rc;
    run_plan plan = {
        .n = b->n_tokens, .n_rows = b->n_rows, .n_spans = b->n_segments, .ids = b->ids, .pos = b->pos, .rows = b->rows
    };
    if ((rc = check_plan(d, &plan))) return rc;
    plan.n_row_spans = row_spans_of(d, b);
    plan.spans = d->spans, plan.row_spans = d->row_spans, plan.lengths = lengths_of(d, b);
    if ((rc = decoder_run(d, &plan, pairs, keep))) return rc;
    d->has_targets = b->targets != NULL;
    if (d->has_targets) d->be->put(d->be, d->targets, b->targets, b->n_rows * (int64_t)sizeof(int32_t));
    return d->be->sync(d->be);
}

/* --- logits, loss */

param *decoder_logits_chunk(decoder *d, int64_t first, int64_t count)
{
    const model_config *c = &d->m->cfg;
    param              *p = params_need(d->be, &d->logits, count * c->vocab);
    d->be->linear_fwd_wide(d->be, p, real_at(d->be, d->y.p, first * c->hidden), d->m->lm_head,
                           (linear_dims) { .n = count, .in = c->hidden, .out = c->vocab });
    if (multiplier(c->logit_scale) != 1) d->be->scale(d->be, p, c->logit_scale, count * c->vocab);
    if (c->logit_cap > 0) d->be->soft_cap_fwd(d->be, p, c->logit_cap, count * c->vocab);
    return p;
}

static int64_t chunk_at(const decoder *d, int64_t first)
{
    int64_t left = d->run.n_rows - first;
    return left < d->chunk_rows ? left : d->chunk_rows;
}

int decoder_not_finite(const decoder *d, int64_t row)
{
    bool adapted = false;
    for (int64_t i = 0; i < d->m->cfg.layers * SITE_COUNT; i++) adapted = adapted || d->pairs[i].r;
    return input_error(
        "%s: the logits of row %lld are not finite: the weights of this model%s hold NaN, Inf or numbers far too large%s",
        d->m->dir, (long long)row, adapted ? " or of its adapter" : "",
        d->keep ? ", or the training diverged (try a lower --lr)" : "");
}

static int check_finite(const decoder *d, const double *nll)
{
    for (int64_t i = 0; i < d->run.n_rows; i++)
        if (!isfinite(nll[i])) return decoder_not_finite(d, i);
    return OK;
}

/* Copies the losses to the host, checks them, and hands them out if wanted. */
static int fetch_nll(decoder *d, double *nll)
{
    double *got = nll ? nll : d->host_nll;
    d->be->get(d->be, got, d->nll, d->run.n_rows * (int64_t)sizeof *got);
    int rc = d->be->sync(d->be);
    return rc ? rc : check_finite(d, got);
}

int decoder_nll(decoder *d, double *nll, int32_t *best)
{
    if (!d->has_targets) return run_error("decoder: the batch had no targets");
    for (int64_t at = 0; at < d->run.n_rows; at += d->chunk_rows) {
        int64_t k = chunk_at(d, at);
        d->be->xent_fwd(d->be, d->nll + at, best ? d->best + at : NULL, decoder_logits_chunk(d, at, k), d->targets + at,
                        k, d->m->cfg.vocab);
    }
    if (best) d->be->get(d->be, best, d->best, d->run.n_rows * (int64_t)sizeof *best);
    return fetch_nll(d, nll);
}

int decoder_logits(decoder *d, int64_t first, int64_t count, double *logits)
{
    int64_t vocab = d->m->cfg.vocab;
    if (first < 0 || count < 0 || first + count > d->run.n_rows)
        return run_error("decoder: rows %lld..%lld of %lld", (long long)first, (long long)(first + count),
                         (long long)d->run.n_rows);
    for (int64_t at = 0; at < count; at += d->chunk_rows) {
        int64_t k = count - at < d->chunk_rows ? count - at : d->chunk_rows;
        d->be->params->download(d->be->params, logits + at * vocab, decoder_logits_chunk(d, first + at, k), k * vocab);
    }
    int rc = d->be->sync(d->be);
    for (int64_t i = 0; i < count * vocab && !rc; i++)
        if (!isfinite(logits[i])) rc = decoder_not_finite(d, first + i / vocab);
    return rc;
}

/* The loss of every row, and dy [n_rows, hidden], its gradient times scale in the normalised
 * states. */
static void loss_bwd(decoder *d, real *dy, double scale)
{
    const backend      *be = d->be;
    const model_config *c  = &d->m->cfg;
    for (int64_t at = 0; at < d->run.n_rows; at += d->chunk_rows) {
        int64_t     k      = chunk_at(d, at);
        param      *logits = decoder_logits_chunk(d, at, k);
        linear_dims ld     = { .n = k, .in = c->hidden, .out = c->vocab, .ldy = wide_ld(be, c->vocab) };
        if (!dy) {
            be->xent_fwd(be, d->nll + at, NULL, logits, d->targets + at, k, c->vocab);
            continue;
        }
        if (c->logit_cap > 0)
            be->params->copy(be->params, params_need(be, &d->capped, k * c->vocab), logits, k * c->vocab);
        be->xent_bwd(be, logits, d->nll + at, d->targets + at, k, c->vocab, scale * multiplier(c->logit_scale));
        if (c->logit_cap > 0) be->soft_cap_bwd(be, logits, d->capped.params, c->logit_cap, k * c->vocab);
        if (d->m->flat)
            be->linear_bwd_w(be, d->m->lm_head_grad, NULL, reals_of(logits), real_at(be, d->y.p, at * c->hidden), ld);
        be->linear_bwd_x(be, real_at(be, dy, at * c->hidden), reals_of(logits), d->m->lm_head, ld, false);
    }
}

int decoder_backward(decoder *d, double scale, double *nll)
{
    const backend      *be = d->be;
    const model_config *c  = &d->m->cfg;
    int64_t             n = d->run.n, rows = d->run.n_rows, count = rows * c->hidden;
    if (!d->keep || !d->has_targets) return run_error("decoder: a backward needs a forward with keep and targets");
    bool  any = d->low_layer < c->layers;
    real *dy  = any ? buffer_need(be, d->trim ? &d->dxn_rows : &d->dxn, count) : NULL;
    loss_bwd(d, dy, scale);
    if (any) {
        real *dx = buffer_need(be, d->trim ? &d->dx_rows : &d->dx, count);
        be->zero(be, dx, count);
        decoder_norm_bwd(d, dx, d->m->norm_grad, d->m->norm_bias_grad, dy, d->last, &d->stats_y, d->m->norm, rows);
        for (int64_t l = c->layers - 1; l >= 0 && l >= d->low_layer && dx; l--) dx = layer_bwd(d, l, dx);
        if (d->m->flat && d->m->positions)
            be->scatter_add_rows(be, reals_of(d->m->positions_grad), dx, d->pos, n, c->hidden);
        if (d->m->flat && c->embedding_scale != 0) be->blend(be, dx, NULL, c->embedding_scale, 0, n * c->hidden);
        if (d->m->flat) be->scatter_add_rows(be, reals_of(d->m->embed_grad), dx, d->ids, n, c->hidden);
    }
    int rc  = fetch_nll(d, nll);
    d->keep = false; /* gate and up have become their gradients */
    return rc;
}
