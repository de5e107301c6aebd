/* Longest common subsequences of token sequences, for 64 tokens of one of them at a time.
 *
 * Crochemore et al. 2001, Hyyro 2004: a column of the table of lengths is a bit vector with a 0
 * where the length grows, and one addition makes the next column from it. This takes 64 times fewer
 * steps than filling the table entry by entry and gives the same lengths. */
#ifndef TIEBREAK_METRICS_LCS_H
#define TIEBREAK_METRICS_LCS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Scratch, kept between calls as long as the program runs. A zeroed struct is ready. */
typedef struct {
    /* for each token number, where it stands in the block of 64 rows; all 0 between calls */
    uint64_t      *places;
    unsigned char *carry; /* for each column, the carry of the previous block's addition */
    uint64_t      *columns;
    size_t         places_cap, carry_cap, columns_cap;
} lcs_scratch;

/* Tokens of a text, borrowed. */
typedef struct {
    const int32_t *ids;
    int64_t        n;
} token_run;

/* Token numbers must lie in 0 .. vocabulary - 1. */
int64_t lcs_length(lcs_scratch *s, token_run ref, token_run hyp, int64_t vocabulary);

/* Sets hit[i] for the positions i of ref that one longest common subsequence takes; the others keep
 * their value. It takes the one that rouge_score takes: from the end backwards, equal tokens are
 * taken; otherwise it steps left in hyp if that is strictly better than a step up in ref. */
void lcs_mark(lcs_scratch *s, bool *hit, token_run ref, token_run hyp, int64_t vocabulary);
#endif
