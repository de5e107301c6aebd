#include "eval/served/endpoint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "eval/served/completion.h"
#include "eval/lm/window.h"

/* One HTTP request: a prompt to go on from, a choice, or a window of a sequence. */
typedef struct {
    int64_t        request;
    int64_t        n_ids; /* ids of the prompt; 0: it is text */
    int64_t       *at;    /* [n_at] places of the scored ids */
    int64_t        n_at;
    str            text;   /* the prompt as text */
    size_t         border; /* where its scored part begins */
    completion_sum sum;
} part;

typedef struct {
    endpoint       *e;
    const lm_batch *b;
    answer         *answers;
    lm_listener     told;
    int64_t         count; /* answers that are whole */
    part           *parts; /* those of one request follow one another */
    str            *bodies;
    int64_t         n_parts;
    size_t          cap;
    /* By request: its first part, and how many parts are still to come. */
    int64_t *first, *missing;
} asking;

/* --- requests to parts */

/* Adds a part; returns where its request's body goes. */
static str *new_part(asking *k, int64_t item)
{
    if ((size_t)k->n_parts == k->cap) {
        k->parts  = mem_grow(k->parts, &k->cap, sizeof *k->parts);
        k->bodies = mem_resize(k->bodies, k->cap, sizeof *k->bodies);
    }
    k->parts[k->n_parts]  = (part) { .request = item };
    k->bodies[k->n_parts] = (str) { 0 };
    k->missing[item]      = k->n_parts + 1 - k->first[item];
    return &k->bodies[k->n_parts++];
}

static part *ask_echo(asking *k, int64_t item, completion_prompt prompt)
{
    completion_ask_echo(new_part(k, item), k->e->model, prompt);
    part *p  = &k->parts[k->n_parts - 1];
    p->n_ids = prompt.ids ? prompt.n : 0;
    return p;
}

/* Asks for a context and what follows it, as text. Trailing blanks of the context belong to what
 * follows, just as they do where ids are made. */
static void ask_echo_text(asking *k, int64_t item, const char *context, const char *rest)
{
    str text = { 0 };
    str_puts(&text, context);
    str_puts(&text, rest);
    part *p   = ask_echo(k, item, (completion_prompt) { .text = { str_c(&text), text.n } });
    p->text   = text;
    p->border = py_rstrip(slice_of(context)).n;
}

static int add_generate(asking *k, int64_t item)
{
    const request   *r     = k->b->requests[item];
    const stop_list *s     = k->b->stops;
    const char     **stops = mem_alloc((size_t)s->n, sizeof *stops);
    for (int64_t i = 0; i < s->n; i++) stops[i] = s->items[i].text;
    completion_ask_text(
        new_part(k, item), k->e->model,
        (completion_prompt) { r->input.n ? r->input.ids : NULL, (int64_t)r->input.n, slice_of(r->text.prompt) },
        k->b->rules.max_new, stops, s->n, k->e->gen_kwargs);
    free(stops);
    return OK;
}

static int add_choices(asking *k, int64_t item)
{
    const request *r    = k->b->requests[item];
    ids            both = { 0 };
    for (int64_t c = 0; c < r->text.n_choices; c++) {
        if (k->b->rules.as_text) {
            ask_echo_text(k, item, r->text.prompt, r->text.choices[c]);
            continue;
        }
        int64_t n_cont    = (int64_t)r->choices[c].n,
                cut       = request_context_cut((int64_t)r->input.n, n_cont, k->b->rules.positions);
        int64_t n_context = (int64_t)r->input.n - cut;
        ids_clear(&both);
        for (int64_t i = 0; i < n_context; i++) ids_push(&both, r->input.ids[cut + i]);
        for (int64_t i = 0; i < n_cont; i++) ids_push(&both, r->choices[c].ids[i]);
        part *p = ask_echo(k, item, (completion_prompt) { .ids = both.ids, .n = (int64_t)both.n });
        p->at   = mem_alloc((size_t)n_cont, sizeof *p->at);
        p->n_at = n_cont;
        for (int64_t i = 0; i < n_cont; i++) p->at[i] = n_context + i;
    }
    ids_free(&both);
    return OK;
}

