/* What a model behind a completions API answers to requests. */
#ifndef TIEBREAK_EVAL_ENDPOINT_ANSWER_H
#define TIEBREAK_EVAL_ENDPOINT_ANSWER_H
#include "eval/answer.h"

/* answer_requests for an answerer with `served`: an error ends it, and answers that were whole by then stand (their `whole` is set). Requests come in
 * any order from the server; the numbers do not depend on it. */
int endpoint_answer(const answerer *a, const request *const *requests, int64_t n, answer *answers, void (*finished)(void *ctx, int64_t count),
                    void *ctx);
#endif
