#include "eval/served/endpoint.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/record.h"
#include "eval/served/completion.h"

enum { CONCURRENCY = 4, REQUESTS_PER_CONNECTION = 64, TIMEOUT_S = 300, MAX_LENGTH = 2048 };

/* --- opening */

bool is_endpoint_url(const char *model) { return !strncmp(model, "http://", 7) || !strncmp(model, "https://", 8); }

/* The API's address, whatever slashes or /completions end what was given. */
static char *trimmed(const char *url)
{
    static const char tail[] = "/completions";
    size_t            n      = strlen(url);
    while (n && url[n - 1] == '/') n--;
    if (n >= sizeof tail - 1 && !memcmp(url + n - (sizeof tail - 1), tail, sizeof tail - 1)) n -= sizeof tail - 1;
    while (n && url[n - 1] == '/') n--;
    return mem_strndup(url, n);
}

/* The model's name and length. A server that lists nothing, or fails to (transformers serve), is
 * no obstacle when the name was given. */
static int learn_model(endpoint *e, const endpoint_options *o)
{
    str     body      = { 0 };
    char   *where     = path_join(e->url, "models");
    int64_t positions = 0;
    int     rc        = http_get(e->http, where, o->model ? 0 : o->retries, &body);
    if (!rc) rc = completion_read_models(&e->model, &positions, o->model, str_c(&body), body.n, where);
    if (rc && !o->model) error_context(rc, "the model's name is not known (--model-name NAME)");
    if (o->model) rc = OK;
    if (!rc && !e->model) e->model = mem_strdup(o->model);
    e->lm.max_length = o->max_length ? o->max_length : positions ? positions : MAX_LENGTH;
    if (!rc && e->lm.max_length < 3)
        rc = input_error("--max-length %lld: must be at least 3", (long long)e->lm.max_length);
    str_free(&body);
    free(where);
    return rc;
}

/* {"a": 1} to ,"a":1. A member that the program itself puts into a request is refused. */
static int read_gen_kwargs(endpoint *e, const char *text)
{
    static const char *const own[] = { "model", "prompt", "temperature", "seed", "max_tokens",
                                       "stop",  "echo",   "logprobs",    "n",    "stream" };
    json                    *more  = NULL;
    str                      out   = { 0 };
    int                      rc    = text ? json_parse(&more, text, strlen(text), "--gen-kwargs") : OK;
    if (!rc && more && !json_is_object(more)) rc = input_error("--gen-kwargs %s: must be a JSON object", text);
    for (size_t i = 0; !rc && more && i < sizeof own / sizeof *own; i++)
        if (json_find(more, own[i])) rc = input_error("--gen-kwargs: \"%s\" is set by the program itself", own[i]);
    if (!rc && more && more->child) {
        json_print(more, &out, false);
        out.s[0]       = ',';
        out.s[--out.n] = '\0';
    }
    e->gen_kwargs = mem_strdup(str_c(&out));
    str_free(&out);
    json_free(more);
    return rc;
}

/* --- the interface */

/* No weights are known of a served model, so no hash of them. */
static int describe(const lm *m, json **asked)
{
    const endpoint *e    = (const endpoint *)m;
    json           *base = json_object();
    *asked               = json_object();
    record_put_text(base, field_source_name, e->model);
    record_put_text(base, field_source_sha256, NULL);
    record_put_text(base, field_source_url, e->url);
    record_put(*asked, field_asked_base, base);
    record_put(*asked, field_asked_adapter, NULL);
    record_put_count(*asked, field_asked_max_length, m->max_length);
    if (*e->gen_kwargs) record_put_text(*asked, field_asked_gen_kwargs, e->asked.gen_kwargs);
    if (e->tok) record_put(*asked, field_asked_tokenizer, record_named(e->asked.tokenizer, tokenizer_hash(e->tok)));
    return OK;
}

static void account(const lm *m, json *result)
{
    const endpoint *e = (const endpoint *)m;
    http_counts     n = http_counted(e->http);
    json           *j = json_object();
    record_put_count(j, field_http_concurrency, e->concurrency);
    record_put_count(j, field_http_requests, n.requests);
    record_put_count(j, field_http_retries, n.retries);
    if (e->not_greedy >= 0) record_put_count(j, field_http_other_than_greedy, e->not_greedy);
    record_put(result, field_result_http, j);
}

static void close_endpoint(lm *m)
{
    endpoint *e = (endpoint *)m;
    tokenizer_close(e->tok);
    http_close(e->http);
    free(e->url);
    free(e->completions);
    free(e->model);
    free(e->gen_kwargs);
    free(e);
}

/* lm-evaluation-harness keeps max_length - 1 tokens of a prompt, because one is generated. Where
 * log-likelihoods are asked that is one fewer than a local model scores, whose last token need
 * not be fed. */
static const lm interface = {
    .reserved = { [REQUEST_GENERATE] = 1, [REQUEST_CHOICES] = 2, [REQUEST_TEXT] = 2, [REQUEST_TARGET] = 2 },
    .device   = "http",
    .threads  = 1,
    .answer   = endpoint_answer,
    .describe = describe,
    .account  = account,
    .close    = close_endpoint
};

int endpoint_open(lm **out, const endpoint_options *o)
{
    const char *env = o->key_env ? o->key_env : "OPENAI_API_KEY", *key = getenv(env);
    endpoint   *e  = mem_alloc(1, sizeof *e);
    *out           = NULL;
    *e             = (endpoint) { .lm = interface, .asked = *o, .not_greedy = -1 };
    e->concurrency = o->concurrency ? o->concurrency : CONCURRENCY;
    e->lm.group    = e->concurrency * REQUESTS_PER_CONNECTION;
    e->url         = trimmed(o->url);
    e->completions = path_join(e->url, "completions");
    int rc         = o->tokenizer ? tokenizer_open(&e->tok, o->tokenizer) : OK;
    e->lm.tok      = e->tok;
    if (!rc && o->key_env && !key) rc = input_error("--api-key-env %s: no such variable in the environment", env);
    if (!rc) rc = read_gen_kwargs(e, o->gen_kwargs);
    if (!rc)
        rc = http_open(&e->http, (http_options) { .key         = key,
                                                  .concurrency = e->concurrency,
                                                  .retries     = o->retries,
                                                  .timeout_s   = o->timeout_s > 0 ? o->timeout_s : TIMEOUT_S,
                                                  .backoff_s   = o->backoff_s > 0 ? o->backoff_s : 0.5 });
    if (!rc && key && *key && !strncmp(e->url, "http://", 7) && !http_is_loopback(e->url))
        warn("%s: the key in %s goes there unencrypted; https:// or an empty variable avoids it", e->url, env);
    if (!rc) rc = learn_model(e, o);
    if (rc)
        close_endpoint(&e->lm);
    else
        *out = &e->lm;
    return rc;
}
