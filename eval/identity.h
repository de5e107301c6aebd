/* Whether an adapter does anything: prompts through the model with and without it, and how far
 * their logits lie apart. An adapter that was not applied, or that training left at its start,
 * scores as the base does and looks like a result. */
#ifndef TIEBREAK_EVAL_IDENTITY_H
#define TIEBREAK_EVAL_IDENTITY_H
#include "tasks/request.h"
#include "model/decoder.h"

typedef struct {
    int64_t items, rows; /* prompts looked at, and the places in them: the last few of each */
    /* over all places and the whole vocabulary; 0: the adapter changes nothing there */
    double  max_abs_logit;
    double  mean_abs_logit; /* likewise */
    int64_t argmax_changed; /* places where another token is now the likeliest */
} adapter_delta;

/* Compare on the first requests of n. The same numbers for any batch and any number of threads. */
int identity_probe(decoder *dec, const pair_arrays *pairs, const request *requests, int64_t n, int64_t positions,
                   adapter_delta *out);
#endif
