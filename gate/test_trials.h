/* The suite of gate/trials_test.c: ten kinds of work, each a fraction of a microsecond a unit.
 * Units repeat after ten, or after a hundred, so that 30 more of 1000 are 3 % more of the same. */
#ifndef TIEBREAK_GATE_TEST_TRIALS_H
#define TIEBREAK_GATE_TEST_TRIALS_H
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { TRIALS_CASES = 10 };
enum { TABLE = 1 << 16, SMALL = 4096 };
static uint32_t         *table; /* TABLE words: 256 KiB */
static volatile uint64_t sink;

static uint64_t mix(uint64_t x)
{
    x ^= x >> 31;
    x *= 0x9e3779b97f4a7c15u;
    return x ^ x >> 29;
}

static uint64_t integers(int64_t unit)
{
    uint64_t x = (uint64_t)(unit % 10);
    for (int i = 0; i < 60; i++) x = mix(x);
    return x;
}

static uint64_t chain(int64_t unit)
{
    double x = 1 + (double)(unit % 10);
    for (int i = 0; i < 80; i++) x = x * 0.999 + 0.5;
    return (uint64_t)x;
}

static uint64_t roots(int64_t unit)
{
    double x = 2 + (double)(unit % 10);
    for (int i = 0; i < 24; i++) x = sqrt(x + i);
    return (uint64_t)x;
}

static uint64_t exponentials(int64_t unit)
{
    double x = 0;
    for (int i = 0; i < 24; i++) x += exp(-1e-3 * (double)(unit % 10 + i));
    return (uint64_t)x;
}

static uint64_t sum(int64_t from, int64_t words)
{
    uint64_t x = 0;
    for (int64_t i = 0; i < words; i++) x += table[from + i];
    return x;
}
static uint64_t near_sum(int64_t unit) { return sum(unit % 10 * 400, 400); } /* in the first cache */
static uint64_t far_sum(int64_t unit) { return sum(unit % 100 * 400, 400); } /* 160 KiB: in the second */

static uint64_t chase(int64_t unit)
{
    uint32_t at = (uint32_t)(unit % 10) * 400;
    for (int i = 0; i < 70; i++) at = table[at] % SMALL;
    return at;
}

static uint64_t branches(int64_t unit)
{
    uint64_t x = 0, r = (uint64_t)(unit % 10);
    for (int i = 0; i < 60; i++) {
        r = mix(r);
        if (r & 4) x += 3;
        if (r % 5 == 1) x ^= r;
    }
    return x;
}

static uint64_t copies(int64_t unit)
{
    static unsigned char to[1024];
    for (int i = 0; i < 12; i++) memcpy(to, table + unit % 10 * 256, sizeof to - (size_t)i);
    return to[unit % 512];
}

static uint64_t allocations(int64_t unit)
{
    unsigned char *p[8];
    for (int i = 0; i < 8; i++) {
        p[i]    = malloc((size_t)(16 + 40 * i));
        p[i][0] = (unsigned char)unit;
    }
    uint64_t x = 0;
    for (int i = 0; i < 8; i++) {
        x += p[i][0];
        free(p[i]);
    }
    return x;
}

static uint64_t (*const suite[TRIALS_CASES])(int64_t unit) = { integers, chain, roots,    exponentials, near_sum,
                                                               far_sum,  chase, branches, copies,       allocations };
#endif
