/* What a model answers to requests: texts, log-likelihoods of choices, log-likelihoods of targets. */
#ifndef TIEBREAK_EVAL_ANSWER_H
#define TIEBREAK_EVAL_ANSWER_H
#include "eval/served/endpoint.h"
#include "tasks/request.h"
#include "eval/stop.h"
#include "model/decoder.h"

typedef struct {
    decoder           *dec;
    const pair_arrays *pairs; /* NULL: the base alone */
    /* A model behind HTTP answers instead; whole(whole_ctx, i) is told of each answer as soon as
     * it stands, and an error of its ends the run. */
    endpoint *served;
    int (*whole)(void *ctx, int64_t i);
    void            *whole_ctx;
    request_rules    rules;
    const stop_list *stops;     /* GENERATE */
    int64_t          sequences; /* GENERATE: decoded at once */
    /* else: tokens of one forward; a longer request gets a forward of its own */
    int64_t max_tokens;
} answerer;

typedef struct {
    /* GENERATE */
    str     text;  /* after the stop cut */
    int64_t n_new; /* tokens generated, the stop included */
    /* the stop string that ended it (of the answerer's list); NULL: the length */
    const char *stopped;
    double      min_margin;
    /* CHOICES: [n_choices]; TEXT, TARGET: [1] */
    double *ll;
    bool   *greedy;
    int64_t n_ll;
    /* From a served model. */
    int64_t *tokens; /* [n_ll] scored, as its tokenizer counts; NULL: as the request has them */
    int64_t  n_seen; /* tokens it read; 0: as the request says */
} answer;

/* Answer n requests together; what comes out depends on nothing but the model and these requests
 * in this order. finished(ctx, count) is told of progress. A log-likelihood that is not a number
 * is an error that names the model. answers [n], zeroed. */
int  answer_requests(const answerer *a, const request *const *requests, int64_t n, answer *answers,
                     void (*finished)(void *ctx, int64_t count), void *ctx);
void answer_free(answer *a);
#endif
