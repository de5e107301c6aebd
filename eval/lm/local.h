/* A model that runs here, as the model under test: a decoder, with an adapter's pairs or without.
 *
 *     lm           *m;
 *     local_options o  = { .model = "base", .adapter = "runs/lora", .tokenizer = true };
 *     int           rc = local_open(&m, &o); */
#ifndef TIEBREAK_EVAL_LM_LOCAL_H
#define TIEBREAK_EVAL_LM_LOCAL_H
#include "adapters/adapter.h"
#include "eval/lm/lm.h"
#include "model/decoder.h"

typedef struct {
    const char *model, *adapter; /* folders, which outlive the lm; adapter NULL: the base alone */
    bool        base_changed;    /* as adapter_check_base takes it */
    bool        tokenizer;       /* open the model's tokenizer too: a task of texts needs it */
    int64_t     max_length;      /* tokens of a sequence; 0: the model's positions */
    const char *device, *dtype;  /* as backend_for takes them */
    const char *variant;         /* of adapted linears (kernels/variant.h); NULL: the default */
    int64_t     threads;         /* 0: every core */
} local_options;

typedef struct {
    lm                 lm; /* first, so that a pointer to it is one to this struct */
    decoder           *dec;
    const pair_arrays *pairs; /* NULL: the base alone */
    /* What local_open opened; close frees it. */
    local_options asked;
    model        *model;
    adapter      *adapter;
    tokenizer    *tok;
    json         *base, *card; /* as adapters/card.h reads them; base NULL: the model folder is the base */
} local_lm;

int local_open(lm **out, const local_options *o);
/* For a decoder that is open already. Everything stays the caller's: this lm is neither closed nor
 * described. pairs and tok may be NULL; max_length 0 means the model's positions. */
local_lm local_over(decoder *dec, const pair_arrays *pairs, const tokenizer *tok, int64_t max_length);
#endif
