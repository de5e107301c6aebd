/* Where a generated text ends, as lm-evaluation-harness decides it.
 *
 * After each step the last length(ids of the stop string) + 2 new tokens are decoded; if they
 * contain the stop string the text ends. The EOS token's text is one more stop string, last in
 * the list, and a token that config.json calls EOS ends the text by itself. Afterwards the
 * decoded text is cut at the first occurrence of each stop string, in list order. Nothing is
 * stripped. */
#ifndef TIEBREAK_EVAL_LM_STOP_H
#define TIEBREAK_EVAL_LM_STOP_H
#include "core/json.h"
#include "model/config.h"
#include "tokenizer/tokenizer.h"

typedef struct {
    char   *text;
    int64_t lookback; /* new tokens that are decoded to look for it */
} stop_string;

typedef struct {
    const tokenizer    *tok;
    const model_config *cfg;
    stop_string        *items;
    int64_t             n;
    size_t              cap;
    char               *eos; /* the EOS token's text; "" when there is none */
} stop_list;

/* texts: the stop strings, a list of JSON or NULL; empty ones are passed over. With tok NULL, where
 * only the server has the tokenizer, the list holds texts alone and is good for stop_cut_text
 * only. */
int  stop_list_make(stop_list *out, const json *texts, const tokenizer *tok, const model_config *cfg);
void stop_list_free(stop_list *s);

/* The stop string that ends the text whose new tokens so far are v[0 .. n), or NULL. */
const char *stop_reached(const stop_list *s, const int32_t *v, int64_t n);
/* Appends the text of n new tokens, without special tokens, and cuts it. Ids that the tokenizer
 * does not know (of a padded vocabulary) have no text. */
int stop_cut(const stop_list *s, const int32_t *v, int64_t n, str *out);
/* Cuts a text that is there already; returns the stop string that cut last, or NULL. */
const char *stop_cut_text(const stop_list *s, str *text);
#endif
