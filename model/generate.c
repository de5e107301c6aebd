#include "model/generate.h"

#include <math.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/memory.h"
#include "model/decoder_private.h"

/* Prompt tokens that enter in one forward; a prompt longer than this enters alone. */
enum { PREFILL_MAX = 2048 };

/* A place in the batch: the rows slot * per_slot .. of every layer's cache. */
typedef struct {
    int64_t item;   /* -1: free */
    int64_t cached; /* tokens whose keys and values are in the cache */
} slot;

typedef struct {
    decoder               *d;
    const pair_arrays     *pairs;
    generate_item         *items;
    const generate_options o;
    int64_t                n, next; /* items; the next to enter */
    int64_t                n_slots, per_slot;
    slot                  *slots;
    kv_cache               cache;

    /* steps that only decode, where the backend has graphs: one row a slot */
    backend_graph *graph;
    bool           warm;    /* such a step has run, so that a graph of it needs no new memory */
    int64_t        kv_most; /* of its spans: a power of two */

    /* one step */
    int32_t        *ids, *pos, *rows;
    attention_span *spans, *row_spans;
    int64_t        *active; /* slot of each row */
    int64_t         cap_ids;
    arena           memory;           /* of the arrays of n_slots and of the layers' addresses */
    top_two        *best, *host_best; /* of each row: on the device, on the host */
} generation;

static void item_done(generation *g, int64_t item)
{
    if (g->o.done) g->o.done(g->o.ctx, item);
}

/* --- one step: every running text's newest token, and the prompts that enter */

static void put_ids(generation *g, run_plan *plan, const int32_t *ids, int64_t n, int64_t pos)
{
    if (plan->n + n > g->cap_ids) {
        g->cap_ids = (plan->n + n) * 2;
        g->ids     = mem_resize(g->ids, (size_t)g->cap_ids, sizeof *g->ids);
        g->pos     = mem_resize(g->pos, (size_t)g->cap_ids, sizeof *g->pos);
    }
    for (int64_t i = 0; i < n; i++) {
        g->ids[plan->n]   = ids[i];
        g->pos[plan->n++] = (int32_t)(pos + i);
    }
}

/* n new tokens of a slot: all its own past is visible, and the last one's logits are wanted. */
static void add_to_step(generation *g, run_plan *plan, int64_t s, const int32_t *ids, int64_t n)
{
    slot          *at   = &g->slots[s];
    attention_span span = { .q0     = (int32_t)plan->n,
                            .q_len  = (int32_t)n,
                            .kv0    = (int32_t)(s * g->per_slot),
                            .kv_len = (int32_t)(at->cached + n) };
    put_ids(g, plan, ids, n, at->cached);
    int64_t row       = plan->n_rows++;
    g->spans[row]     = span;
    g->rows[row]      = (int32_t)plan->n - 1;
    span.q0           = (int32_t)row;
    span.q_len        = 1;
    g->row_spans[row] = span;
    g->active[row]    = s;
    at->cached += n;
}

static run_plan plan_step(generation *g)
{
    run_plan plan = { 0 };
    for (int64_t s = 0; s < g->n_slots; s++) {
        slot *at = &g->slots[s];
        while (at->item < 0 && g->next < g->n && g->items[g->next].max_new < 1) item_done(g, g->next++);
        if (at->item >= 0) {
            generate_item *it = &g->items[at->item];
            add_to_step(g, &plan, s, &it->ids[it->n_new - 1], 1);
        } else if (g->next < g->n && (!plan.n || plan.n + g->items[g->next].n_prompt <= PREFILL_MAX)) {
            at->item   = g->next++;
            at->cached = 0;
            add_to_step(g, &plan, s, g->items[at->item].prompt, g->items[at->item].n_prompt);
        }
    }
    return plan;
}

/* --- steps without prompts, where the backend has graphs: a row for every slot, so that all of
 * them are alike and one graph does for all. */

/* The least rows of the cache that a graph's attention is cut for: beyond, it is made anew at
 * each power of two. */
enum { KV_LEAST = 32 };

