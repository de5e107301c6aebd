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

/* The block b of 64 rows, the last one perhaps shorter. */
static token_run block_of(token_run ref, int64_t b)
{
    return (token_run) { ref.ids + 64 * b, ref.n - 64 * b < 64 ? ref.n - 64 * b : 64 };
}

/* Computes a block of rows of the table over all columns. columns, which may be NULL, receives each
 * column's bit vector. Returns by how much the length grows in these rows: the number of zero bits
 * in the last column. */
static int64_t block(lcs_scratch *s, token_run rows, token_run hyp, uint64_t *columns)
{
    uint64_t v = ~(uint64_t)0;
    for (int64_t i = 0; i < rows.n; i++) s->places[rows.ids[i]] |= (uint64_t)1 << i;
    for (int64_t j = 0; j < hyp.n; j++) {
        uint64_t here = s->places[hyp.ids[j]], low = v + (v & here), sum = low + s->carry[j];
        s->carry[j] = (unsigned char)((low < v) | (sum < low));
        v           = sum | (v & ~here);
        if (columns) columns[j] = v;
    }
    for (int64_t i = 0; i < rows.n; i++) s->places[rows.ids[i]] = 0;
    return zeros(v);
}

static void start(lcs_scratch *s, int64_t n_hyp, int64_t vocabulary)
{
    s->places = mem_scratch(s->places, &s->places_cap, (size_t)vocabulary, sizeof *s->places);
    s->carry  = mem_scratch(s->carry, &s->carry_cap, (size_t)n_hyp, sizeof *s->carry);
    memset(s->carry, 0, (size_t)n_hyp);
}

int64_t lcs_length(lcs_scratch *s, token_run ref, token_run hyp, int64_t vocabulary)
{
    int64_t length = 0;
    start(s, hyp.n, vocabulary);
    for (int64_t b = 0; 64 * b < ref.n; b++) length += block(s, block_of(ref, b), hyp, NULL);
    return length;
}

void lcs_mark(lcs_scratch *s, bool *hit, token_run ref, token_run hyp, int64_t vocabulary)
{
    int64_t blocks = (ref.n + 63) / 64;
    start(s, hyp.n, vocabulary);
    s->columns = mem_scratch(s->columns, &s->columns_cap, (size_t)(blocks * hyp.n), sizeof *s->columns);
    for (int64_t b = 0; b < blocks; b++) block(s, block_of(ref, b), hyp, s->columns + b * hyp.n);
    for (int64_t i = ref.n, j = hyp.n; i > 0 && j > 0;) {
        if (ref.ids[i - 1] == hyp.ids[j - 1]) {
            hit[i - 1] = true;
            i--, j--;
        } else if (s->columns[(i - 1) / 64 * hyp.n + j - 1] >> ((i - 1) % 64) & 1) {
            i--; /* row i adds nothing in this column, so up is as good as here */
        } else {
            /* row i adds something, and not by a match: left is as good as here, and better than
             * up. */
            j--;
        }
    }
}
