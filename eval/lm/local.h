/* A model that runs here, as the model under test: a decoder, with an adapter's pairs or without.
 *
 *     lm *m;
 *     int rc = local_open(&m, &(local_options) { .model = "base", .adapter = "runs/lora", .tokenizer = true }); */
#ifndef TIEBREAK_EVAL_LM_LOCAL_H
#define TIEBREAK_EVAL_LM_LOCAL_H
#include "adapters/adapter.h"
#include "eval/lm/lm.h"
#include "model/decoder.h"

typedef struct {
    const char *model, *adapter; /* folders; adapter NULL: the base alone. They outlive the model */
    bool        tokenizer;       /* the model's, too: a task of texts needs it */
    int64_t     max_length;      /* tokens of a sequence; 0: the model's positions */
    const char *device, *dtype;  /* as backend_for takes them */
    int64_t     threads;         /* 0: every core */
} local_options;

typedef struct {
    lm                 lm; /* first: an lm of this kind is one of these */
    decoder           *dec;
    const pair_arrays *pairs; /* NULL: the base alone */
    /* What local_open opened, all of it closed with the model. */
    local_options asked;
    model        *model;
    adapter      *adapter;
    tokenizer    *tok;
    json         *base, *card; /* adapters/card.h; base NULL: the model folder itself */
} local_lm;

int local_open(lm **out, const local_options *o);
/* Over a decoder that is open already; everything stays the caller's, and there is nothing to
 * close. It does not describe itself. pairs and tok may be NULL; max_length 0: the positions. */
local_lm local_over(decoder *dec, const pair_arrays *pairs, const tokenizer *tok, int64_t max_length);
#endif
