/* sacreBLEU 2.6.0's tokenizers. */
#ifndef TIEBREAK_METRICS_BLEU_TOKENIZE_H
#define TIEBREAK_METRICS_BLEU_TOKENIZE_H
#include "metrics/metric.h"
#include "metrics/tokens.h"

/* Scratch, kept between calls as long as the program runs. A zeroed struct is ready. */
typedef struct {
    str lower, text, next, pass;
} bleu_tokenizer_scratch;

/* Appends the segment's tokens to out, in lower case if asked for and without trailing blanks.
 *
 *     13a    mteval-v13a's rules for ASCII punctuation: it is split off, except . and , between
 *            digits; HTML entities are undone, once
 *     intl   mteval-v14's rules for Unicode: punctuation next to a character that is no number is
 *            split off, and so is every symbol
 *     char   every character is a token
 *     none   the text is split at blanks only
 *
 * For intl, a character's category comes from utf8proc's tables (Unicode 15.0 in version 2.8).
 * Newer characters count as none of the three, as in any older version of Python's regex module. */
void bleu_tokenize(bleu_tokenizer_scratch *s, slice segment, bleu_tokenizer tokenizer, bool lowercase,
                   vocabulary *words, token_list *out);
#endif