/* Asks for the inputs of a window and the target after its last one. Each target must be the next
 * input, because an echo has log-probabilities of nothing else. */
static int add_window(asking *k, int64_t item, window w)
{
    const request *r    = k->b->requests[item];
    ids            all  = { 0 };
    int64_t        last = w.first + w.n - 1;
    for (int64_t i = w.first; i <= last; i++) {
        if (i >= w.row && i < last && r->targets[i] >= 0 && r->targets[i] != r->input.ids[i + 1]) {
            ids_free(&all);
            return input_error(
                "%s: a label differs from the token that follows; a completions API scores only what follows",
                k->e->completions);
        }
        ids_push(&all, r->input.ids[i]);
    }
    if (r->targets[last] >= 0) ids_push(&all, r->targets[last]);
    part *p = ask_echo(k, item, (completion_prompt) { .ids = all.ids, .n = (int64_t)all.n });
    p->at   = mem_alloc(all.n, sizeof *p->at);
    for (int64_t i = w.row > w.first ? w.row : w.first; i <= last; i++)
        if (r->targets[i] >= 0) p->at[p->n_at++] = i - w.first + 1;
    ids_free(&all);
    return OK;
}

static int add_target(asking *k, int64_t item)
{
    const request *r = k->b->requests[item];
    window         w;
    int            rc = OK;
    if (k->b->rules.as_text) {
        ask_echo_text(k, item, r->text.prompt, r->text.target);
        return OK;
    }
    for (int64_t i = 0; !rc && window_at(&w, i, (int64_t)r->input.n, r->row, k->b->rules.positions); i++)
        rc = add_window(k, item, w);
    return rc;
}

/* --- answers */

static int finish_text(asking *k, const part *p, const char *body, size_t n)
{
    completion_text got;
    answer         *a     = &k->answers[p->request];
    const char     *where = k->e->completions;
    int             rc    = completion_read_text(&got, body, n, where, k->b->rules.max_new);
    if (rc) return rc;
    a->text       = got.text;
    a->min_margin = INFINITY; /* the server does not say */
    if (got.completion_tokens > 0) a->completion_tokens = got.completion_tokens;
    a->prompt_tokens = got.prompt_tokens > 0 ? got.prompt_tokens : k->b->requests[p->request]->cost;
    a->stopped       = stop_cut_text(k->b->stops, &a->text);
    if (!a->stopped && got.stopped) a->stopped = k->b->stops->eos;
    return OK;
}

/* Sums a request's parts in their own order, whatever order they came in. */
static void finish_sums(asking *k, int64_t item)
{
    bool    choices = k->b->rules.kind == REQUEST_CHOICES;
    answer *a       = &k->answers[item];
    int64_t end     = k->first[item + 1];
    answer_sums(a, choices ? k->b->requests[item]->text.n_choices : 1);
    if (!a->prompt_tokens) a->prompt_tokens = k->b->requests[item]->cost;
    for (int64_t i = k->first[item]; i < end; i++) {
        int64_t c = choices ? i - k->first[item] : 0;
        a->ll[c] += k->parts[i].sum.ll;
        a->greedy[c] &= k->parts[i].sum.greedy;
        a->tokens[c] += k->parts[i].sum.tokens;
    }
}

static int finish_echo(asking *k, part *p, const char *body, size_t n)
{
    const char     *where = k->e->completions;
    completion_echo echo;
    int             rc = completion_read_echo(&echo, body, n, where);
    if (rc) return rc;
    if (p->n_ids)
        rc = completion_sum_ids(&echo, where, p->n_ids, p->at, p->n_at, &p->sum);
    else
        rc = completion_sum_text(&echo, where, (slice) { str_c(&p->text), p->text.n }, p->border, &p->sum);
    if (!rc)
        k->answers[p->request].prompt_tokens += echo.prompt_tokens > 0 ? echo.prompt_tokens
                                                : p->n_ids             ? p->n_ids
                                                                       : echo.n;
    completion_echo_free(&echo);
    if (!rc && k->missing[p->request] == 1) finish_sums(k, p->request);
    return rc;
}

