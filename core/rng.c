#include "core/rng.h"

#include <math.h>

static uint64_t splitmix64(uint64_t *x)
{
    uint64_t z = (*x += 0x9E3779B97F4A7C15u);
    z          = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z          = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static uint64_t rotl(uint64_t x, int k) { return x << k | x >> (64 - k); }

rng rng_seed(uint64_t seed)
{
    rng r;
    for (int i = 0; i < 4; i++) r.s[i] = splitmix64(&seed);
    return r;
}

rng rng_stream(uint64_t seed, const char *purpose)
{
    uint64_t h = 0xCBF29CE484222325u; /* FNV-1a */
    for (const char *c = purpose; *c; c++) h = (h ^ (unsigned char)*c) * 0x100000001B3u;
    uint64_t mixed = splitmix64(&seed) ^ h;
    return rng_seed(mixed);
}

uint64_t rng_u64(rng *r)
{
    uint64_t *s      = r->s;
    uint64_t  result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

double rng_uniform(rng *r) { return (double)(rng_u64(r) >> 11) * 0x1p-53; }

double rng_normal(rng *r)
{
    double u = 1.0 - rng_uniform(r); /* (0, 1] */
    double v = rng_uniform(r);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

uint64_t rng_below(rng *r, uint64_t n)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % n, x;
    do x = rng_u64(r);
    while (x >= limit);
    return x % n;
}

void rng_shuffle(rng *r, int64_t *items, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)rng_below(r, (uint64_t)i + 1), t = items[i];
        items[i] = items[j];
        items[j] = t;
    }
}

void mt19937_seed(mt19937 *m, uint32_t seed)
{
    m->state[0] = seed;
    for (uint32_t i = 1; i < 624; i++) m->state[i] = 1812433253u * (m->state[i - 1] ^ (m->state[i - 1] >> 30)) + i;
    m->at = 624;
}

void mt19937_seed_array(mt19937 *m, const uint32_t *key, int n)
{
    uint32_t *s = m->state;
    mt19937_seed(m, 19650218u);
    int i = 1, j = 0;
    for (int k = n > 624 ? n : 624; k; k--) {
        s[i] = (s[i] ^ ((s[i - 1] ^ (s[i - 1] >> 30)) * 1664525u)) + key[j] + (uint32_t)j;
        if (++i >= 624) s[0] = s[623], i = 1;
        if (++j >= n) j = 0;
    }
    for (int k = 623; k; k--) {
        s[i] = (s[i] ^ ((s[i - 1] ^ (s[i - 1] >> 30)) * 1566083941u)) - (uint32_t)i;
        if (++i >= 624) s[0] = s[623], i = 1;
    }
    s[0]  = 0x80000000u;
    m->at = 624;
}

uint32_t mt19937_u32(mt19937 *m)
{
    uint32_t *s = m->state;
    if (m->at >= 624) {
        for (int i = 0; i < 624; i++) {
            uint32_t y = (s[i] & 0x80000000u) | (s[(i + 1) % 624] & 0x7FFFFFFFu);
            s[i]       = s[(i + 397) % 624] ^ (y >> 1) ^ (y & 1 ? 0x9908B0DFu : 0u);
        }
        m->at = 0;
    }
    uint32_t y = s[m->at++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9D2C5680u;
    y ^= (y << 15) & 0xEFC60000u;
    return y ^ (y >> 18);
}
