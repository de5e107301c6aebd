/* For tests: a completions API on the loopback that serves a local model, well or badly. It has one
 * thread and takes one connection at a time. */
#ifndef TIEBREAK_EVAL_SERVED_TEST_SERVER_H
#define TIEBREAK_EVAL_SERVED_TEST_SERVER_H
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "tasks/encode.h"
#include "eval/test_model.h"
#include "model/generate.h"

/* How completions are answered from request number `good` on; earlier ones are answered well. */
typedef enum {
    SERVE_WELL,
    SERVE_NO_ECHO,    /* the new token alone, as servers that do not know "echo" do */
    SERVE_500_TWICE,  /* then well */
    SERVE_429_ONCE,   /* with Retry-After: 0, then well */
    SERVE_500,        /* always */
    SERVE_400,        /* always */
    SERVE_CUT_JSON,   /* half of the JSON, as if it were all */
    SERVE_CUT_SHORT,  /* half of what Content-Length says */
    SERVE_HANG_UP,    /* no answer */
    SERVE_SLOWLY,     /* a second late */
    SERVE_PAGE,       /* HTML */
    SERVE_NULLS,      /* every log-probability null */
    SERVE_NANS,       /* NaN, as some JSON writers spell it */
    SERVE_CHAT_STYLE, /* logprobs in the chat API's form */
    SERVE_ONE_MORE,   /* a token of its own before the prompt */
    SERVE_PENALTY,    /* other tokens than the likeliest */
    SERVE_ERROR,      /* status 200 with an error object */
} serving;

typedef struct {
    const char *dir;
    serving     how;
    int64_t     good;
    test_model  model;
    int         listener;
    char        url[64];
    pthread_t   thread;
    atomic_bool stop;
    atomic_int  completions; /* asked for so far */
    char        authorization[128];
    str         asked; /* the last body */
} test_server;

/* --- answers */

static inline void serve_prompt(test_server *s, const json *prompt, ids *out)
{
    /* A list of one prompt is as good as the prompt. */
    if (cJSON_IsArray(prompt) && !cJSON_IsNumber(prompt->child)) prompt = prompt->child;
    if (cJSON_IsString(prompt)) {
        if (encode_text(s->model.tok, slice_of(prompt->valuestring), out)) abort();
        return;
    }
    for (const json *t = prompt->child; t; t = t->next) ids_push(out, (int32_t)t->valuedouble);
}

static inline str serve_decode(test_server *s, const int32_t *v, int64_t n, bool skip_special)
{
    str text = { 0 };
    if (tokenizer_decode(s->model.tok, v, (size_t)n, skip_special, &text)) abort();
    return text;
}

/* What token i adds to the text of those before it. */
static inline str serve_token(test_server *s, const ids *all, int64_t i)
{
    str before = serve_decode(s, all->ids, i, false), whole = serve_decode(s, all->ids, i + 1, false), own = { 0 };
    if (whole.n >= before.n) str_add(&own, str_c(&whole) + before.n, whole.n - before.n);
    str_free(&before);
    str_free(&whole);
    return own;
}

static inline json *serve_top(const char *token, double own, double best)
{
    json *j = json_object();
    if (best > own) json_set_num(j, "(best)", best);
    json_set_num(j, token, own);
    return j;
}

/* Log-probabilities of the ids from number `from` on, given those before, in the API's form. */
static inline json *serve_logprobs(test_server *s, const ids *all, int64_t from, serving how)
{
    bool     nulls = how == SERVE_NULLS;
    int64_t  n = (int64_t)all->n, vocab = s->model.model->cfg.vocab;
    int32_t *at     = mem_alloc((size_t)n, sizeof *at);
    int32_t *next   = mem_alloc((size_t)n, sizeof *next);
    double  *logits = mem_alloc((size_t)vocab, sizeof *logits), *nll = mem_alloc((size_t)n, sizeof *nll);
    json *lps = json_array(), *tops = json_array(), *tokens = json_array(), *offsets = json_array(), *j = json_object();
    segment whole = { .start = 0, .len = (int32_t)n, .prefix = -1 };
    for (int64_t i = 0; i < n; i++) at[i] = (int32_t)i;
    for (int64_t i = 0; i + 1 < n; i++) next[i] = all->ids[i + 1];
    batch b = { .n_tokens   = n,
                .n_segments = 1,
                .n_rows     = n,
                .ids        = all->ids,
                .pos        = at,
                .segments   = &whole,
                .rows       = at,
                .targets    = next };
    if (decoder_forward(s->model.dec, &b, NULL, false) || decoder_nll(s->model.dec, nll, NULL)) abort();
    for (int64_t i = from; i < n; i++) {
        str    token = serve_token(s, all, i), before = serve_decode(s, all->ids, i, false);
        double best = -INFINITY, own = i ? -nll[i - 1] : 0;
        if (i) {
            if (decoder_logits(s->model.dec, i - 1, 1, logits)) abort();
            for (int64_t v = 0; v < vocab; v++) best = fmax(best, logits[v]);
        }
        json_push(lps, i && !nulls ? cJSON_CreateNumber(own) : cJSON_CreateNull());
        json_push(tops, i && !nulls
                            ? serve_top(str_c(&token), own, own + best - logits[all->ids[i]] + (how == SERVE_PENALTY))
                            : cJSON_CreateNull());
        json_push(tokens, cJSON_CreateString(str_c(&token)));
        json_push(offsets, cJSON_CreateNumber((double)utf8_length(str_c(&before), before.n)));
        str_free(&token);
        str_free(&before);
    }
    json_set(j, "token_logprobs", lps);
    json_set(j, "top_logprobs", tops);
    json_set(j, "tokens", tokens);
    json_set(j, "text_offset", offsets);
    free(at);
    free(next);
    free(nll);
    free(logits);
    return j;
}

