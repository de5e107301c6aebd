/* What a model behind a completions API answers to requests. */
#ifndef TIEBREAK_EVAL_SERVED_ENDPOINT_ANSWER_H
#define TIEBREAK_EVAL_SERVED_ENDPOINT_ANSWER_H
#include "eval/answer.h"

/* answer_requests for an answerer with `served`. The server's answers come in any order; the
 * numbers do not depend on it.
 *
 * Before the first text one more request asks for log-probabilities with it: where the server
 * gives them and a token was not the likeliest, its sampler is not greedy though temperature is
 * 0 (a repeat penalty, llama-cpp-python's default), and a warning says so. */
int endpoint_answer(const answerer *a, const request *const *requests, int64_t n, answer *answers,
                    void (*finished)(void *ctx, int64_t count), void *ctx);
#endif
