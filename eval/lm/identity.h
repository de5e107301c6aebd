/* Whether an adapter does anything: runs prompts with and without it and compares their logits. An
 * adapter that was not applied, or that training left at its start, scores as the base does, and
 * that would look like a result. */
#ifndef TIEBREAK_EVAL_LM_IDENTITY_H
#define TIEBREAK_EVAL_LM_IDENTITY_H
#include "eval/lm/lm.h"
#include "model/decoder.h"

/* Looks at the first few of the n requests. The numbers do not depend on the batch or the number
 * of threads. */
int identity_probe(decoder *dec, const pair_arrays *pairs, const request *requests, int64_t n, int64_t positions,
                   adapter_delta *out);
#endif