static inline bool serve_stop(void *stops, int64_t item, const int32_t *v, int64_t n)
{
    (void)item;
    return stop_reached(stops, v, n) != NULL;
}

static inline json *serve_completion(test_server *s, const json *asked, serving how)
{
    ids           all   = { 0 };
    str           text  = { 0 };
    stop_list     stops = { 0 };
    bool          echo  = cJSON_IsTrue(json_find(asked, "echo"));
    generate_item item  = { .max_new = (int64_t)number_at(asked, "max_tokens") };
    json         *j = json_object(), *choice = json_object(), *choices = json_array(), *usage = json_object();
    serve_prompt(s, at(asked, "prompt"), &all);
    if (how == SERVE_ONE_MORE) { /* as a server that puts BOS before whatever comes */
        ids_push(&all, 0);
        memmove(all.ids + 1, all.ids, (all.n - 1) * sizeof *all.ids);
        all.ids[0] = tokenizer_bos(s->model.tok);
    }
    item.prompt   = all.ids;
    item.n_prompt = (int64_t)all.n;
    item.ids      = mem_alloc((size_t)item.max_new, sizeof *item.ids);
    if (stop_list_make(&stops, json_find(asked, "stop"), s->model.tok, &s->model.model->cfg)) abort();
    if (generate_items(s->model.dec, NULL, &item, 1,
                       (generate_options) { .batch = 1, .stop = serve_stop, .ctx = &stops }))
        abort();
    bool stopped = serve_stop(&stops, 0, item.ids, item.n_new);
    json_set_int(choice, "index", 0);
    if (json_has(asked, "logprobs")) {
        int64_t from = echo && how != SERVE_NO_ECHO ? 0 : item.n_prompt;
        for (int64_t i = 0; i < item.n_new; i++) ids_push(&all, item.ids[i]);
        text = serve_decode(s, all.ids + from, (int64_t)all.n - from, true);
        json_set(choice, "logprobs", serve_logprobs(s, &all, from, how));
        if (how == SERVE_CHAT_STYLE) {
            cJSON_ReplaceItemInObject(choice, "logprobs", json_object());
            json_set(cJSON_GetObjectItem(choice, "logprobs"), "content", json_array());
        }
    } else if (stop_cut(&stops, item.ids, item.n_new, &text)) {
        abort();
    }
    json_set_str(choice, "text", str_c(&text));
    json_set_str(choice, "finish_reason", stopped ? "stop" : "length");
    json_push(choices, choice);
    json_set_int(usage, "prompt_tokens", item.n_prompt);
    json_set_int(usage, "completion_tokens", item.n_new);
    json_set_str(j, "object", "text_completion");
    json_set(j, "choices", choices);
    json_set(j, "usage", usage);
    free(item.ids);
    ids_free(&all);
    str_free(&text);
    stop_list_free(&stops);
    return j;
}

/* --- HTTP */

static inline void serve_send(int to, int status, const char *headers, const str *body, size_t send_bytes)
{
    str head = { 0 };
    str_printf(
        &head,
        "HTTP/1.1 %d Status\r\nContent-Type: application/json\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n",
        status, headers, body->n);
    str_add(&head, str_c(body), send_bytes);
    for (size_t sent = 0; sent < head.n;) {
        ssize_t n = send(to, head.s + sent, head.n - sent, MSG_NOSIGNAL);
        if (n <= 0) break;
        sent += (size_t)n;
    }
    str_free(&head);
}

