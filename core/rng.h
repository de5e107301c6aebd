/* Random numbers. `rng` is the project's own generator: xoshiro256** seeded through splitmix64
 * (Blackman & Vigna 2018). `mt19937` is the Mersenne Twister that other tools draw from (Matsumoto
 * & Nishimura 1998), for numbers that must equal theirs. */
#ifndef TIEBREAK_CORE_RNG_H
#define TIEBREAK_CORE_RNG_H
#include <stdint.h>

typedef struct {
    uint64_t s[4];
} rng;

rng rng_seed(uint64_t seed);
/* The stream of (seed, purpose): the same purpose string gives the same stream whatever else was
 * drawn. */
rng      rng_stream(uint64_t seed, const char *purpose);
uint64_t rng_u64(rng *r);
double   rng_uniform(rng *r); /* [0, 1), 53 bits */
/* N(0, 1) by Box-Muller; of the two numbers it makes, one is dropped */
double   rng_normal(rng *r);
uint64_t rng_below(rng *r, uint64_t n);                  /* 0..n-1 without bias; n >= 1 */
void     rng_shuffle(rng *r, int64_t *items, int64_t n); /* Fisher-Yates from the end */

typedef struct {
    uint32_t state[624];
    int      at;
} mt19937;
void mt19937_seed(mt19937 *m, uint32_t seed); /* init_genrand */
/* init_by_array, which Python's Random(int) calls */
void     mt19937_seed_array(mt19937 *m, const uint32_t *key, int n);
uint32_t mt19937_u32(mt19937 *m);
#endif
