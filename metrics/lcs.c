#include "metrics/lcs.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

static int64_t zeros(uint64_t x)
{
    int64_t n = 0;
    for (x = ~x; x; x &= x - 1) n++;
    return n;
}

/* Computes the rows ref[0 .. rows) of the table, rows <= 64, over all columns. columns, which may
 * be NULL, receives each column's bit vector. Returns by how much the length grows in these rows:
 * the number of zero bits in the last column. */
static int64_t block(lcs_scratch *s, const int32_t *ref, int64_t rows, const int32_t *hyp, int64_t n_hyp,
                     uint64_t *columns)
{
    uint64_t v = ~(uint64_t)0;
    for (int64_t i = 0; i < rows; i++) s->places[ref[i]] |= (uint64_t)1 << i;
    for (int64_t j = 0; j < n_hyp; j++) {
        uint64_t here = s->places[hyp[j]], low = v + (v & here), sum = low + s->carry[j];
        s->carry[j] = (unsigned char)((low < v) | (sum < low));
        v           = sum | (v & ~here);
        if (columns) columns[j] = v;
    }
    for (int64_t i = 0; i < rows; i++) s->places[ref[i]] = 0;
    return zeros(v);
}

static void start(lcs_scratch *s, int64_t n_hyp, int64_t vocabulary)
{
    s->places = mem_scratch(s->places, &s->places_cap, (size_t)vocabulary, sizeof *s->places);
    s->carry  = mem_scratch(s->carry, &s->carry_cap, (size_t)n_hyp, sizeof *s->carry);
    memset(s->carry, 0, (size_t)n_hyp);
}

int64_t lcs_length(lcs_scratch *s, const int32_t *ref, int64_t n_ref, const int32_t *hyp, int64_t n_hyp,
                   int64_t vocabulary)
{
    int64_t length = 0;
    start(s, n_hyp, vocabulary);
    for (int64_t i = 0; i < n_ref; i += 64)
        length += block(s, ref + i, n_ref - i < 64 ? n_ref - i : 64, hyp, n_hyp, NULL);
    return length;
}

void lcs_mark(lcs_scratch *s, bool *hit, const int32_t *ref, int64_t n_ref, const int32_t *hyp, int64_t n_hyp,
              int64_t vocabulary)
{
    int64_t blocks = (n_ref + 63) / 64;
    start(s, n_hyp, vocabulary);
    s->columns = mem_scratch(s->columns, &s->columns_cap, (size_t)(blocks * n_hyp), sizeof *s->columns);
    for (int64_t b = 0; b < blocks; b++)
        block(s, ref + 64 * b, n_ref - 64 * b < 64 ? n_ref - 64 * b : 64, hyp, n_hyp, s->columns + b * n_hyp);
    for (int64_t i = n_ref, j = n_hyp; i > 0 && j > 0;) {
        if (ref[i - 1] == hyp[j - 1]) {
            hit[i - 1] = true;
            i--, j--;
        } else if (s->columns[(i - 1) / 64 * n_hyp + j - 1] >> ((i - 1) % 64) & 1) {
            i--; /* row i adds nothing in this column, so up is as good as here */
        } else {
            /* row i adds something, and not by a match: left is as good as here, and better than
             * up. */
            j--;
        }
    }
}
