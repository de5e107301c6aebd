/* The completions API as other servers speak it: what is asked, and what may come back, checked.
 * Answers are anybody's bytes.
 *
 * Asked as lm-evaluation-harness 0.4.13 asks (local-completions): a text with max_tokens,
 * temperature 0, stop and seed; log-likelihoods of a prompt by echo, logprobs 1, max_tokens 1. A
 * server that does not honour echo answers with the new token alone: every choice would get the
 * same score, so it is refused. */
#ifndef TIEBREAK_EVAL_SERVED_COMPLETION_H
#define TIEBREAK_EVAL_SERVED_COMPLETION_H
#include "metrics/pytext.h"

#include <stdint.h>

/* As token ids, or, ids NULL, as text. */
typedef struct {
    const int32_t *ids;
    int64_t        n;
    slice          text;
} completion_prompt;

/* Append the JSON body. stops: n_stops texts. more: further members, as ,"a":1 or "". */
void completion_ask_text(str *out, const char *model, completion_prompt p, int64_t max_tokens, const char *const *stops,
                         int64_t n_stops, const char *more);
void completion_ask_echo(str *out, const char *model, completion_prompt p);

/* A generated text as it came. */
typedef struct {
    str     text;
    bool    stopped;                          /* by a stop string or EOS, not by the length */
    int64_t prompt_tokens, completion_tokens; /* -1 where the server does not say */
} completion_text;

/* `where` (the URL) is named in messages. ERR_INPUT: not JSON (a page, a text cut short), an
 * error object, no text, more tokens than were allowed. */
int  completion_read_text(completion_text *out, const char *body, size_t n, const char *where, int64_t max_tokens);
void completion_text_free(completion_text *t);

/* An echoed prompt: one row a token, those of the prompt first. */
typedef struct {
    int64_t n;
    double *logprob;     /* natural logarithm; NAN where the server says null */
    bool   *greedy;      /* no listed token was likelier */
    str     text, spelt; /* the answer's text; its tokens one after the other */
    /* [n + 1] offsets of the tokens in spelt; NULL when the answer has no texts of tokens */
    int64_t *begin;
    int64_t *offset;                           /* [n] the server's own text_offset, or NULL */
    int64_t  prompt_tokens, completion_tokens; /* as above */
} completion_echo;

int  completion_read_echo(completion_echo *out, const char *body, size_t n, const char *where);
void completion_echo_free(completion_echo *e);

/* Sum over the tokens at[0 .. n_at) of a prompt of n_prompt ids. ERR_INPUT when the answer does
 * not cover these ids and at most one more, or a log-probability there is null. */
typedef struct {
    double  ll;
    bool    greedy;
    int64_t tokens; /* summed over */
} completion_sum;
int completion_sum_ids(const completion_echo *e, const char *where, int64_t n_prompt, const int64_t *at, int64_t n_at,
                       completion_sum *out);
/* Sum over the tokens that spell prompt.s[border .. prompt.n); one that spans the border is
 * counted. ERR_INPUT when the answer's text does not begin with the prompt, or its tokens cannot
 * be laid on it. */
int completion_sum_text(const completion_echo *e, const char *where, slice prompt, size_t border, completion_sum *out);

/* GET /models: the first model's name (caller frees), and how many tokens it takes where the
 * server says (max_model_len, as vLLM does), else 0. */
int completion_read_models(char **name, int64_t *positions, const char *wanted, const char *body, size_t n,
                           const char *where);
#endif
