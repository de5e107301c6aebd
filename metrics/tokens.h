/* Texts as sequences of numbers, equal for equal tokens. BLEU, chrF, ROUGE and SQuAD's F1 count and
 * compare these.
 *
 *     vocabulary v = { 0 };
 *     token_list a = { 0 };
 *     vocabulary_split(&v, slice_of("the cat the dog"), &a);     // 0 1 0 2
 *     vocabulary_clear(&v); tokens_clear(&a);                    // next item: the memory is kept */
#ifndef TIEBREAK_METRICS_TOKENS_H
#define TIEBREAK_METRICS_TOKENS_H
#include "metrics/pytext.h"

/* A zeroed struct is the empty sequence. Its memory is kept for the next item, as long as the
 * program runs. */
typedef struct {
    int32_t *ids;
    int64_t  n;
    size_t   cap;
} token_list;

void tokens_add(token_list *t, int32_t id);
/* Makes room for n ids from the start; what is there may be lost. */
void tokens_reserve(token_list *t, size_t n);
void tokens_clear(token_list *t);

/* The distinct tokens of one item, numbered from 0 in order of first use. A zeroed struct is
 * empty; its memory is kept as that of a list is. */
typedef struct {
    struct vocabulary_entry *entries;
    int32_t                 *slots; /* open addressing: entry + 1, or 0 */
    str                      bytes;
    int64_t                  n;
    size_t                   cap, n_slots;
} vocabulary;

int32_t vocabulary_add(vocabulary *v, const char *s, size_t n);
slice   vocabulary_token(const vocabulary *v, int32_t id); /* valid until the next addition */
/* Python's str.split(): appends the words of text. */
void vocabulary_split(vocabulary *v, slice text, token_list *out);
void vocabulary_clear(vocabulary *v); /* takes time by what it holds, not by the most it ever held */
#endif
