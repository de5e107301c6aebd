/* A model served elsewhere, behind an OpenAI-compatible completions API, as the model under test:
 * it answers the same requests as one that runs here.
 *
  *     lm              *m;
 *     endpoint_options o  = { .url = "http://localhost:8000/v1", .retries = 5 };
 *     int              rc = endpoint_open(&m, &o);
 *     if (!rc) rc = harness_run(&(harness) { .lm = m, .task = k, .data = set }, &plan, &result);
 *     m->close(m);
 *
 * With a tokenizer, prompts go out as token ids, made and cut as for a local model. Without one
 * they go out as text: nothing is cut, and the tokens of a continuation are found through the
 * answer's own tokens; one that spans the border counts to the continuation. */
#ifndef TIEBREAK_EVAL_SERVED_ENDPOINT_H
#define TIEBREAK_EVAL_SERVED_ENDPOINT_H
#include "eval/lm/lm.h"
#include "eval/served/http.h"

typedef struct {
    const char *url;        /* with or without /completions at its end */
    const char *tokenizer;  /* folder of the model's tokenizer; NULL: prompts go out as text */
    const char *model;      /* NULL: the first of GET /models */
    const char *key_env;    /* variable that holds the bearer key; NULL: OPENAI_API_KEY */
    const char *gen_kwargs; /* further members of a request for a text, a JSON object; NULL: none */
    /* Tokens the model takes; 0: what the server says (max_model_len), else 2048 as
     * lm-evaluation-harness assumes. */
    int64_t max_length;
    int64_t concurrency, retries; /* 0: 4; as given */
    double  timeout_s;            /* 0: 300 */
    double  backoff_s;            /* before the second try; 0: 0.5 */
} endpoint_options;

typedef struct {
    lm               lm; /* first, so that a pointer to it is one to this struct */
    endpoint_options asked;
    http            *http;
    tokenizer       *tok;
    char            *url;         /* without /completions */
    char            *completions; /* the URL that is asked and that messages name */
    char            *model;       /* the name it is asked by */
    char            *gen_kwargs;  /* as further members of a request: ,"a":1 or "" */
    int64_t          concurrency;
    int64_t          not_greedy; /* tokens of the first text that were not the likeliest; -1: not looked at yet */
} endpoint;

/* The options' strings must outlive the lm. */
int  endpoint_open(lm **out, const endpoint_options *o);
bool is_endpoint_url(const char *model);

/* Private: how an endpoint answers. The numbers do not depend on the order in which the server's
 * answers come.
 *
 * One more request asks for log-probabilities of the first text. Where the server gives them and a
 * token was not the likeliest, its sampler is not greedy although the temperature is 0 (a repeat
 * penalty is llama-cpp-python's default), and a warning says so. */
int endpoint_answer(lm *m, const lm_batch *b, answer *answers, lm_listener l);
#endif
