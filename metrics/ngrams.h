/* How many n-grams a hypothesis shares with its references, for all orders at once.
 *
 *     ngram_counter c = { 0 };
 *     int64_t       matches[4];
 *     ngrams_match(&c, &hyp, width, refs, n_refs, 4, matches);     // matches[n - 1]: order n */
#ifndef TIEBREAK_METRICS_NGRAMS_H
#define TIEBREAK_METRICS_NGRAMS_H
#include "metrics/tokens.h"

/* Scratch, kept between calls as long as the program runs. A zeroed struct is ready. */
typedef struct {
    struct gram         *grams;
    struct ngram_places *places;
    int32_t             *slots, *numbers; /* slots: all 0 between calls */
    size_t               grams_cap, places_cap, slots_cap, numbers_cap;
} ngram_counter;

/* matches[n - 1], for n = 1..orders, is a sum over the distinct n-grams of hyp: the smaller of its
 * count there and its largest count in any one reference. All ids of hyp are in 0 .. width - 1;
 * larger ids in references are tokens that hyp does not have. */
void ngrams_match(ngram_counter *c, const token_list *hyp, int32_t width, const token_list *refs, int64_t n_refs,
                  int orders, int64_t *matches);

/* The number of n-grams in a sequence of n tokens. */
static inline int64_t ngrams_total(int64_t n, int order) { return n >= order ? n - order + 1 : 0; }
#endif
