#include "eval/served/endpoint.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/json.h"
#include "core/memory.h"
#include "eval/served/completion.h"

enum { CONCURRENCY = 4, TIMEOUT_S = 300, MAX_LENGTH = 2048 };

struct endpoint {
    http   *http;
    char   *url, *completions, *model, *gen_kwargs;
    int64_t max_length, concurrency, other_tokens;
};

/* --- opening */

bool is_endpoint_url(const char *model) { return !strncmp(model, "http://", 7) || !strncmp(model, "https://", 8); }

const char *endpoint_url(const endpoint *e) { return e->url; }
const char *endpoint_model(const endpoint *e) { return e->model; }
int64_t     endpoint_max_length(const endpoint *e) { return e->max_length; }
int64_t     endpoint_concurrency(const endpoint *e) { return e->concurrency; }
const char *endpoint_gen_kwargs(const endpoint *e) { return e->gen_kwargs; }
int64_t     endpoint_other_tokens(const endpoint *e) { return e->other_tokens; }
void        endpoint_set_other_tokens(endpoint *e, int64_t n) { e->other_tokens = n; }
http_counts endpoint_counted(const endpoint *e) { return http_counted(e->http); }

int64_t endpoint_positions(const endpoint *e, request_kind kind)
{
    return kind == REQUEST_GENERATE ? e->max_length - 1 : e->max_length - 2;
}

static char *join(const char *url, const char *path)
{
    str text = { 0 };
    str_puts(&text, url);
    str_puts(&text, path);
    return text.s;
}

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
    char   *where     = join(e->url, "/models");
    int64_t positions = 0;
    int     rc        = http_get(e->http, where, o->model ? 0 : o->retries, &body);
    if (!rc) rc = completion_read_models(&e->model, &positions, o->model, str_c(&body), body.n, where);
    if (rc && !o->model) error_context(rc, "the model's name is not known (--model-name NAME)");
    if (o->model) rc = OK;
    if (!rc && !e->model) e->model = mem_strdup(o->model);
    e->max_length = o->max_length ? o->max_length : positions ? positions : MAX_LENGTH;
    if (!rc && e->max_length < 3) rc = input_error("--max-length %lld: must be at least 3", (long long)e->max_length);
    str_free(&body);
    free(where);
    return rc;
}

/* {"a": 1} to ,"a":1 -- what the program itself says in a request is not to be said otherwise. */
static int read_gen_kwargs(endpoint *e, const char *text)
{
    static const char *const own[] = { "model", "prompt", "temperature", "seed", "max_tokens",
                                       "stop",  "echo",   "logprobs",    "n",    "stream" };
    json                    *more  = NULL;
    str                      out   = { 0 };
    int                      rc    = text ? json_parse(&more, text, strlen(text), "--gen-kwargs") : OK;
    if (!rc && more && !cJSON_IsObject(more)) rc = input_error("--gen-kwargs %s: must be a JSON object", text);
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

int endpoint_open(endpoint **out, const endpoint_options *o)
{
    const char *env = o->key_env ? o->key_env : "OPENAI_API_KEY", *key = getenv(env);
    endpoint   *e  = mem_alloc(1, sizeof *e);
    *out           = NULL;
    e->concurrency = o->concurrency ? o->concurrency : CONCURRENCY;
    e->url         = trimmed(o->url);
    e->completions = join(e->url, "/completions");
    int rc = o->key_env && !key ? input_error("--api-key-env %s: no such variable in the environment", env) : OK;
    e->other_tokens = -1;
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
    if (rc) {
        endpoint_close(e);
        return rc;
    }
    *out = e;
    return OK;
}

void endpoint_close(endpoint *e)
{
    if (!e) return;
    http_close(e->http);
    free(e->url);
    free(e->completions);
    free(e->model);
    free(e->gen_kwargs);
    free(e);
}

const char *endpoint_completions(const endpoint *e) { return e->completions; }

int endpoint_post(endpoint *e, const str *bodies, int64_t n, http_arrived arrived, void *ctx)
{
    return http_post_all(e->http, e->completions, bodies, n, arrived, ctx);
}
