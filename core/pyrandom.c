#include "core/pyrandom.h"

#include <math.h>
#include <stdlib.h>

#include "core/memory.h"

/* --- random.Random */

void py_seed(mt19937 *m, uint64_t seed)
{
    uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
    mt19937_seed_array(m, key, key[1] ? 2 : 1);
}

double py_random(mt19937 *m)
{
    uint32_t a = mt19937_u32(m) >> 5, b = mt19937_u32(m) >> 6;
    return (a * 67108864.0 + b) / 9007199254740992.0;
}

/* The first 32-bit word is the lowest; the last one gives its top bits. */
static uint64_t random_bits(mt19937 *m, int bits)
{
    if (bits <= 32) return mt19937_u32(m) >> (32 - bits);
    uint64_t low = mt19937_u32(m);
    return (uint64_t)(mt19937_u32(m) >> (64 - bits)) << 32 | low;
}

int64_t py_randbelow(mt19937 *m, int64_t n)
{
    int bits = 0;
    while (bits < 63 && n >> bits) bits++;
    uint64_t r;
    do r = random_bits(m, bits);
    while (r >= (uint64_t)n);
    return (int64_t)r;
}

static void sample_from_pool(mt19937 *m, int64_t n, int64_t k, int64_t *out)
{
    int64_t *pool = mem_alloc((size_t)n, sizeof *pool);
    for (int64_t i = 0; i < n; i++) pool[i] = i;
    for (int64_t i = 0; i < k; i++) {
        int64_t j = py_randbelow(m, n - i);
        out[i]    = pool[j];
        pool[j]   = pool[n - i - 1];
    }
    free(pool);
}

static void sample_by_rejection(mt19937 *m, int64_t n, int64_t k, int64_t *out)
{
    unsigned char *taken = mem_alloc((size_t)(n / 8 + 1), 1);
    for (int64_t i = 0; i < k; i++) {
        do out[i] = py_randbelow(m, n);
        while (taken[out[i] / 8] >> out[i] % 8 & 1);
        taken[out[i] / 8] |= (unsigned char)(1 << out[i] % 8);
    }
    free(taken);
}

/* Python draws from a pool when a set of k numbers would need more memory than a list of n. The two
 * ways draw differently. */
void py_sample(mt19937 *m, int64_t n, int64_t k, int64_t *out)
{
    double set_size = 21;
    if (k > 5) set_size += pow(4, ceil(log((double)k * 3) / log(4)));
    if ((double)n <= set_size)
        sample_from_pool(m, n, k, out);
    else
        sample_by_rejection(m, n, k, out);
}

/* --- numpy.random.default_rng */

/* SeedSequence's hash. Each call changes the multiplier. */
static uint32_t hash_mix(uint32_t x, uint32_t *constant, uint32_t multiplier)
{
    x ^= *constant;
    *constant *= multiplier;
    x *= *constant;
    return x ^ x >> 16;
}

static uint32_t mix(uint32_t x, uint32_t y)
{
    uint32_t r = 0xCA01F9DDu * x - 0x4973F715u * y;
    return r ^ r >> 16;
}

enum { POOL = 4 };

/* SeedSequence(seed).generate_state(4, uint64) */
static void seed_sequence(uint64_t seed, uint64_t out[4])
{
    const uint32_t entropy[POOL] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
    uint32_t       pool[POOL], constant = 0x43B0D7E5u, words[8];
    for (int i = 0; i < POOL; i++) pool[i] = hash_mix(entropy[i], &constant, 0x931E8875u);
    for (int from = 0; from < POOL; from++)
        for (int to = 0; to < POOL; to++)
            if (from != to) pool[to] = mix(pool[to], hash_mix(pool[from], &constant, 0x931E8875u));
    constant = 0x8B51F9DDu;
    for (int i = 0; i < 8; i++) words[i] = hash_mix(pool[i % POOL], &constant, 0x58F38DEDu);
    for (int i = 0; i < 4; i++) out[i] = (uint64_t)words[2 * i + 1] << 32 | words[2 * i];
}

static uint128 add(uint128 a, uint128 b)
{
    uint64_t low = a.low + b.low;
    return (uint128) { a.high + b.high + (low < a.low), low };
}

/* a * b mod 2^128, by schoolbook multiplication of 32-bit digits for the low halves. */
static uint128 multiply(uint128 a, uint128 b)
{
    uint64_t a0 = (uint32_t)a.low, a1 = a.low >> 32, b0 = (uint32_t)b.low, b1 = b.low >> 32;
    uint64_t p00 = a0 * b0, p01 = a0 * b1, p10 = a1 * b0;
    uint64_t middle = (p00 >> 32) + (uint32_t)p01 + (uint32_t)p10;
    uint64_t high   = a1 * b1 + (p01 >> 32) + (p10 >> 32) + (middle >> 32);
    return (uint128) { high + a.high * b.low + a.low * b.high, middle << 32 | (uint32_t)p00 };
}

static void step(numpy_rng *g)
{
    static const uint128 multiplier = { 0x2360ED051FC65DA4u, 0x4385DF649FCCF645u };
    g->state                        = add(multiply(g->state, multiplier), g->increment);
}

numpy_rng numpy_seed(uint64_t seed)
{
    uint64_t s[4];
    seed_sequence(seed, s);
    numpy_rng g = { .increment = { s[2] << 1 | s[3] >> 63, s[3] << 1 | 1 } };
    step(&g);
    g.state = add(g.state, (uint128) { s[0], s[1] });
    step(&g);
    return g;
}

static uint64_t draw_u64(numpy_rng *g)
{
    step(g);
    uint64_t x    = g->state.high ^ g->state.low;
    int      turn = (int)(g->state.high >> 58);
    return x >> turn | x << (-turn & 63);
}

/* Takes the low half of a word first. */
static uint32_t draw_u32(numpy_rng *g)
{
    if (g->has_half) {
        g->has_half = false;
        return g->half;
    }
    uint64_t x  = draw_u64(g);
    g->half     = (uint32_t)(x >> 32);
    g->has_half = true;
    return (uint32_t)x;
}

/* Lemire 2019: the high word of a product, rejecting the draws that would bias it. */
static int64_t below(numpy_rng *g, uint64_t n)
{
    uint64_t product = draw_u32(g) * n;
    if ((uint32_t)product < n) {
        uint32_t threshold = (uint32_t)((0x100000000u - n) % n);
        while ((uint32_t)product < threshold) product = draw_u32(g) * n;
    }
    return (int64_t)(product >> 32);
}

void numpy_integers(numpy_rng *g, int64_t n, int64_t k, int64_t *out)
{
    for (int64_t i = 0; i < k; i++) out[i] = n > 1 ? below(g, (uint64_t)n) : 0;
}

void numpy_bools(numpy_rng *g, int64_t k, bool *out)
{
    uint32_t bits = 0;
    for (int64_t i = 0; i < k; i++) {
        bits   = i % 32 ? bits >> 1 : draw_u32(g);
        out[i] = bits & 1;
    }
}
