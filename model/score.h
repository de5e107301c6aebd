/* Log-likelihoods of continuations in packed batches. A context shared by neighbouring items is
 * computed once. */
#ifndef TIEBREAK_MODEL_SCORE_H
#define TIEBREAK_MODEL_SCORE_H
#include "model/decoder.h"

/* n_context >= 1, n_cont >= 1, n_context + n_cont <= positions + 1 (the last token is never fed).
 * Successive items with the same `context` pointer and length share it. */
typedef struct {
    const int32_t *context, *cont;
    int64_t        n_context, n_cont;
} score_item;

typedef struct {
    /* the sum of the natural log-probabilities of the continuation's tokens, added in f64 */
    double ll;
    bool   greedy; /* every token is the argmax */
} score_result;

/* max_tokens bounds the tokens of one forward, except that a longer item gets a forward of its own;
 * it changes no bit of a result. Unless it is NULL, done(ctx, count) is called after each forward
 * with the number of items finished so far. */
int score_items(decoder *d, const pair_arrays *pairs, const score_item *items, int64_t n, int64_t max_tokens,
                score_result *results, void (*done)(void *ctx, int64_t count), void *ctx);
#endif
