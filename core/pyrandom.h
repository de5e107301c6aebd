/* The draws of Python's random.Random and NumPy's default_rng, bit for bit, so that seeded
 * procedures of other tools can be followed draw for draw.
 *
 *     mt19937 m;
 *     py_seed(&m, 1234);                     // random.Random(1234)
 *     py_sample(&m, 7473, 5, shots);         // .sample(range(7473), 5) = 6374 3610 957 61 742
 *
 *     numpy_rng g = numpy_seed(12345);       // numpy.random.default_rng(12345)
 *     numpy_integers(&g, n, n, rows);        // .choice(n, n): a bootstrap resample
 *
 * Sources: CPython 3.11 Lib/random.py and Modules/_randommodule.c; NumPy 2.4 SeedSequence, PCG64
 * and Generator. */
#ifndef TIEBREAK_CORE_PYRANDOM_H
#define TIEBREAK_CORE_PYRANDOM_H
#include <stdbool.h>
#include <stdint.h>

#include "core/rng.h"

/* --- random.Random */

/* Random(seed) for an int >= 0 (Python takes the absolute value of a negative one) */
void   py_seed(mt19937 *m, uint64_t seed);
double py_random(mt19937 *m); /* random(): [0, 1), 53 bits from two words */
/* randrange(n), also the draw behind sample; n >= 1 */
int64_t py_randbelow(mt19937 *m, int64_t n);
/* sample(range(n), k): k distinct numbers; 0 <= k <= n */
void py_sample(mt19937 *m, int64_t n, int64_t k, int64_t *out);

/* --- numpy.random.default_rng: SeedSequence, then PCG64 (O'Neill 2014: XSL-RR 128/64) */

typedef struct {
    uint64_t high, low;
} uint128;

typedef struct {
    uint128 state, increment;
    /* 32-bit draws take a 64-bit word in two halves; this is the high one when it is still to
     * come. */
    uint32_t half;
    bool     has_half;
} numpy_rng;

numpy_rng numpy_seed(uint64_t seed);
/* integers(n, size=k), and choice(n, k) with replacement; 1 <= n <= 2^32. n = 1 draws nothing. */
void numpy_integers(numpy_rng *g, int64_t n, int64_t k, int64_t *out);
/* integers(2, size=k, dtype=bool): the bits of 32-bit draws, low bit first. Bits left over at the
 * end are dropped, as in NumPy. */
void numpy_bools(numpy_rng *g, int64_t k, bool *out);
#endif