/* Receives a whole request into text; returns the offset of its body, or 0. */
static inline size_t serve_receive(int from, str *text)
{
    size_t body = 0, length = 0;
    while (!body || text->n < body + length) {
        char          bytes[4096];
        struct pollfd p = { .fd = from, .events = POLLIN };
        ssize_t       n = poll(&p, 1, 5000) == 1 ? recv(from, bytes, sizeof bytes, 0) : 0;
        if (n <= 0) return 0;
        str_add(text, bytes, (size_t)n);
        const char *end    = body ? NULL : strstr(text->s, "\r\n\r\n"),
                   *header = strcasestr(text->s, "\r\nContent-Length:");
        if (end) body = (size_t)(end - text->s) + 4;
        if (end && header && header < end) length = (size_t)strtoull(header + 17, NULL, 10);
    }
    return body;
}

static inline void serve_badly(int to, serving how, int64_t number, str *body)
{
    str  broken = { .s = (char[]) { "{\"error\":\"out of memory\"}" }, .n = 25 };
    bool again  = (how == SERVE_500_TWICE && number < 2) || how == SERVE_500;
    if (how == SERVE_HANG_UP) return;
    if (again)
        serve_send(to, 500, "", &broken, broken.n);
    else if (how == SERVE_429_ONCE && !number)
        serve_send(to, 429, "Retry-After: 0\r\n", &broken, broken.n);
    else if (how == SERVE_400)
        serve_send(to, 400, "", &broken, broken.n);
    else
        serve_send(to, 200, "", body, how == SERVE_CUT_SHORT ? body->n / 2 : body->n);
}

static inline void serve_post(test_server *s, int to, const char *text, size_t n)
{
    json   *asked, *answered;
    int64_t number = atomic_fetch_add(&s->completions, 1);
    serving how    = number < s->good ? SERVE_WELL : s->how;
    str     body   = { 0 };
    str_clear(&s->asked);
    str_add(&s->asked, text, n);
    if (json_parse(&asked, text, n, "request")) abort();
    answered = serve_completion(s, asked, how);
    json_print(answered, &body, false);
    if (how == SERVE_SLOWLY) usleep(1000 * 1000);
    if (how == SERVE_CUT_JSON) body.n /= 2;
    if (how == SERVE_PAGE || how == SERVE_NANS || how == SERVE_ERROR) {
        str_clear(&body);
        str_puts(&body, how == SERVE_PAGE ? "<html><body>404 Not Found</body></html>"
                        : how == SERVE_ERROR
                            ? "{\"error\":{\"message\":\"the model is loading\"}}"
                            : "{\"choices\":[{\"text\":\"a\",\"logprobs\":{\"token_logprobs\":[null,NaN]}}]}");
    }
    serve_badly(to, how, number - s->good, &body);
    str_free(&body);
    json_free(answered);
    json_free(asked);
}

static inline void serve_connection(test_server *s, int c)
{
    static const char models[] = "{\"object\":\"list\",\"data\":[{\"id\":\"stand-in\",\"object\":\"model\"}]}";
    str               text     = { 0 };
    size_t            body     = serve_receive(c, &text);
    const char       *key      = body ? strstr(text.s, "\r\nAuthorization: ") : NULL;
    if (key) snprintf(s->authorization, sizeof s->authorization, "%.*s", (int)strcspn(key + 17, "\r"), key + 17);
    if (body && !strncmp(text.s, "GET /v1/models ", 15)) {
        str list = { .s = (char *)(uintptr_t)models, .n = sizeof models - 1 };
        serve_send(c, 200, "", &list, list.n);
    } else if (body && !strncmp(text.s, "POST /v1/completions ", 21)) {
        serve_post(s, c, text.s + body, text.n - body);
    } else if (body) {
        str none = { .s = (char[]) { "no such page" }, .n = 12 };
        serve_send(c, 404, "", &none, none.n);
    }
    str_free(&text);
}

static inline void *serve(void *ctx)
{
    test_server *s = ctx;
    while (!atomic_load(&s->stop)) {
        struct pollfd p = { .fd = s->listener, .events = POLLIN };
        if (poll(&p, 1, 50) != 1) continue;
        int c = accept(s->listener, NULL, NULL);
        if (c < 0) continue;
        serve_connection(s, c);
        close(c);
    }
    return NULL;
}

static inline test_server *start_server(const char *dir, serving how)
{
    test_server       *s    = mem_alloc(1, sizeof *s);
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          n    = sizeof here;
    s->model                = open_test_model(dir);
    s->how                  = how;
    s->listener             = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(s->listener >= 0 && !bind(s->listener, (struct sockaddr *)&here, sizeof here) &&
                !listen(s->listener, 64));
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&here, &n), 0);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/v1", ntohs(here.sin_port));
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    return s;
}

static inline void stop_server(test_server *s)
{
    atomic_store(&s->stop, true);
    pthread_join(s->thread, NULL);
    close(s->listener);
    close_test_model(&s->model);
    str_free(&s->asked);
    free(s);
}
#endif
