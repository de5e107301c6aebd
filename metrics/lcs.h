/* Longest common subsequences of token sequences, 64 tokens of one of them at a time.
 *
 * Crochemore et al. 2001 / Hyyro 2004: a column of the table of lengths is a bit vector (a 0
 * where the length grows), and the next column comes from it by one addition. 64 times fewer
 * steps than the table cell by cell, and the same lengths. */
#ifndef TIEBREAK_METRICS_LCS_H
#define TIEBREAK_METRICS_LCS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Scratch, kept between calls. A zeroed struct is ready. */
typedef struct {
    /* per token number: where it stands in the block of 64; all 0 between calls */
    uint64_t      *places;
    unsigned char *carry; /* per column: what the addition of the block before carries over */
    uint64_t      *columns;
    size_t         places_cap, carry_cap, columns_cap;
} lcs_scratch;

/* Token numbers must lie in 0 .. vocabulary - 1. */
int64_t lcs_length(lcs_scratch *s, const int32_t *ref, int64_t n_ref, const int32_t *hyp, int64_t n_hyp,
                   int64_t vocabulary);

/* Set hit[i] for the positions i of ref that one longest common subsequence takes (others keep
 * their value). Which one follows rouge_score: from the end backwards, equal tokens are taken;
 * else one step left in hyp if that is strictly better than one step up in ref. */
void lcs_mark(lcs_scratch *s, bool *hit, const int32_t *ref, int64_t n_ref, const int32_t *hyp, int64_t n_hyp,
              int64_t vocabulary);
void lcs_free(lcs_scratch *s);
#endif
