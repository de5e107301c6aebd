/* Texts to ids the way lm-evaluation-harness does it: where a context ends and its continuation
 * begins decides every log-likelihood. */
#ifndef TIEBREAK_TASKS_ENCODE_H
#define TIEBREAK_TASKS_ENCODE_H
#include "metrics/pytext.h"
#include "tokenizer/tokenizer.h"

/* Append the ids of text with what the tokenizer adds in front (BOS); a text that begins with
 * the BOS string gets no second one. */
int encode_text(const tokenizer *t, slice text, ids *out);

/* The token before an empty context: BOS, else EOS, else -1. */
int32_t encode_prefix(const tokenizer *t);

/* A context and n continuations of it. Trailing blanks of the context first move to the
 * continuations; context and context + continuation are encoded whole, and a continuation's ids
 * are what follows the first length(context ids) of the whole. An empty context is the prefix
 * token alone. When a token spans the border and nothing is left (the harness stops there), the
 * continuation is encoded by itself. conts_ids [n], empty lists. A continuation with no ids at
 * all is left empty: the caller knows how to name it. */
int encode_continuations(const tokenizer *t, slice context, const slice *conts, int64_t n, ids *context_ids,
                         ids *conts_ids);
#endif