static void drop_graph(generation *g)
{
    if (g->graph) g->d->be->graph_free(g->d->be, g->graph);
    g->graph = NULL;
    g->warm  = false;
}

/* Some text goes on, and no prompt enters. */
static bool only_decodes(const generation *g)
{
    bool any_free = false, any_busy = false, any_waits = false;
    for (int64_t s = 0; s < g->n_slots; s++) *(g->slots[s].item < 0 ? &any_free : &any_busy) = true;
    for (int64_t i = g->next; i < g->n && !any_waits; i++) any_waits = g->items[i].max_new > 0;
    return g->d->be->graph_begin && any_busy && !(any_free && any_waits);
}

/* A free slot decodes some token at position 0 of its own rows of the cache; nobody reads what
 * comes out. */
static run_plan plan_decode(generation *g)
{
    static const int32_t some    = 0;
    run_plan             plan    = { .decode = true };
    int64_t              longest = 0;
    for (int64_t s = 0; s < g->n_slots; s++) {
        slot *at = &g->slots[s];
        if (at->item < 0) at->cached = 0;
        add_to_step(g, &plan, s, at->item < 0 ? &some : &g->items[at->item].ids[g->items[at->item].n_new - 1], 1);
        if (at->cached > longest) longest = at->cached;
    }
    if (longest > g->kv_most) drop_graph(g);
    if (g->kv_most < KV_LEAST) g->kv_most = KV_LEAST;
    while (g->kv_most < longest) g->kv_most *= 2;
    plan.kv_most = g->kv_most;
    return plan;
}

/* --- computing a step */

/* The two best of every row, on the device. */
static void find_best(generation *g, int64_t n_rows)
{
    const int64_t chunk = g->d->chunk_rows;
    for (int64_t first = 0; first < n_rows; first += chunk) {
        int64_t count = n_rows - first < chunk ? n_rows - first : chunk;
        g->d->be->top_two(g->d->be, g->best + first, decoder_logits_chunk(g->d, first, count), count,
                          g->d->m->cfg.vocab);
    }
}

static void compute_now(generation *g, int64_t n_rows)
{
    decoder_compute(g->d);
    find_best(g, n_rows);
}

/* By the graph; where there is none, or memory it knows has moved, at once, and the next step
 * makes one. */
static void compute_by_graph(generation *g, int64_t n_rows)
{
    const backend *be = g->d->be;
    if (g->graph && be->graph_run(be, g->graph)) return;
    if (g->graph) drop_graph(g);
    if (!g->warm) {
        compute_now(g, n_rows);
        g->warm = true;
        return;
    }
    be->graph_begin(be);
    compute_now(g, n_rows);
    g->graph = be->graph_end(be);
    if (g->graph) be->graph_run(be, g->graph); /* nothing was released since it was begun */
}

/* One step; *n_rows rows have a next token, none when all is done. */
static int compute_step(generation *g, int64_t *n_rows)
{
    run_plan plan = only_decodes(g) ? plan_decode(g) : plan_step(g);
    *n_rows       = plan.n_rows;
    if (!plan.n) return OK;
    plan.n_spans = plan.n_row_spans = plan.n_rows;
    plan.ids = g->ids, plan.pos = g->pos, plan.rows = g->rows, plan.spans = g->spans, plan.row_spans = g->row_spans,
    plan.cache = &g->cache;
    int rc     = decoder_prepare(g->d, &plan, g->pairs, false);
    if (rc) return rc;
    if (plan.decode)
        compute_by_graph(g, plan.n_rows);
    else
        compute_now(g, plan.n_rows);
    return OK;
}

/* --- its tokens */

/* Appends the most likely token to the text of row i, and frees its slot when the text ends. */
static int take_token(generation *g, int64_t row, top_two top)
{
    slot          *at = &g->slots[g->active[row]];
    generate_item *it = &g->items[at->item];
    if (!top.finite) return decoder_not_finite(g->d, row);
    it->ids[it->n_new++] = top.best;
    it->min_margin       = fmin(it->min_margin, top.margin);
    if (it->n_new < it->max_new && !(g->o.stop && g->o.stop(g->o.ctx, at->item, it->ids, it->n_new))) return OK;
    item_done(g, at->item);
    at->item = -1;
    return OK;
}

