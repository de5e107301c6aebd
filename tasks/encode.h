/* Texts to ids, the way lm-evaluation-harness does it. Every log-likelihood depends on where a
 * context ends and its continuation begins. */
#ifndef TIEBREAK_TASKS_ENCODE_H
#define TIEBREAK_TASKS_ENCODE_H
#include "metrics/pytext.h"
#include "tokenizer/tokenizer.h"

/* Appends the ids of text, after the BOS that the tokenizer adds in front. A text that begins with
 * the BOS string gets no second one. */
int encode_text(const tokenizer *t, slice text, ids *out);

/* The token before an empty context: BOS, else EOS, else -1. */
int32_t encode_prefix(const tokenizer *t);

/* Encodes a context and n continuations of it. Trailing blanks of the context first move to the
 * continuations. Then the context is encoded, and the context with each continuation, as one text;
 * a continuation's ids are those after the first length(context ids). Where a token spans the
 * border and no ids are left, the continuation is encoded by itself (the harness stops there). An
 * empty context is the prefix token alone. conts_ids: [n], empty lists; a continuation without any
 * ids leaves its list empty, and the caller knows how to name it in a message. */
int encode_continuations(const tokenizer *t, slice context, const slice *conts, int64_t n, ids *context_ids,
                         ids *conts_ids);
#endif
