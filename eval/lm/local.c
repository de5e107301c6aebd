#include "eval/lm/local.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base.h"
#include "adapters/card.h"
#include "core/error.h"
#include "core/machine.h"
#include "core/memory.h"
#include "core/record.h"
#include "eval/lm/identity.h"
#include "eval/lm/window.h"
#include "kernels/variant.h"
#include "model/generate.h"
#include "model/pack.h"
#include "model/score.h"

/* A batch at work. */
typedef struct {
    local_lm       *m;
    const lm_batch *b;
    answer         *answers;
    lm_listener     told;
    int64_t         count;         /* requests that are done */
    const int64_t  *requests_done; /* CHOICES: by the number of choices that are done */
    pack            packed;        /* TEXT, TARGET: windows of the next forward */
} work;

static void report(work *w, int64_t count)
{
    w->count = count;
    if (w->told.progress) w->told.progress(w->told.ctx, count);
}

/* The decoder refuses logits that are not finite, but a sum of finite ones can still overflow. */
static int not_finite(const work *w, double x)
{
    return input_error(
        "%s: a score is %g: the weights of this model, or of the adapter, hold NaN, Inf or numbers far too large",
        decoder_model(w->m->dec)->dir, x);
}

/* --- texts */

static bool text_ends(void *ctx, int64_t item, const int32_t *v, int64_t n)
{
    work *w                  = ctx;
    w->answers[item].stopped = stop_reached(w->b->stops, v, n);
    return w->answers[item].stopped != NULL;
}

static void text_done(void *ctx, int64_t item)
{
    work *w = ctx;
    (void)item;
    report(w, w->count + 1);
}

static int answer_texts(work *w)
{
    const lm_batch *b     = w->b;
    generate_item  *items = mem_alloc((size_t)b->n, sizeof *items);
    for (int64_t i = 0; i < b->n; i++) {
        const ids *prompt = &b->requests[i]->input;
        items[i]          = (generate_item) { .prompt   = prompt->ids,
                                              .n_prompt = (int64_t)prompt->n,
                                              .max_new  = b->rules.max_new,
                                              .ids      = mem_alloc((size_t)b->rules.max_new, sizeof *items[i].ids) };
    }
    int rc = generate_items(
        w->m->dec, w->m->pairs, items, b->n,
        (generate_options) { .batch = b->sequences, .stop = text_ends, .done = text_done, .ctx = w });
    for (int64_t i = 0; i < b->n && !rc; i++) {
        w->answers[i].completion_tokens = items[i].n_new;
        w->answers[i].min_margin        = items[i].min_margin;
        rc                              = stop_cut(b->stops, items[i].ids, items[i].n_new, &w->answers[i].text);
        if (!rc && isnan(items[i].min_margin)) rc = not_finite(w, items[i].min_margin);
    }
    for (int64_t i = 0; i < b->n; i++) free(items[i].ids);
    free(items);
    return rc;
}

/* --- choices */

static void choices_done(void *ctx, int64_t count)
{
    work *w = ctx;
    report(w, w->requests_done[count]);
}

static int answer_choices(work *w)
{
    const lm_batch *b     = w->b;
    int64_t         parts = 0, p = 0;
    for (int64_t i = 0; i < b->n; i++) parts += b->requests[i]->text.n_choices;
    score_item   *items   = mem_alloc((size_t)parts, sizeof *items);
    score_result *results = mem_alloc((size_t)parts, sizeof *results);
    int64_t      *done    = mem_alloc((size_t)parts + 1, sizeof *done);
    for (int64_t i = 0; i < b->n; i++) {
        const request *r = b->requests[i];
        for (int64_t c = 0; c < r->text.n_choices; c++) {
            int64_t n_context = (int64_t)r->input.n, n_cont = (int64_t)r->choices[c].n;
            int64_t cut = request_context_cut(n_context, n_cont, b->rules.positions);
            items[p]    = (score_item) { r->input.ids + cut, r->choices[c].ids, n_context - cut, n_cont };
            done[++p]   = i + (c + 1 == r->text.n_choices);
        }
    }
    w->requests_done = done;
    int rc           = score_items(w->m->dec, w->m->pairs, items, parts, b->max_tokens, results, choices_done, w);
    p                = 0;
    for (int64_t i = 0; i < b->n && !rc; i++) {
        answer *a = &w->answers[i];
        answer_sums(a, b->requests[i]->text.n_choices);
        for (int64_t c = 0; c < a->n_ll; c++, p++) {
            a->ll[c]     = results[p].ll;
            a->greedy[c] = results[p].greedy;
            a->tokens[c] = items[p].n_cont;
        }
    }
    free(items);
    free(results);
    free(done);
    return rc;
}