static int tell_whole(asking *k, int64_t item)
{
    int rc = k->told.answered ? k->told.answered(k->told.ctx, item) : OK;
    if (k->told.progress) k->told.progress(k->told.ctx, ++k->count);
    return rc;
}

static int part_arrived(void *ctx, int64_t index, const char *body, size_t n)
{
    asking *k  = ctx;
    part   *p  = &k->parts[index];
    int     rc = k->b->rules.kind == REQUEST_GENERATE ? finish_text(k, p, body, n) : finish_echo(k, p, body, n);
    return rc || --k->missing[p->request] ? rc : tell_whole(k, p->request);
}

/* --- whether the server decodes greedily */

static int look_at_greed(void *ctx, int64_t index, const char *body, size_t n)
{
    endpoint       *e = ctx;
    completion_echo echo;
    int64_t         other = 0;
    (void)index;
    /* Without log-probabilities nothing can be said. */
    if (completion_read_echo(&echo, body, n, "")) return OK;
    for (int64_t i = 0; i < echo.n; i++) other += !isnan(echo.logprob[i]) && !echo.greedy[i];
    if (other)
        warn("%s: %lld of %lld tokens of the first text are not the likeliest by the server's own log-probabilities: "
             "a penalty or a sampler of its own is at work "
             "(llama-cpp-python: --gen-kwargs '{\"repeat_penalty\":1}')",
             e->completions, (long long)other, (long long)echo.n);
    e->not_greedy = other;
    completion_echo_free(&echo);
    return OK;
}

static int check_greed(asking *k)
{
    str body = { 0 };
    if (k->b->rules.kind != REQUEST_GENERATE || !k->n_parts || k->e->not_greedy >= 0) return OK;
    k->e->not_greedy = 0;
    str_add(&body, str_c(&k->bodies[0]), k->bodies[0].n - 1);
    str_puts(&body, ",\"logprobs\":1}");
    int rc = http_post_all(k->e->http, k->e->completions, &body, 1, look_at_greed, k->e);
    str_free(&body);
    /* A server that refuses this question may still answer without it. */
    return rc == ERR_FAILED ? rc : OK;
}

int endpoint_answer(lm *m, const lm_batch *b, answer *answers, lm_listener l)
{
    static int (*const add[])(asking *, int64_t) = { [REQUEST_GENERATE] = add_generate,
                                                     [REQUEST_CHOICES]  = add_choices,
                                                     [REQUEST_TEXT]     = add_target,
                                                     [REQUEST_TARGET]   = add_target };
    asking k                                     = { .e = (endpoint *)m, .b = b, .answers = answers, .told = l };
    int    rc                                    = OK;
    k.first                                      = mem_alloc((size_t)b->n + 1, sizeof *k.first);
    k.missing                                    = mem_alloc((size_t)b->n, sizeof *k.missing);
    for (int64_t i = 0; i < b->n && !rc; i++) {
        k.first[i]     = k.n_parts;
        rc             = add[b->rules.kind](&k, i);
        k.first[i + 1] = k.n_parts;
        if (!rc && k.first[i] == k.n_parts) { /* there is nothing to score */
            finish_sums(&k, i);
            rc = tell_whole(&k, i);
        }
    }
    if (!rc) rc = check_greed(&k);
    if (!rc) rc = http_post_all(k.e->http, k.e->completions, k.bodies, k.n_parts, part_arrived, &k);
    for (int64_t i = 0; i < k.n_parts; i++) {
        str_free(&k.bodies[i]);
        str_free(&k.parts[i].text);
        free(k.parts[i].at);
    }
    free(k.parts);
    free(k.bodies);
    free(k.first);
    free(k.missing);
    return rc;
}
