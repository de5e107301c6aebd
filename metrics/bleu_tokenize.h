/* sacreBLEU 2.6.0's tokenizers. */
#ifndef TIEBREAK_METRICS_BLEU_TOKENIZE_H
#define TIEBREAK_METRICS_BLEU_TOKENIZE_H
#include "metrics/metric.h"
#include "metrics/tokens.h"

/* Scratch, kept between calls. A zeroed struct is ready. */
typedef struct {
    str lower, text, next, pass;
} bleu_tokenizer_scratch;

/* The tokens of the segment, in lower case if asked for and without trailing blanks, appended to
 * out.
 *   13a    mteval-v13a's rules for ASCII punctuation: split off, but for . and , between digits;
 *   HTML entities undone, once
 *   intl   mteval-v14's for Unicode: punctuation next to a character that is no number, every
 *   symbol. Categories: utf8proc's tables (Unicode 15.0 in
 *          version 2.8); characters newer than those count as none of the three, as in any older version of Python's regex module
 *   char   every character
 *   none   as it is */
void bleu_tokenize(bleu_tokenizer_scratch *s, slice segment, bleu_tokenizer tokenizer, bool lowercase,
                   vocabulary *words, token_list *out);
void bleu_tokenizer_free(bleu_tokenizer_scratch *s);
#endif
