/* A model served elsewhere, behind an OpenAI-compatible completions API: answers the same
 * requests as a decoder here.
 *
 *     endpoint *e;
 *     int rc = endpoint_open(&e, &(endpoint_options) { .url = "http://localhost:8000/v1", .concurrency = 4, .retries = 5, .timeout_s = 300 });
 *     if (!rc) rc = harness_run(&(harness) { .served = e, .tok = t, .task = k, .data = set }, &result);
 *     endpoint_close(e);
 *
 * With a tokenizer, prompts go out as token ids, made and cut as for a local model. Without, as
 * text: nothing is cut, and the tokens of a continuation are found through the answer's own
 * tokens; one that spans the border counts to the continuation. */
#ifndef TIEBREAK_EVAL_SERVED_ENDPOINT_H
#define TIEBREAK_EVAL_SERVED_ENDPOINT_H
#include "eval/served/http.h"
#include "tasks/request.h"

typedef struct {
    const char *url;        /* with or without /completions at its end */
    const char *model;      /* NULL: the first of GET /models */
    const char *key_env;    /* variable that holds the bearer key; NULL: OPENAI_API_KEY */
    const char *gen_kwargs; /* further members of a request for a text, a JSON object; NULL: none */
    /* tokens the model takes; 0: what the server says (max_model_len), else 2048 as
     * lm-evaluation-harness assumes */
    int64_t max_length;
    int64_t concurrency, retries; /* 0: 4; as given */
    double  timeout_s;            /* 0: 300 */
    double  backoff_s;            /* before the second try; 0: 0.5 */
} endpoint_options;

typedef struct endpoint endpoint;
int                     endpoint_open(endpoint **out, const endpoint_options *o);
void                    endpoint_close(endpoint *e); /* NULL is fine */
bool                    is_endpoint_url(const char *model);
const char             *endpoint_url(const endpoint *e);   /* without /completions */
const char             *endpoint_model(const endpoint *e); /* the name it is asked by */
int64_t                 endpoint_max_length(const endpoint *e);
int64_t                 endpoint_concurrency(const endpoint *e);
http_counts             endpoint_counted(const endpoint *e);

/* `positions` of request_rules for this kind: lm-evaluation-harness keeps max_length - 1 tokens
 * of a prompt, one being generated, so one fewer than a local model scores (its last token need
 * not be fed). */
int64_t endpoint_positions(const endpoint *e, request_kind kind);

const char *endpoint_gen_kwargs(const endpoint *e); /* as members of an object; "" for none */
/* Tokens of the first text that were not the likeliest; -1: not looked at yet. */
int64_t endpoint_other_tokens(const endpoint *e);
void    endpoint_set_other_tokens(endpoint *e, int64_t n);

/* POST bodies to /completions: http_post_all there. */
const char *endpoint_completions(const endpoint *e); /* the URL, for messages */
int         endpoint_post(endpoint *e, const str *bodies, int64_t n, http_arrived arrived, void *ctx);
#endif
