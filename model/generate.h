/* Greedy generation with a KV cache, several sequences at once; a finished sequence's place is
 * taken by the next prompt. Where the backend has graphs, steps without prompts are one of them,
 * captured once and replayed. */
#ifndef TIEBREAK_MODEL_GENERATE_H
#define TIEBREAK_MODEL_GENERATE_H
#include "model/decoder.h"

/* prompt: n_prompt >= 1 ids; n_prompt + max_new <= positions. ids: room for max_new, filled;
 * n_new set. min_margin: the smallest gap between the two best logits over the steps (a reader
 * can see how near a tie a text was). */
typedef struct {
    const int32_t *prompt;
    int64_t        n_prompt, max_new;
    int32_t       *ids;
    int64_t        n_new;
    double         min_margin;
} generate_item;

/* batch: sequences decoded at once. stop(ctx, item, ids, n) is asked after each new token
 * whether the text of that item ends (the token is kept). done(ctx, item) is called once for
 * each finished item. A token in cfg.eos ends the text only if stop says so: the caller decides. */
typedef struct {
    int64_t batch;
    bool (*stop)(void *ctx, int64_t item, const int32_t *ids, int64_t n);
    void (*done)(void *ctx, int64_t item);
    void *ctx;
} generate_options;

int generate_items(decoder *d, const pair_arrays *pairs, generate_item *items, int64_t n, generate_options o);
#endif