/* --- targets: the windows of all requests, packed into forwards */

/* One forward over the windows packed so far adds their log-likelihoods to the answers. */
static int score_packed(work *w, int64_t requests_done)
{
    pack *p  = &w->packed;
    int   rc = pack_score(p, w->m->dec, w->m->pairs);
    for (int64_t i = 0; i < p->batch.n_rows && !rc; i++) {
        answer *a = &w->answers[p->owner[i]];
        a->ll[0] -= p->nll[i];
        a->greedy[0] &= p->best[i] == p->targets[i];
    }
    pack_clear(p);
    if (!rc) report(w, requests_done);
    return rc;
}

static void pack_window(pack *p, const request *r, int64_t request_index, window part)
{
    int64_t first = pack_tokens(p, r->input.ids + part.first, part.n, 0, -1) - part.first;
    for (int64_t i = part.row > part.first ? part.row : part.first; i < part.first + part.n; i++)
        if (r->targets[i] >= 0) pack_row(p, first + i, r->targets[i], request_index);
}

static int answer_targets(work *w)
{
    const lm_batch *b  = w->b;
    int             rc = OK;
    for (int64_t i = 0; i < b->n; i++) {
        answer_sums(&w->answers[i], 1);
        w->answers[i].tokens[0] = b->requests[i]->scored;
    }
    for (int64_t i = 0; i < b->n && !rc; i++) {
        const request *r = b->requests[i];
        window         part;
        for (int64_t k = 0; !rc && window_at(&part, k, (int64_t)r->input.n, r->row, b->rules.positions); k++) {
            if (w->packed.batch.n_tokens && w->packed.batch.n_tokens + part.n > b->max_tokens) rc = score_packed(w, i);
            pack_window(&w->packed, r, i, part);
        }
    }
    if (!rc && w->packed.batch.n_tokens) rc = score_packed(w, b->n);
    pack_free(&w->packed);
    return rc;
}

/* --- the interface */

/* No answer is told before all are whole, so a batch that fails late leaves none behind. */
static int local_answer(lm *m, const lm_batch *b, answer *answers, lm_listener l)
{
    static int (*const by_kind[])(work *) = { [REQUEST_GENERATE] = answer_texts,
                                              [REQUEST_CHOICES]  = answer_choices,
                                              [REQUEST_TEXT]     = answer_targets,
                                              [REQUEST_TARGET]   = answer_targets };
    work w                                = { .m = (local_lm *)m, .b = b, .answers = answers, .told = l };
    int  rc                               = by_kind[b->rules.kind](&w);
    for (int64_t i = 0; i < b->n && !rc; i++) {
        answers[i].prompt_tokens = b->requests[i]->cost;
        for (int64_t k = 0; k < answers[i].n_ll && !rc; k++)
            if (!isfinite(answers[i].ll[k])) rc = not_finite(&w, answers[i].ll[k]);
    }
    for (int64_t i = 0; i < b->n && !rc && l.answered; i++) rc = l.answered(l.ctx, i);
    return rc;
}

static int local_probe(lm *m, const request *requests, int64_t n, int64_t positions, adapter_delta *out)
{
    local_lm *l = (local_lm *)m;
    return identity_probe(l->dec, l->pairs, requests, n, positions, out);
}

