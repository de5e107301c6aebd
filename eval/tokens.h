/* Lists of tokens and their n-grams: what SQuAD's F1, ROUGE-N and BLEU all count.
 *
 *     token_list a = { 0 }, b = { 0 };
 *     tokens_split(&a, slice_of("the cat"));  tokens_split(&b, slice_of("the dog"));
 *     int32_t *ids[2];
 *     tokens_number((const token_list *[]) { &a, &b }, 2, ids);      // equal tokens, equal numbers
 *     ngram_table h = ngrams(ids[0], a.n, 1), r = ngrams(ids[1], b.n, 1);
 *     int64_t common = ngrams_clipped(&h, &r, 1);                     // 1
 */
#ifndef TIEBREAK_EVAL_TOKENS_H
#define TIEBREAK_EVAL_TOKENS_H
#include "eval/pytext.h"

/* Token i is bytes[start[i] .. start[i + 1]). A zeroed struct is the empty list. */
typedef struct {
    str     bytes;
    size_t *start;
    int64_t n;
    size_t  cap;
} token_list;

void  tokens_add(token_list *t, const char *s, size_t n);
void  tokens_split(token_list *t, slice text); /* Python's str.split() */
slice token_at(const token_list *t, int64_t i);
void  tokens_free(token_list *t);

/* Give each token of the `count` lists a number so that equal tokens have equal numbers; ids[k] is a fresh array the caller frees. */
void tokens_number(const token_list *const *lists, int64_t count, int32_t **ids);

/* The distinct n-grams of a sequence with their counts, in a fixed order. */
typedef struct {
    const int32_t  *ids; /* the sequence, borrowed */
    int             order;
    const int32_t **gram;
    int64_t        *count;
    int64_t         n, total; /* distinct, and all: max(0, length - order + 1) */
} ngram_table;

ngram_table ngrams(const int32_t *ids, int64_t length, int order);
void        ngrams_free(ngram_table *t);
/* Sum over the n-grams of hyp of min(count there, largest count in any of the references). All of one order and one numbering. */
int64_t ngrams_clipped(const ngram_table *hyp, const ngram_table *refs, int64_t n_refs);
#endif