static int take_tokens(generation *g, int64_t n_rows)
{
    const backend *be = g->d->be;
    be->get(be, g->host_best, g->best, n_rows * (int64_t)sizeof *g->best);
    int rc = be->sync(be);
    for (int64_t i = 0; i < n_rows && !rc; i++)
        if (g->slots[g->active[i]].item >= 0) rc = take_token(g, i, g->host_best[i]);
    return rc;
}

/* --- the whole */

static int check_items(const generation *g)
{
    const model *m = g->d->m;
    for (int64_t i = 0; i < g->n; i++) {
        const generate_item *it = &g->items[i];
        if (it->n_prompt < 1 || it->max_new < 0 || it->n_prompt + it->max_new > m->cfg.positions)
            return input_error(
                "%s: item %lld: a prompt of %lld tokens and %lld new ones: the prompt must have one, and together they may have %lld",
                m->dir, (long long)i, (long long)it->n_prompt, (long long)it->max_new, (long long)m->cfg.positions);
    }
    return OK;
}

static void start(generation *g)
{
    const model *m = g->d->m;
    for (int64_t i = 0; i < g->n; i++) g->items[i].n_new = 0, g->items[i].min_margin = INFINITY;
    g->slots        = arena_alloc(&g->memory, (size_t)g->n_slots, sizeof *g->slots);
    g->rows         = arena_alloc(&g->memory, (size_t)g->n_slots, sizeof *g->rows);
    g->spans        = arena_alloc(&g->memory, (size_t)g->n_slots, sizeof *g->spans);
    g->row_spans    = arena_alloc(&g->memory, (size_t)g->n_slots, sizeof *g->row_spans);
    g->active       = arena_alloc(&g->memory, (size_t)g->n_slots, sizeof *g->active);
    g->host_best    = arena_alloc(&g->memory, (size_t)g->n_slots, sizeof *g->host_best);
    g->best         = m->be->alloc_bytes(m->be, g->n_slots * (int64_t)sizeof *g->best);
    g->cache.rows   = g->n_slots * g->per_slot;
    g->cache.layers = arena_alloc(&g->memory, (size_t)m->cfg.layers, sizeof *g->cache.layers);
    for (int64_t l = 0; l < m->cfg.layers; l++)
        g->cache.layers[l] = m->be->alloc(m->be, g->cache.rows * 2 * g->d->kv_out);
    for (int64_t s = 0; s < g->n_slots; s++) g->slots[s].item = -1;
}

static void finish(generation *g)
{
    drop_graph(g);
    for (int64_t l = 0; g->cache.layers && l < g->d->m->cfg.layers; l++)
        g->d->be->release(g->d->be, g->cache.layers[l]);
    g->d->be->release(g->d->be, g->best);
    free(g->ids);
    free(g->pos);
    arena_free(&g->memory);
}

int generate_items(decoder *d, const pair_arrays *pairs, generate_item *items, int64_t n, generate_options o)
{
    generation g = { .d = d, .pairs = pairs, .items = items, .o = o, .n = n, .n_slots = o.batch < n ? o.batch : n };
    int rc = o.batch < 1 ? run_error("generate: batch %lld: must be at least 1", (long long)o.batch) : check_items(&g);
    for (int64_t i = 0; i < n && !rc; i++)
        if (items[i].n_prompt + items[i].max_new > g.per_slot) g.per_slot = items[i].n_prompt + items[i].max_new;
    if (!rc && g.n_slots > INT32_MAX / (g.per_slot + 1))
        rc = run_error("generate: a cache of %lld texts of %lld tokens is too large; use a smaller batch",
                       (long long)g.n_slots, (long long)g.per_slot);
    if (!rc) start(&g);
    for (int64_t n_rows = 1; !rc && n_rows;) {
        rc = compute_step(&g, &n_rows);
        if (!rc && n_rows) rc = take_tokens(&g, n_rows);
    }
    finish(&g);
    return rc;
}