static int local_describe(const lm *m, json **asked)
{
    const local_lm *l = (const local_lm *)m;
    json           *j = *asked = json_object();
    record_put(j, field_asked_base, l->base ? json_copy(l->base) : record_named(l->asked.model, model_hash(l->model)));
    record_put(j, field_asked_adapter, json_copy(l->card));
    if (l->asked.max_length) record_put_count(j, field_asked_max_length, l->asked.max_length);
    /* Other devices and types add in another order, so their cells are others. */
    if (!m->be->host) record_put_text(j, field_asked_device, m->device);
    if (m->be->params != m->be) record_put_text(j, field_asked_dtype, m->be->dtype);
    if (l->asked.variant) record_put_text(j, field_asked_variant, l->asked.variant);
    return OK;
}

static void local_close(lm *m)
{
    local_lm *l = (local_lm *)m;
    decoder_free(l->dec);
    adapter_free(l->adapter);
    model_close(l->model);
    tokenizer_close(l->tok);
    json_free(l->base);
    json_free(l->card);
    free(l);
}

local_lm local_over(decoder *dec, const pair_arrays *pairs, const tokenizer *tok, int64_t max_length)
{
    const model *m = decoder_model(dec);
    return (local_lm) { .lm    = { .tok           = tok,
                                   .cfg           = &m->cfg,
                                   .max_length    = max_length ? max_length : m->cfg.positions,
                                   .whole_batches = true,
                                   .be            = m->be,
                                   .device        = m->be->params->name,
                                   .answer        = local_answer,
                                   .probe         = pairs ? local_probe : NULL,
                                   .describe      = local_describe,
                                   .close         = local_close },
                        .dec   = dec,
                        .pairs = pairs };
}

/* Opens the adapter and reads its card. Without one, the model folder may hold a card itself: that
 * of the training that changed its weights. */
static int open_adapter(local_lm *l)
{
    const char *dir = l->asked.adapter;
    if (!dir) {
        int rc = full_card_read(&l->base, &l->card, l->asked.model);
        if (l->base && l->card) json_set_str(l->card, "sha256", model_hash(l->model));
        return rc;
    }
    int rc = adapter_open(&l->adapter, l->model->be, &l->model->cfg, dir);
    if (!rc) adapter_expand(l->adapter);
    if (!rc) rc = adapter_check_base(dir, l->model, l->asked.base_changed);
    return rc ? rc : adapter_card_read(&l->card, dir, l->adapter);
}

int local_open(lm **out, const local_options *o)
{
    const backend *be = backend_for(o->device, o->dtype);
    *out              = NULL;
    if (!be) return ERR_INPUT;
    local_lm *l       = mem_alloc(1, sizeof *l);
    int       threads = o->threads ? (int)o->threads : machine_cores();
    l->asked          = *o;
    be->set_threads(be, threads);
    const adapted_variant *variant;
    int                    rc = adapted_asked(be, o->variant, &variant);
    if (!rc && o->tokenizer) rc = tokenizer_open(&l->tok, o->model);
    if (!rc) rc = model_open(&l->model, o->model, be, false);
    if (!rc && o->max_length > l->model->cfg.positions)
        rc = input_error("--max-length %lld: the model has %lld positions: 2..%lld", (long long)o->max_length,
                         (long long)l->model->cfg.positions, (long long)l->model->cfg.positions);
    if (!rc) rc = open_adapter(l);
    if (!rc)
        rc = model_use_variant(l->model, o->variant, l->adapter ? adapter_pairs(l->adapter) : NULL, false,
                               o->max_length ? o->max_length : l->model->cfg.positions);
    if (rc) {
        local_close(&l->lm);
        return rc;
    }
    l->dec              = decoder_new(l->model);
    l->pairs            = l->adapter ? adapter_pairs(l->adapter) : NULL;
    l->lm               = local_over(l->dec, l->pairs, l->tok, o->max_length).lm;
    l->lm.adapter       = o->adapter;
    l->lm.threads       = threads;
    l->lm.trainable     = l->adapter ? l->adapter->theta_count : l->card ? config_parameters(&l->model->cfg) : 0;
    l->lm.adapter_bytes = weights_bytes(l->adapter ? o->adapter : l->card ? o->model : NULL);
    *out                = &l->lm;
    return OK;
}
