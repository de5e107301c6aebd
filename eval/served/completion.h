/* The completions API as other servers speak it: writes the requests, and reads answers that are
 * not trusted.
 *
 * It asks as lm-evaluation-harness 0.4.13 does (local-completions): for a text with max_tokens,
 * temperature 0, stop and seed; for log-likelihoods of a prompt with echo, logprobs 1 and
 * max_tokens 1. A server that does not honour echo answers with the new token alone, which would
 * give every choice the same score, so such an answer is refused. */
#ifndef TIEBREAK_EVAL_SERVED_COMPLETION_H
#define TIEBREAK_EVAL_SERVED_COMPLETION_H
#include "metrics/pytext.h"

#include <stdint.h>

/* A prompt of token ids, or of text where ids is NULL. */
typedef struct {
    const int32_t *ids;
    int64_t        n;
    slice          text;
} completion_prompt;

/* Both append the JSON body. stops: [n_stops] texts. more: further members, as ,"a":1 or "". */
void completion_ask_text(str *out, const char *model, completion_prompt p, int64_t max_tokens, const char *const *stops,
                         int64_t n_stops, const char *more);
void completion_ask_echo(str *out, const char *model, completion_prompt p);

/* A generated text as the server gives it. */
typedef struct {
    str     text;
    bool    stopped;                          /* it ended by a stop string or EOS, not by its length */
    int64_t prompt_tokens, completion_tokens; /* -1 where the server does not say */
} completion_text;

/* Messages name `where`, the URL. ERR_INPUT for what is not JSON (a page, an answer cut short), for
 * an error object, for no text, and for more tokens than were allowed. The caller frees
 * out->text. */
int completion_read_text(completion_text *out, const char *body, size_t n, const char *where, int64_t max_tokens);

/* An echoed prompt: one row a token, those of the prompt before the new one. */
typedef struct {
    int64_t n;
    double *logprob;     /* natural logarithm; NAN where the server says null */
    bool   *greedy;      /* no listed token was likelier */
    str     text, spelt; /* the answer's text, and the texts of its tokens put together */
    /* [n + 1] where each token begins in spelt; NULL when the answer has no texts of tokens */
    int64_t *begin;
    int64_t *offset;                           /* [n] the server's own text_offset; NULL: it gives none */
    int64_t  prompt_tokens, completion_tokens; /* as above */
} completion_echo;

int  completion_read_echo(completion_echo *out, const char *body, size_t n, const char *where);
void completion_echo_free(completion_echo *e);

typedef struct {
    double  ll;
    bool    greedy;
    int64_t tokens; /* how many were summed */
} completion_sum;

/* Sums over the tokens at[0 .. n_at) of a prompt of n_prompt ids. ERR_INPUT when the answer does
 * not cover these ids and at most one more, or when a log-probability there is null. */
int completion_sum_ids(const completion_echo *e, const char *where, int64_t n_prompt, const int64_t *at, int64_t n_at,
                       completion_sum *out);
/* Sums over the tokens that spell prompt.s[border .. prompt.n), a token that spans the border
 * among them. ERR_INPUT when the answer's text does not begin with the prompt, or when its tokens
 * cannot be laid on the prompt. */
int completion_sum_text(const completion_echo *e, const char *where, slice prompt, size_t border, completion_sum *out);

/* Reads the answer to GET /models. *name is the first model's, or `wanted` where it is listed (else
 * NULL); the caller frees it. *positions is how many tokens that model takes where the server says
 * so (max_model_len, as vLLM does), else 0. */
int completion_read_models(char **name, int64_t *positions, const char *wanted, const char *body, size_t n,
                           const char *where);
#endif
