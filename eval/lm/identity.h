/* Whether an adapter does anything: prompts through the model with and without it, and how far
 * their logits lie apart. An adapter that was not applied, or that training left at its start,
 * scores as the base does and looks like a result. */
#ifndef TIEBREAK_EVAL_LM_IDENTITY_H
#define TIEBREAK_EVAL_LM_IDENTITY_H
#include "eval/lm/lm.h"
#include "model/decoder.h"

/* Compare on the first requests of n. The same numbers for any batch and any number of threads. */
int identity_probe(decoder *dec, const pair_arrays *pairs, const request *requests, int64_t n, int64_t positions,
                   adapter_delta *out);
#endif
